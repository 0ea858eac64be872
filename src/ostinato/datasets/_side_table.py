"""A table that describes a folder of audio: renaming its columns, parsing its cells, joining its rows to files."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

import pandas as pd

from ostinato.core.counts import format_count
from ostinato.core.registry import instead
from ostinato.curation.remarks import Remark, make_remark
from ostinato.datasets._cells import (
    Problems,
    choose_list_separator,
    parse_column,
    parse_list,
    parse_number,
    parse_text,
    parse_year,
)
from ostinato.datasets._matching import Matches, closest, match_rows
from ostinato.datasets._tables import is_text, read_table
from ostinato.errors import DataError
from ostinato.io.delimited import list_examples, read_rows

YEAR, PLACE = "year", ("latitude", "longitude")
TEXTS = ("artist", "album", "album_artist", "title", "lyrics", "cover", "split")
KEYS = ("path", "track_id")
COLUMNS = (*KEYS, "genre", "tags", *TEXTS, YEAR, *PLACE)
SPLITS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation"}
SPLITS |= {"val": "validation", "dev": "validation", "test": "test"}
GENRE_SEPARATORS = (";", "|")
"""In a table a slash or comma is part of a genre, such as Pop/Rock, unless in dataset.genre_separators."""

PLAIN_NAME = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[^\W\d_][\w .-]*\b", re.IGNORECASE)
"""Names that YAML reads as text without quotation marks."""
HEAD_ROWS = 200
"""Rows read to suggest another column."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SideTable:
    """A table joined to files.

    Parameters
    ----------
    columns : DataFrame
        One row per file, in their order; `genre` and `tags` are lists.
    remarks : list of dict
        Rows without a file, files without a row, duplicate rows.
    """

    columns: pd.DataFrame
    remarks: list[Remark] = field(default_factory=list)


def locate(root: Path, table: str, option: str = "dataset.table") -> Path:
    """Find a table below the root or below the working folder.

    Parameters
    ----------
    root : Path
    table : str
    option : str
        The params key that names it, for the message.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If it is in neither.
    """
    for path in (root / table, Path(table)):
        if path.is_file():
            return path
    raise DataError(f"{option}: {table} was not found below {root} or below the working folder; correct its name")


def read_side_table(
    where: Path,
    columns: Mapping[str, str | int],
    *,
    paths: Sequence[str] = (),
    root: Path = Path(),
    tags_separator: str | None = None,
    genre_separators: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a table of tracks, with our column names and cells as text, numbers and lists.

    Parameters
    ----------
    where : Path
    columns : mapping of str to str or int
        Our name to the table's, or to a column's position, counted from 1.
    paths : sequence of str
        Files below `root`: a first row that names one of them is not a header.
    root : Path
    tags_separator : str, optional
        Separator of tags; default: guessed from the cells.
    genre_separators : sequence of str, optional
        Separators of genres; default: semicolons and bars.

    Returns
    -------
    DataFrame
        Without duplicate rows; `attrs` has ``n_rows``, how many rows there were, and the ``head`` and
        ``columns`` of the original table.

    Raises
    ------
    DataError
        If a column is missing, the table has no header and no positions are given, or cells cannot be read; the
        message lists all of them.
    """
    header = _has_header(where, columns, paths, root)
    raw = read_table(where, header)
    if not header:
        _check_positions(raw, columns, paths, root, where)
    table, problems = _rename(raw, columns, where), Problems(where)
    if "artist" in table:
        artists = _lists(table["artist"], ())
        table["artist"], table["artists"] = [next(iter(names), None) for names in artists], artists
    for name in (*KEYS, *TEXTS):
        if name in table:
            table[name] = pd.Series([parse_text(cell) for cell in table[name]], dtype=object, name=name)
    if YEAR in table:
        table[YEAR] = parse_column(table[YEAR], parse_year, problems, "is not a year")
    for name in PLACE:
        if name in table:
            number = partial(parse_number, separator=raw.attrs.get("separator", ""))
            table[name] = parse_column(table[name], number, problems, "is not a number")
    if "split" in table:
        words = table["split"].str.strip().str.lower().map(SPLITS)
        problems.add(table["split"], words.isna() & table["split"].notna(), f"is not one of {', '.join(SPLITS)}")
        table["split"] = words.astype(object)
    problems.check()
    if "tags" in table:
        table["tags"] = _lists(table["tags"], [tags_separator or _choose_separator(table["tags"], where)])
    if "genre" in table:
        table["genre"] = _lists(table["genre"], GENRE_SEPARATORS if genre_separators is None else genre_separators)
    unique = table[~table.map(repr).duplicated()].reset_index(names="row")
    unique["row"] += 1 + header
    unique.attrs = {"n_rows": len(table), "columns": list(map(str, raw.columns)), "head": raw.head(HEAD_ROWS)}
    unique.attrs["keys"] = [_find_column(columns[name], raw, where) if name in columns else name for name in KEYS]
    return unique


def _has_header(where: Path, columns: Mapping[str, str | int], paths: Sequence[str], root: Path) -> bool:
    """Return whether a table has a header: not if its first row names a file and no column."""
    if not is_text(where):
        return True
    first = [cell.strip() for cell in read_rows(where, header=False).rows[0]]
    names = {str(name) for name in columns.values() if isinstance(name, str)}
    if names & set(first) or {cell.casefold() for cell in first} & set(COLUMNS):
        return True
    return not match_rows(first, paths, root, where).file_of_row


def _check_positions(
    raw: pd.DataFrame, columns: Mapping[str, str | int], paths: Sequence[str], root: Path, where: Path
) -> None:
    """Refuse a table without a header unless all columns are given by position."""
    if columns and all(isinstance(position, int) for position in columns.values()):
        return
    head = raw.head(HEAD_ROWS)
    hits = {str(name): len(match_rows(head[name].tolist(), paths, root, where).file_of_row) for name in head}
    path = max(hits, key=lambda name: hits[name])
    genre = _guess_genre(head, path)
    advice = {"path": int(path)} | ({} if genre is None else {"genre": int(genre)})
    raise DataError(
        f"{where}: has no header: its first row already names a file ({raw[path].iloc[0]!r}); add a row with the names "
        f"of the columns, or give their positions, such as dataset.columns: {_write_columns(advice)}"
    )


def _guess_genre(head: pd.DataFrame, path: str) -> str | None:
    """Guess which column besides the paths holds genres: words, some of which repeat."""
    columns = {str(name): head[name].dropna().astype(str) for name in head if name != path}
    words = {n: cells for n, cells in columns.items() if len(cells) and not cells.str.fullmatch(r"[\d.,:-]+").all()}
    few = {n: cells.nunique() for n, cells in words.items() if 1 < cells.nunique() < len(head)}
    return min(few, key=lambda name: few[name], default=None)


def _write_columns(columns: Mapping[str, str | int]) -> str:
    """Write columns as in params.yaml, quoting names that YAML would not read as text."""
    values = {k: str(v) if isinstance(v, int) or PLAIN_NAME.fullmatch(v) else json.dumps(v) for k, v in columns.items()}
    return f"{{{', '.join(f'{name}: {value}' for name, value in values.items())}}}"


def _find_column(column: str | int, table: pd.DataFrame, where: Path) -> str:
    """Find a column by its name, or by its position, counted from 1."""
    if isinstance(column, str):
        if column not in table:
            raise DataError(f"{where}: has no column {column!r}; it has {_list_columns(table.columns)}")
        return column
    if not 1 <= column <= table.shape[1]:
        raise DataError(
            f"{where}: has no column number {column}; it has {table.shape[1]}: {_list_columns(table.columns)}"
        )
    return str(table.columns[column - 1])


def join(
    table: pd.DataFrame, paths: Sequence[str], root: Path, where: Path, max_unmatched_share: float = 1.0
) -> SideTable:
    """Join the rows of a table to the files they name.

    Parameters
    ----------
    table : DataFrame
        From `read_side_table`.
    paths : sequence of str
        Files below `root`.
    root, where : Path
        `where` is the table.
    max_unmatched_share : float
        Limit for the share of rows without a file, and of files without a row.

    Returns
    -------
    SideTable

    Raises
    ------
    DataError
        If no row names a file, a row names several, rows of one file differ, or too few match.
    """
    by, matches = _match(table, paths, root, where)
    row_of_file = {file: row for row, file in matches.file_of_row.items()}
    extra = table.drop(columns=["row", *KEYS], errors="ignore")
    columns = extra.reindex([row_of_file.get(i, -1) for i in range(len(paths))]).reset_index(drop=True)
    orphans = [i for i in range(len(table)) if i not in matches.file_of_row]
    unlisted = [path for i, path in enumerate(paths) if i not in row_of_file]
    n_rows = table.attrs["n_rows"]
    remarks = [
        make_remark(
            f"rows of {where.name} whose file does not exist",
            len(orphans), len(table), (f"row {table['row'][i]}: {table[by][i]!r}" for i in orphans),
        ),
        make_remark(f"files without a row in {where.name}", len(unlisted), len(paths), unlisted),
        make_remark(f"rows of {where.name} that repeat another", n_rows - len(table), n_rows),
    ]  # fmt: skip
    worst = max(len(orphans) / len(table), len(unlisted) / len(paths))
    if worst > max_unmatched_share:
        counts = [f"{r['n']:,} of {r['of']:,} {r['what']}: {', '.join(r['examples'])}" for r in remarks[:2] if r["n"]]
        lines = "".join(f"\n  {count}" for count in counts)
        name = table[by][orphans[0]] if orphans else None
        pair = f"\n  row:  {by} {name!r}\n  file: {closest(name, unlisted)!r}" if orphans and unlisted else ""
        raise DataError(
            f"{where}: too few of its rows match the files ({worst:.0%} do not){lines}{pair}"
            f"{_suggest(table, paths, root, where)}\n"
            "  correct dataset.columns or dataset.path; if the table is right, "
            f"set dataset.max_unmatched_share to {ceil(100 * worst) / 100:.2f} or more"
        )
    return SideTable(columns, remarks)


def list_matched(table: pd.DataFrame, paths: Sequence[str], root: Path, where: Path) -> list[str]:
    """List the files that have a row in a table.

    Parameters
    ----------
    table, paths, root, where
        As for `join`.

    Returns
    -------
    list of str
        In the order of `paths`.

    Raises
    ------
    DataError
        As `join`, except for rows and files that do not match.
    """
    _, matches = _match(table, paths, root, where)
    return [paths[file] for file in sorted(set(matches.file_of_row.values()))]


def _match(table: pd.DataFrame, paths: Sequence[str], root: Path, where: Path) -> tuple[str, Matches]:
    """Match rows to files by the better of the key columns; refuse ambiguous and contradictory rows."""
    if not set(KEYS) & set(table):
        columns = ", ".join(table.attrs["columns"])
        hint = _suggest(table, paths, root, where)
        raise DataError(
            f"{where}: has neither path nor track_id; set one in dataset.columns; the columns are {columns}{hint}"
        )
    matches_by = {name: match_rows(table[name].tolist(), paths, root, where) for name in KEYS if name in table}
    by = max(matches_by, key=lambda name: len(matches_by[name].file_of_row))
    matches = matches_by[by]
    faults = [*_list_ambiguous(matches, table, by, paths), *_list_differing(matches, table, by)]
    if faults:
        raise DataError(f"{where}: " + f"\n{where}: ".join(faults))
    if not matches.file_of_row:
        name = next((n for n in table[by] if n is not None), None)
        similar, hint = closest(name, paths), _suggest(table, paths, root, where)
        raise DataError(
            f"{where}: no row names a file of this folder\n  row:  {by} {name!r}\n  file: {similar!r}\n"
            f"  set dataset.columns to the column with the paths or names of the files, or correct dataset.path{hint}"
        )
    return by, matches


def _rename(table: pd.DataFrame, columns: Mapping[str, str | int], where: Path) -> pd.DataFrame:
    """Rename the columns to ours, whatever their case, and drop the rest."""
    for ours in columns:
        if ours not in COLUMNS:
            raise DataError(f"dataset.columns: {ours!r} is not a known column; {instead(ours, COLUMNS)}")
    chosen = {ours: _find_column(theirs, table, where) for ours, theirs in columns.items()}
    by_case = {str(name).casefold(): name for name in reversed(table.columns)}
    sources = {ours: chosen.get(ours, ours if ours in table else by_case.get(ours)) for ours in COLUMNS}
    return pd.DataFrame({ours: table[theirs] for ours, theirs in sources.items() if theirs is not None})


def _list_columns(columns: pd.Index) -> str:
    return ", ".join(map(str, columns))


def _lists(cells: pd.Series, separators: Sequence[str]) -> pd.Series:
    """Split cells into names; other values, such as the number of a class, are one name."""
    texts = [cell if pd.api.types.is_list_like(cell) else parse_text(cell) for cell in cells]
    return pd.Series([parse_list(text, separators) for text in texts], cells.index, dtype=object, name=cells.name)


def _choose_separator(cells: pd.Series, where: Path) -> str:
    """Choose the separator of tags, and warn if it is the comma, which names may contain."""
    separator = choose_list_separator(cells, where, "tags")
    if separator == ",":
        n = sum(isinstance(cell, str) and separator in cell for cell in cells)
        log.warning("%s: %d cells of tags are split at commas; set dataset.tags_separator to change that", where, n)
    return separator


def _list_ambiguous(matches: Matches, table: pd.DataFrame, by: str, paths: Sequence[str]) -> list[str]:
    """Describe the rows that name several files, if any."""
    if not matches.ambiguous:
        return []
    row, files = next(iter(matches.ambiguous.items()))
    examples = list_examples(repr(paths[file]) for file in files)
    advice = "add a path column" if by == "track_id" else "use longer paths"
    return [
        f"rows that name several files: {len(matches.ambiguous)}, such as row {table['row'][row]}: "
        f"{len(files)} files are called {table[by][row]!r} ({examples}); {advice}"
    ]


def _list_differing(matches: Matches, table: pd.DataFrame, by: str) -> list[str]:
    """Describe the rows that contradict each other about a file, if any."""
    rows_of: dict[int, list[int]] = {}
    for row, file in sorted(matches.file_of_row.items()):
        rows_of.setdefault(file, []).append(row)
    content = table.drop(columns=["row", *KEYS], errors="ignore")
    several = [rows for rows in rows_of.values() if len(rows) > 1]
    conflicts = [rows for rows in several if content.iloc[rows].map(repr).drop_duplicates().shape[0] > 1]
    if not conflicts:
        return []
    examples = list_examples(
        f"rows {' and '.join(str(table['row'][row]) for row in rows[:2])} are of {table[by][rows[0]]!r}"
        for rows in conflicts
    )
    advice = "keep one" if by == "path" else "keep one, or add a path column"
    return [f"{format_count(len(conflicts), 'file')} with rows that contradict each other: {examples}; {advice}"]


def _suggest(table: pd.DataFrame, paths: Sequence[str], root: Path, where: Path) -> str:
    """Suggest the column that names files, if another was used."""
    head = table.attrs["head"]
    hits = {name: len(match_rows(head[name].tolist(), paths, root, where).file_of_row) for name in head}
    best = max(hits, key=lambda name: hits[name], default="")
    if not hits.get(best) or hits[best] <= max(hits.get(name, 0) for name in table.attrs["keys"]):
        return ""
    n, of = hits[best], len(head)
    genre = None if "genre" in table else _guess_genre(head, best)
    advice = _write_columns({"path": str(best)} | ({} if genre is None else {"genre": genre}))
    return f"\n  column {best!r} does in {n} of its first {of} rows: set dataset.columns: {advice}"
