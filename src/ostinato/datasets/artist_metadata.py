"""Tracks with all that is known of their artists and albums: sound, cover, lyrics, place, year and relations.

Size, origin and licence are those of what you fill it with. The schema is that of the
thesis whose collection came from Spotify's Web API (158,844 previews of 26,683
artists) and is not published. Paper: R. Whitell: Content-Based Music Recommendation
using Deep Learning. Regis University, 2019, section "Datasets".

Below the root lie

- ``tracks.parquet``: track_id, artist_id, title; if known album_id, genres (list), path, split;
- ``artists.parquet``: artist_id, name; if known genres (list), related (list of artist_id),
  latitude, longitude;
- ``albums.parquet``, if there are any: album_id, title; if known year, cover (a path);
- ``lyrics/<track_id>.txt`` and the audio, ``audio/<track_id>.mp3`` where a track has no path.

A track's tags are its own genres, else its artist's, and its genre is the first of them.
Lyrics and covers of no track are named in a warning.
"""

import logging
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from ostinato.datasets._tables import find, require
from ostinato.errors import DataError

LICENSE = "as the owner of the collection holds it"
CITATION = """@mastersthesis{whitell2019,
  title = {Content-Based Music Recommendation using Deep Learning},
  author = {Whitell, Ryan}, school = {Regis University}, year = {2019}
}"""
SOURCE = "the folder that dataset.path names"
PROMISED = ("artist",)

log = logging.getLogger(__name__)


class Options(BaseModel, frozen=True, extra="forbid"):
    """The collection has no keys of its own."""


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the tracks with what artists and albums add.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Of no use here.

    Returns
    -------
    DataFrame
        All columns of a listing.

    Raises
    ------
    DataError
        If a table is not there, lacks a column, or names an artist or album that is none.
    """
    listed = _read(root, "tracks.parquet", ("track_id", "artist_id", "title"), ("album_id", "genres", "path", "split"))
    people = _artists(root)
    _require_known(listed["artist_id"], people.index, root / "tracks.parquet", "artist")
    by_artist = people.reindex(listed["artist_id"]).reset_index(drop=True)
    listed["artist"] = by_artist["name"]
    listed["latitude"], listed["longitude"] = by_artist["latitude"], by_artist["longitude"]
    own = [_list(cell) for cell in listed["genres"]]
    listed["tags"] = [a or _list(b) for a, b in zip(own, by_artist["genres"], strict=True)]
    listed["genre"] = [tags[0] if tags else None for tags in listed["tags"]]
    listed["path"] = listed["path"].fillna("audio/" + listed["track_id"] + ".mp3")
    listed["album_artist"] = listed.groupby("album_id")["artist"].transform("first")  # one for all of an album
    listed = listed.join(_albums(root, listed["album_id"]))
    lyrics = {path.stem: f"lyrics/{path.name}" for path in sorted((root / "lyrics").glob("*.txt"))}
    _orphans(set(lyrics) - set(listed["track_id"]), "lyrics")
    return listed.assign(lyrics=listed["track_id"].map(lyrics)).drop(columns=["artist_id", "album_id", "genres"])


def artists(root: Path, options: Options, *, seed: int = 0) -> pd.DataFrame:
    """List the artists and whom each is related to.

    Parameters
    ----------
    root : Path
    options : Options
    seed : int
        Of no use here.

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
    """Assign each track its album's title, year and cover."""
    table = pd.DataFrame(columns=["album_id", "title", "year", "cover"], dtype=object)
    if (root / "albums.parquet").exists():
        table = _read(root, "albums.parquet", ("album_id", "title"), ("year", "cover"))
    table = table.set_index("album_id")
    _require_known(album_id.dropna(), table.index, root / "tracks.parquet", "album")
    _orphans(set(table.index) - set(album_id), "albums")
    return table.reindex(album_id).reset_index(drop=True).rename(columns={"title": "album"})[["album", "year", "cover"]]


def _read(root: Path, name: str, needed: tuple[str, ...], optional: tuple[str, ...]) -> pd.DataFrame:
    path = find(root, name)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no Parquet table; write it anew") from error
    require(table, needed, path)
    key = table[needed[0]]
    if key.duplicated().any():
        raise DataError(f"{path}: {needed[0]} {key[key.duplicated()].iloc[0]!r} stands twice; keep one")
    return table.reindex(columns=[*needed, *optional])


def _require_known(ids: pd.Series, there: pd.Index, path: Path, what: str) -> None:
    strange = ids[~ids.isin(there)]
    if len(strange):
        raise DataError(f"{path}: row {strange.index[0] + 1}: {what} {strange.iloc[0]!r} is in no table; add it")


def _orphans(names: set[str], what: str) -> None:
    if names:
        log.warning("%d %s belong to no track, such as %s", len(names), what, min(names))


def _list(cell: object) -> list[str]:
    return [str(item) for item in cell] if pd.api.types.is_list_like(cell) else []  # type: ignore[attr-defined]
