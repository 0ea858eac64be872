"""Albums: groups of tracks; titles alone do not identify them, since many are called "Greatest Hits".

Two tracks with the same album title are on one album if they share an artist or an album
artist, or are in the album's folder: one below the root in which more than half of the tracks
have that title. The folder of a disc ("CD 1") counts as its parent. If neither an artist nor
an album artist is known, only the title decides. With ``compilations="apart"`` an album is
identified by title and artist, so that one by several artists counts as several albums.
"""

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

import pandas as pd

from ostinato.core.names import identity
from ostinato.curation.components import components

Compilations: TypeAlias = Literal["together", "apart"]
DISC = re.compile(r"(cd|dis[ck]|disque)[\s_.-]*\d+", re.IGNORECASE)
PLACEHOLDERS = frozenset({"unknown", "<unknown>", "[unknown]", "unknown album", "unknown artist"})
"""What programs write for unknown names."""
Key: TypeAlias = tuple[str, str, str]


def identify_albums(tracks: pd.DataFrame, compilations: Compilations = "together") -> pd.Series:
    """Identify the album of each track.

    Parameters
    ----------
    tracks : DataFrame
        album, artist, album_artist and path; each may be missing.
    compilations : {"together", "apart"}
        Whether tracks by different artists can be on one album.

    Returns
    -------
    Series of object
        Number of the album, None without one; same index as `tracks`.

    Examples
    --------
    >>> tracks = pd.DataFrame({
    ...     "album": ["Greatest Hits", "Greatest Hits", "GREATEST HITS", None],
    ...     "artist": ["Queen", "ABBA", "queen", "Queen"],
    ... })
    >>> identify_albums(tracks).tolist()
    [0, 1, 0, None]
    """
    columns = tracks.reindex(columns=["album", "artist", "album_artist"])
    titles, artists, owners = ([_read_name(name) for name in columns[column]] for column in columns)
    if compilations == "apart":
        keys = [[(t, "by", a or o or "")] if t else [] for t, a, o in zip(titles, artists, owners, strict=True)]
    else:
        folders = _find_album_folders(titles, tracks)
        keys = [_list_keys(*track) for track in zip(titles, artists, owners, folders, strict=True)]
    numbers = components(keys)
    return pd.Series([int(n) if t else None for n, t in zip(numbers, titles, strict=True)], tracks.index, dtype=object)


def _read_name(name: object) -> str | None:
    key = identity(name)
    return None if key in PLACEHOLDERS else key


def identify_artists(tracks: pd.DataFrame) -> list[list[str]]:
    """List the artists of each track, the main one first, by their identities.

    Parameters
    ----------
    tracks : DataFrame
        `artist` and, optionally, `artists` of tracks with several.

    Returns
    -------
    list of list of str
        Without repetitions; see `ostinato.core.names.identity`.

    Examples
    --------
    >>> identify_artists(pd.DataFrame({"artist": ["Ada", None], "artists": [["ADA", "Bo"], []]}))
    [['ada', 'bo'], []]
    """
    others = tracks["artists"] if "artists" in tracks else [None] * len(tracks)
    credits = (
        [artist, *(more if pd.api.types.is_list_like(more) else ())]
        for artist, more in zip(tracks["artist"], others, strict=True)
    )
    return [list(dict.fromkeys(key for name in row if (key := identity(name)) is not None)) for row in credits]


def _list_keys(title: str | None, artist: str | None, owner: str | None, folder: str | None) -> list[Key]:
    """List the keys by which a track belongs to albums."""
    if title is None:
        return []
    people = sorted({name for name in (artist, owner) if name}) or [""]
    return [(title, "by", name) for name in people] + ([(title, "in", folder)] if folder is not None else [])


def _find_album_folders(titles: list[str | None], tracks: pd.DataFrame) -> list[str | None]:
    """Return the folder of each track if it is an album's, else None."""
    paths = tracks["path"] if "path" in tracks else [None] * len(tracks)
    folders = [_folder(path) if isinstance(path, str) else None for path in paths]
    sizes, shares = Counter(folders), Counter(zip(folders, titles, strict=True))
    return [
        folder if folder is not None and title is not None and 2 * shares[folder, title] > sizes[folder] else None
        for folder, title in zip(folders, titles, strict=True)
    ]


def _folder(path: str) -> str | None:
    """Return the folder of a file, or the parent of a disc's folder; None for the root.

    >>> _folder("Pink Floyd/The Wall/CD 2/01.mp3")
    'Pink Floyd/The Wall'
    """
    folder = PurePosixPath(path).parent
    folder = folder.parent if DISC.fullmatch(folder.name) else folder
    return str(folder) if folder.name else None
