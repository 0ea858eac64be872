"""A folder of audio described by its directories, by a table, by the files' tags, or by all of them.

Size, origin, licence and paper are those of the files. The genre comes from
the table if it has one, else from the first directory below the root (GTZAN's
layout), else from the files' tags; set `genre_from` for another layout, such as
``Artist/Album/Title``. A table (CSV and the like, or Parquet) adds genre, tags,
artist, album and more: its rows name files by a column `path`, else by `track_id`,
a file's name without the suffix. What is still unknown can be filled from the
files' own tags, and a table of artists adds theirs.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, Field, field_validator
from tqdm import tqdm

from ostinato.core.names import identity
from ostinato.curation.remarks import Remark, add_remarks, make_remark
from ostinato.datasets._cells import choose_list_separator, parse_list, parse_year
from ostinato.datasets._file_tags import (
    GENRE_SEPARATORS,
    FileTags,
    choose_artists,
    read_file_tags,
    split_genres,
    strip_disc,
)
from ostinato.datasets._genres import Genres, are_people, choose_source, compare_sources, read_folder_genre
from ostinato.datasets._side_table import join, list_matched, locate, read_side_table
from ostinato.datasets._tables import audio_files, read_table, require
from ostinato.errors import DataError

LICENSE = "that of the files"
CITATION = ""
SOURCE = "the folder given by dataset.path"
SAMPLE_FILES = 20
"""Files whose tags are read, without `read_tags`, to see whether folders are named after artists."""


class Options(BaseModel, frozen=True, extra="forbid"):
    r"""Options of a folder.

    Parameters
    ----------
    table : str, optional
        A text table (CSV or the like) or a Parquet file; absolute, below the root, or below the working folder.
    columns : dict
        Our name to the table's, such as ``{artist: artist_group}``, or to a column's position, counted from 1, for
        a table without a header.
    max_unmatched_share : float
        Stop if more of the table's rows have no file, or more of the files have no row.
    tags_separator : str, optional
        Separator of tags in a cell; default: a semicolon, bar or comma, guessed from the cells.
    read_tags : bool
        Fill artist, album, title, year and, unless `genre_from` is set, genre from
        the files' own tags where they are unknown.
    genre_from : {"folder", "tags", "table"}, optional
        Source of genres. Default: the table if it has a column `genre`; with `read_tags`
        the tags, if folders are named after artists or albums or there is only one; else the folder.
    genre_depth : int
        Which folder names the genre: 1 is the first below the root, -1 the one that holds the file.
        Discs of an album (CD1, Disc 2) do not count.
    genre_separators : list of str, optional
        Separators of genres in a tag or cell; default ``; / | \`` in tags, ``; |`` in tables.
    genre_tags : bool
        Whether all genres of a track are tags too, for multi-label candidates.
    artist_tags : str, optional
        A table with `artist` and `tags`, located like `table`: every track gets its artist's tags too.
    only_listed : bool
        Leave out the files that have no row in the table.
    """

    table: str | None = None
    columns: dict[str, str | int] = {}
    max_unmatched_share: float = Field(0.5, ge=0, le=1)
    tags_separator: str | None = None
    read_tags: bool = False
    genre_from: Literal["folder", "tags", "table"] | None = None
    genre_depth: int = 1
    genre_separators: list[str] | None = None
    genre_tags: bool = False
    artist_tags: str | None = None
    only_listed: bool = False

    @field_validator("genre_depth")
    @classmethod
    def _refuse_no_folder(cls, depth: int) -> int:
        if not depth:
            raise ValueError(
                "0 is not a folder; use 1 for the first below the root, -1 for the one that holds the file"
            )
        return depth


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the audio files below a folder with their metadata.

    Parameters
    ----------
    root : Path
    options : Options
    seed : int
        Not used.
    workers : int
        Number of threads that read tags.

    Returns
    -------
    DataFrame
        `track_id` and `path` (the same), `genre`, and columns from the table and the tags;
        sorted by path, with remarks (`ostinato.curation.remarks`).

    Raises
    ------
    DataError
        If there is no audio, or the table cannot be read or joined.
    """
    paths, tags = _list_files(root, options), list[FileTags]()
    if options.read_tags or options.genre_from == "tags":
        with ThreadPoolExecutor(max(workers, 1)) as pool:  # network shares answer requests in parallel
            results = pool.map(read_file_tags, [root / path for path in paths])
            tags = list(tqdm(results, "reading tags", len(paths), unit="file", disable=None, leave=False))
    return describe_files(root, paths, tags, options)


def _list_files(root: Path, options: Options) -> list[str]:
    """List the audio files, or only those that have a row in the table."""
    paths = audio_files(root)
    if not options.only_listed:
        return paths
    if options.table is None:
        raise DataError("dataset.only_listed: there is no table that lists files; set dataset.table")
    where = locate(root, options.table)
    return list_matched(read_side_table(where, options.columns, paths=paths, root=root), paths, root, where)


def describe_files(root: Path, paths: Sequence[str], tags: Sequence[FileTags], options: Options) -> pd.DataFrame:
    """Combine the metadata of files from folders, a table and their own tags.

    Parameters
    ----------
    root : Path
    paths : sequence of str
        Below `root`.
    tags : sequence of FileTags
        Of each file, or empty.
    options : Options

    Returns
    -------
    DataFrame
        As from `tracks`.

    Raises
    ------
    DataError
        If a table cannot be read or joined.
    """
    files = pd.DataFrame({"track_id": paths, "path": paths})
    folders = [read_folder_genre(path, options.genre_depth) for path in paths]
    genres_of: dict[str, Genres] = {"folder": [[genre] if genre else [] for genre in folders]}
    if options.table is not None:
        files, genres_of = _with_table(files, genres_of, root, options)
    if options.genre_from == "table" and "table" not in genres_of:
        raise DataError("dataset.genre_from: table: there is no column genre; set dataset.table or dataset.columns")
    files = fill_from_tags(_with_genres(files, genres_of, tags, options, root), tags, options)
    if options.artist_tags is not None:
        where = locate(root, options.artist_tags, "dataset.artist_tags")
        files = _with_artist_tags(files, where, options.tags_separator)
    return files if "tags" in files else files.assign(tags=pd.Series([[] for _ in paths], dtype=object))


def fill_from_tags(files: pd.DataFrame, tags: Sequence[FileTags], options: Options | None = None) -> pd.DataFrame:
    """Fill unknown artists, albums, titles, years and genres from the files' own tags.

    Parameters
    ----------
    files : DataFrame
        As from `tracks`.
    tags : sequence of FileTags
        Of each file, or empty.
    options : Options, optional
        How genres are read.

    Returns
    -------
    DataFrame
    """
    options = options or Options()
    if not tags:
        return files
    files = files.copy()
    separators = GENRE_SEPARATORS if options.genre_separators is None else options.genre_separators
    artists = [choose_artists(t) for t in tags]
    values = {
        "artist": [names[0] if names else None for names in artists],
        "album": [strip_disc(t["album"][0]) if "album" in t else None for t in tags],
        "album_artist": [t["albumartist"][0] if "albumartist" in t else None for t in tags],
        "title": [t["title"][0] if "title" in t else None for t in tags],
    }
    known: Any = files["artists"] if "artists" in files else [[]] * len(files)
    files["artists"] = pd.Series([a or b for a, b in zip(known, artists, strict=True)], files.index, dtype=object)
    if options.genre_from is None:
        values["genre"] = [next(iter(split_genres(t.get("genre", []), separators)), None) for t in tags]
    for name, column in values.items():
        known = files[name] if name in files else pd.Series([None] * len(files), files.index, dtype=object)
        files[name] = known.astype(object).where(known.notna(), pd.Series(column, files.index, dtype=object))
    years = pd.Series([parse_year(next(iter(t.get("date", [])), None)) for t in tags], files.index, dtype="float64")
    files["year"] = files["year"].fillna(years) if "year" in files else years
    return files


def _with_table(
    files: pd.DataFrame, genres_of: dict[str, Genres], root: Path, options: Options
) -> tuple[pd.DataFrame, dict[str, Genres]]:
    """Add the table's columns to the files, and its genres to those of folders."""
    where = locate(root, str(options.table))
    paths = files["path"].tolist()
    table = read_side_table(
        where,
        options.columns,
        paths=paths,
        root=root,
        tags_separator=options.tags_separator,
        genre_separators=options.genre_separators,
    )
    side = join(table, paths, root, where, options.max_unmatched_share)
    columns = side.columns
    if "genre" in columns:
        genres = [list(cell) if isinstance(cell, list) else [] for cell in columns.pop("genre")]
        genres_of = {**genres_of, "table": genres}
    if "artists" in columns:
        columns["artists"] = [list(cell) if isinstance(cell, list) else [] for cell in columns["artists"]]
    if "tags" in columns:
        columns["tags"] = [sorted(cell) if isinstance(cell, list) else [] for cell in columns["tags"]]
    return add_remarks(pd.concat([files, columns], axis=1), side.remarks), genres_of


def _with_genres(
    files: pd.DataFrame,
    genres_of: dict[str, Genres],
    tags: Sequence[FileTags],
    options: Options,
    root: Path,
) -> pd.DataFrame:
    """Assign each track its first genre of the chosen source, and remark on conflicts with others."""
    separators = GENRE_SEPARATORS if options.genre_separators is None else options.genre_separators
    if tags:
        genres_of = {**genres_of, "tags": [split_genres(t.get("genre", []), separators) for t in tags]}
    source = options.genre_from or choose_source(genres_of, tags)
    genres, paths = genres_of[source], files["path"].tolist()
    files["genre"] = pd.Series([row[0] if row else None for row in genres], dtype=object)
    if options.genre_tags:
        every = [[*row, *(genres_of["tags"][i] if tags else [])] for i, row in enumerate(genres)]
        files = _more_tags(files, every)
    remarks = compare_sources(source, genres_of, paths)
    if options.genre_from is None and source == "tags":
        remarks.append(
            make_remark(
                "tracks take the genre from their tags: folders name artists, albums or nothing",
                len(paths),
                len(paths),
            )
        )
    if not tags:
        remarks += _remark_unread_tags(root, files, genres_of["folder"] if source == "folder" else [], options)
    return add_remarks(files, remarks)


def _remark_unread_tags(root: Path, files: pd.DataFrame, folders: Genres, options: Options) -> list[Remark]:
    """Read the tags of some files to remark on what `read_tags` would add."""
    paths = files["path"].tolist()
    sample = range(0, len(paths), -(-len(paths) // SAMPLE_FILES))
    tags = [read_file_tags(root / paths[i]) for i in sample]
    remarks = []
    if options.genre_from is None and folders and are_people([next(iter(folders[i]), None) for i in sample], tags):
        what = "files whose class is a folder named after an artist or album; set dataset.genre_from: tags"
        remarks.append(make_remark(what, len(paths), len(paths), paths))
    for name, get in (("artist", choose_artists), ("genre", lambda t: t.get("genre", []))):
        unknown = files[name].isna() if name in files else pd.Series(True, files.index)
        hits = [paths[i] for i, t in zip(sample, tags, strict=True) if unknown[i] and get(t)]
        what = f"files read as a sample name the {name} only in their own tags; set dataset.read_tags: true"
        remarks.append(make_remark(what, len(hits), len(sample), hits))
    return remarks


def _with_artist_tags(files: pd.DataFrame, where: Path, separator: str | None) -> pd.DataFrame:
    """Add to each track the tags of its artist."""
    table = read_table(where)
    require(table, ("artist", "tags"), where)
    if "artist" not in files:
        raise DataError(f"{where}: no track has an artist to join by; set dataset.table or read_tags: true")
    separator = separator or choose_list_separator(table["tags"], where, "tags")
    tags: dict[str, list[str]] = {}
    for name, cell in zip(table["artist"], table["tags"], strict=True):
        if key := identity(name):
            tags.setdefault(key, []).extend(parse_list(cell, separator))
    artist_tags = [tags.get(identity(name) or "", []) for name in files["artist"]]
    if not any(artist_tags):
        raise DataError(f"{where}: names no artist of the tracks, such as {files['artist'].dropna().iloc[:1].tolist()}")
    return _more_tags(files, artist_tags)


def _more_tags(files: pd.DataFrame, more: Genres) -> pd.DataFrame:
    tags: Any = files["tags"] if "tags" in files else [[]] * len(files)
    union: Any = [sorted({*parse_list(cell), *new}) for cell, new in zip(tags, more, strict=True)]
    return files.assign(tags=union)
