"""Albums: tracks that belong together; a title alone does not say, since many are called "Greatest Hits".

Two tracks of one title are of one album if they have an artist or an album artist
in common, or lie in a folder that is an album's: one below the root of whose tracks
more than half have that title. The folders of discs ("CD 1") count as the folder above them. Where
neither an artist nor an album artist is known, the title alone decides. Without
`compilations` an album is its title and its artist, and one by several artists is
several albums.
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
"""What programs write where they know no name."""
Key: TypeAlias = tuple[str, str, str]


def identify_albums(tracks: pd.DataFrame, compilations: Compilations = "together") -> pd.Series:
    """Identify the album of each track.

    Parameters
    ----------
    tracks : DataFrame
        album, artist, album_artist and path, as far as they are known.
    compilations : {"together", "apart"}
        Whether tracks by several artists can be of one album.

    Returns
    -------
    Series of object
        An integer for each track that has an album, else None; by the index of `tracks`.

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
        homes = _find_homes(titles, tracks)
        keys = [_keys(*track) for track in zip(titles, artists, owners, homes, strict=True)]
    numbers = components(keys)
    return pd.Series([int(n) if t else None for n, t in zip(numbers, titles, strict=True)], tracks.index, dtype=object)


def _read_name(name: object) -> str | None:
    same = identity(name)
    return None if same in PLACEHOLDERS else same


def identify_artists(tracks: pd.DataFrame) -> list[list[str]]:
    """List who plays each track, the first artist and all others, by what their spellings share.

    Parameters
    ----------
    tracks : DataFrame
        `artist` and, where tracks have several, `artists`.

    Returns
    -------
    list of list of str
        Each artist of a track once.

    Examples
    --------
    >>> identify_artists(pd.DataFrame({"artist": ["Ada", None], "artists": [["ADA", "Bo"], []]}))
    [['ada', 'bo'], []]
    """
    others = tracks["artists"] if "artists" in tracks else [None] * len(tracks)
    everyone = (
        [artist, *(more if pd.api.types.is_list_like(more) else ())]
        for artist, more in zip(tracks["artist"], others, strict=True)
    )
    return [list(dict.fromkeys(same for name in row if (same := identity(name)) is not None)) for row in everyone]


def _keys(title: str | None, artist: str | None, owner: str | None, home: str | None) -> list[Key]:
    """List what a track shares with every other one of its album."""
    if title is None:
        return []
    people = sorted({name for name in (artist, owner) if name}) or [""]
    return [(title, "by", name) for name in people] + ([(title, "in", home)] if home is not None else [])


def _find_homes(titles: list[str | None], tracks: pd.DataFrame) -> list[str | None]:
    """Return the folder of each track where it is that of the track's album."""
    paths = tracks["path"] if "path" in tracks else [None] * len(tracks)
    folders = [_folder(path) if isinstance(path, str) else None for path in paths]
    sizes, shares = Counter(folders), Counter(zip(folders, titles, strict=True))
    return [
        folder if folder is not None and title is not None and 2 * shares[folder, title] > sizes[folder] else None
        for folder, title in zip(folders, titles, strict=True)
    ]


def _folder(path: str) -> str | None:
    """Return the folder of a file; that of a disc is passed over, the root is none.

    >>> _folder("Pink Floyd/The Wall/CD 2/01.mp3")
    'Pink Floyd/The Wall'
    """
    folder = PurePosixPath(path).parent
    folder = folder.parent if DISC.fullmatch(folder.name) else folder
    return str(folder) if folder.name else None
