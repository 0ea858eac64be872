"""Tracks with metadata of artists and albums: cover, lyrics, coordinates, year and related artists.

Size, origin and licence are those of what you fill it with. The schema is that of the
thesis whose collection came from Spotify's Web API (158,844 previews of 26,683
artists) and is not published. Paper: R. Whitell: Content-Based Music Recommendation
using Deep Learning. Regis University, 2019, section "Datasets".

The root holds

- ``tracks.parquet``: track_id, artist_id, title; optionally album_id, genres (list), path, split;
- ``artists.parquet``: artist_id, name; optionally genres (list), related (list of artist_id),
  latitude, longitude;
- ``albums.parquet``, optional: album_id, title; optionally year, cover (a path);
- ``lyrics/<track_id>.txt`` and the audio, ``audio/<track_id>.mp3`` if a track has no path.

A track's tags are its own genres, else its artist's, and its genre is the first of them.
Lyrics and albums without a track are named in a warning.
"""

import logging
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from ostinato.datasets._tables import find, require
from ostinato.errors import DataError

LICENSE = "that of the collection"
CITATION = """@mastersthesis{whitell2019,
  title = {Content-Based Music Recommendation using Deep Learning},
  author = {Whitell, Ryan}, school = {Regis University}, year = {2019}
}"""
SOURCE = "the folder given by dataset.path"
PROMISED_COLUMNS = ("artist",)

log = logging.getLogger(__name__)


class Options(BaseModel, frozen=True, extra="forbid"):
    """No options."""


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the tracks with metadata of their artists and albums.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        All columns of a listing.

    Raises
    ------
    DataError
        If a table is missing, lacks a column, or names an unknown artist or album.
    """
    frame = _read(root, "tracks.parquet", ("track_id", "artist_id", "title"), ("album_id", "genres", "path", "split"))
    people = _artists(root)
    _require_known(frame["artist_id"], people.index, root / "tracks.parquet", "artist")
    by_artist = people.reindex(frame["artist_id"]).reset_index(drop=True)
    frame["artist"] = by_artist["name"]
    frame["latitude"], frame["longitude"] = by_artist["latitude"], by_artist["longitude"]
    genres = [_list(cell) for cell in frame["genres"]]
    frame["tags"] = [a or _list(b) for a, b in zip(genres, by_artist["genres"], strict=True)]
    frame["genre"] = [tags[0] if tags else None for tags in frame["tags"]]
    frame["path"] = frame["path"].fillna("audio/" + frame["track_id"] + ".mp3")
    frame["album_artist"] = frame.groupby("album_id")["artist"].transform("first")  # one for all of an album
    frame = frame.join(_albums(root, frame["album_id"]))
    lyrics = {path.stem: f"lyrics/{path.name}" for path in sorted((root / "lyrics").glob("*.txt"))}
    _orphans(set(lyrics) - set(frame["track_id"]), "lyrics")
    return frame.assign(lyrics=frame["track_id"].map(lyrics)).drop(columns=["artist_id", "album_id", "genres"])


def artists(root: Path, options: Options, *, seed: int = 0) -> pd.DataFrame:
    """List the artists and their related artists.

    Parameters
    ----------
    root : Path
    options : Options
    seed : int
        Not used.

    Returns
    -------
    DataFrame
        artist, genre, related (names), latitude, longitude.
    """
    people = _artists(root)
    names = people["name"]
    related = [sorted(names[i] for i in _list(cell) if i in names.index) for cell in people["related"]]
    genre = [next(iter(_list(cell)), None) for cell in people["genres"]]
    columns = {"artist": names.to_numpy(), "genre": genre, "related": related}
    return pd.DataFrame(columns | {c: people[c].to_numpy("float64") for c in ("latitude", "longitude")})


def _artists(root: Path) -> pd.DataFrame:
    optional = ("genres", "related", "latitude", "longitude")
    return _read(root, "artists.parquet", ("artist_id", "name"), optional).set_index("artist_id")


def _albums(root: Path, album_id: pd.Series) -> pd.DataFrame:
    """Return title, year and cover of each track's album."""
    table = pd.DataFrame(columns=["album_id", "title", "year", "cover"], dtype=object)
    if (root / "albums.parquet").exists():
        table = _read(root, "albums.parquet", ("album_id", "title"), ("year", "cover"))
    table = table.set_index("album_id")
    _require_known(album_id.dropna(), table.index, root / "tracks.parquet", "album")
    _orphans(set(table.index) - set(album_id), "albums")
    return table.reindex(album_id).reset_index(drop=True).rename(columns={"title": "album"})[["album", "year", "cover"]]


def _read(root: Path, name: str, required: tuple[str, ...], optional: tuple[str, ...]) -> pd.DataFrame:
    path = find(root, name)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not a Parquet table; write it again") from error
    require(table, required, path)
    key = table[required[0]]
    if key.duplicated().any():
        raise DataError(f"{path}: {required[0]} {key[key.duplicated()].iloc[0]!r} is repeated; keep one")
    return table.reindex(columns=[*required, *optional])


def _require_known(ids: pd.Series, index: pd.Index, path: Path, noun: str) -> None:
    unknown = ids[~ids.isin(index)]
    if len(unknown):
        raise DataError(f"{path}: row {unknown.index[0] + 1}: {noun} {unknown.iloc[0]!r} is in no table; add it")


def _orphans(names: set[str], noun: str) -> None:
    if names:
        log.warning("%d %s belong to no track, such as %s", len(names), noun, min(names))


def _list(cell: object) -> list[str]:
    return [str(item) for item in cell] if pd.api.types.is_list_like(cell) else []  # type: ignore[attr-defined]
