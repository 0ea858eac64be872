"""A table beside a folder of audio: its columns by our names, its cells read, its rows put beside their files."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

import pandas as pd

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
"""In a table a slash or a comma belongs to a genre, such as Pop/Rock, unless dataset.genre_separators has it."""

PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[^\W\d_][\w .-]*\b", re.IGNORECASE)
"""Names that YAML takes for text without quotation marks."""
HEAD = 200
"""Rows by which a better column is sought."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SideTable:
    """What a table tells of the files.

    Parameters
    ----------
    columns : DataFrame
        A row a file, in their order; `genre` and `tags` are lists.
    remarks : list of dict
        Rows without a file, files without a row, rows that stand twice.
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
        The key that names it, for the message.

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
    raise DataError(f"{option}: {table} is no file, below {root} or below the working folder; mend its name")


def read_side_table(
    where: Path,
    columns: Mapping[str, str | int],
    *,
    paths: Sequence[str] = (),
    root: Path = Path(),
    tags_separator: str | None = None,
    genre_separators: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a table of tracks, its columns by our names and its cells as text, numbers and lists.

    Parameters
    ----------
    where : Path
    columns : mapping of str to str or int
        Our name to the table's, or to a column's position, from 1 on.
    paths : sequence of str
        Files below `root`: a first row that names one of them is no header.
    root : Path
    tags_separator : str, optional
        What parts tags; default: what the cells show.
    genre_separators : sequence of str, optional
        What parts genres; default: semicolons and bars.

    Returns
    -------
    DataFrame
        Identical rows stand there once; `attrs` has ``n_rows``, how many there were, and the ``head`` and
        ``columns`` of the table as it is.

    Raises
    ------
    DataError
        If a column is absent, the table has no header and no positions are given, or cells cannot be read: all of
        them at once.
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
        table[YEAR] = parse_column(table[YEAR], parse_year, problems, "is no year")
    for name in PLACE:
        if name in table:
            number = partial(parse_number, separator=raw.attrs.get("separator", ""))
            table[name] = parse_column(table[name], number, problems, "is no number")
    if "split" in table:
        words = table["split"].str.strip().str.lower().map(SPLITS)
        problems.add(table["split"], words.isna() & table["split"].notna(), f"is none of {', '.join(SPLITS)}")
        table["split"] = words.astype(object)
    problems.check()
    if "tags" in table:
        table["tags"] = _lists(table["tags"], [tags_separator or _choose_separator(table["tags"], where)])
    if "genre" in table:
        table["genre"] = _lists(table["genre"], GENRE_SEPARATORS if genre_separators is None else genre_separators)
    unique = table[~table.map(repr).duplicated()].reset_index(names="row")
    unique["row"] += 1 + header
    unique.attrs = {"n_rows": len(table), "columns": list(map(str, raw.columns)), "head": raw.head(HEAD)}
    unique.attrs["taken"] = [_find_column(columns[name], raw, where) if name in columns else name for name in KEYS]
    return unique


def _has_header(where: Path, columns: Mapping[str, str | int], paths: Sequence[str], root: Path) -> bool:
    """Return whether a table begins with the names of its columns: not if its first row names a file and no column."""
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
    """Refuse a table without a header of which nobody says what its columns are."""
    if columns and all(isinstance(position, int) for position in columns.values()):
        return
    head = raw.head(HEAD)
    hits = {str(name): len(match_rows(head[name].tolist(), paths, root, where).file_of_row) for name in head}
    path = max(hits, key=lambda name: hits[name])
    genre = _guess_genre(head, path)
    advice = {"path": int(path)} | ({} if genre is None else {"genre": int(genre)})
    raise DataError(
        f"{where}: has no header: its first row already names a file ({raw[path].iloc[0]!r}); add a row with the names "
        f"of the columns, or give their positions, such as dataset.columns: {_write_columns(advice)}"
    )


def _guess_genre(head: pd.DataFrame, path: str) -> str | None:
    """Guess which column beside that of the paths holds genres: words, of which some stand in several rows."""
    words = {
        name: cells.nunique()
        for name in head
        if name != path
        and len(cells := head[name].dropna().astype(str))
        and not cells.str.fullmatch(r"[\d.,:-]+").all()
    }
    few = {str(name): n for name, n in words.items() if 1 < n < len(head)}
    return min(few, key=lambda name: few[name], default=None)


def _write_columns(columns: Mapping[str, str | int]) -> str:
    """Write columns as params.yaml takes them, with quotation marks around names that YAML would take for others."""
    values = {k: str(v) if isinstance(v, int) or PLAIN.fullmatch(v) else json.dumps(v) for k, v in columns.items()}
    return f"{{{', '.join(f'{name}: {value}' for name, value in values.items())}}}"


def _find_column(given: str | int, table: pd.DataFrame, where: Path) -> str:
    """Find a column by its name, or by its position, from 1 on."""
    if isinstance(given, str):
        if given not in table:
            raise DataError(f"{where}: has no column {given!r}; it has {_list_columns(table.columns)}")
        return given
    if not 1 <= given <= table.shape[1]:
        raise DataError(
            f"{where}: has no column number {given}; it has {table.shape[1]}: {_list_columns(table.columns)}"
        )
    return str(table.columns[given - 1])


def join(
    table: pd.DataFrame, paths: Sequence[str], root: Path, where: Path, max_unmatched_share: float = 1.0
) -> SideTable:
    """Put the rows of a table beside the files they name.

    Parameters
    ----------
    table : DataFrame
        As `read_side_table` gives it.
    paths : sequence of str
        Files below `root`.
    root, where : Path
        `where` is the table.
    max_unmatched_share : float
        Of the rows without a file, and of the files without a row.

    Returns
    -------
    SideTable

    Raises
    ------
    DataError
        If no row names a file, a row names several, several rows name one and differ, or too little fits.
    """
    by, matches = _match(table, paths, root, where)
    row_of_file = {file: row for row, file in matches.file_of_row.items()}
    extra = table.drop(columns=["row", *KEYS], errors="ignore")
    beside = extra.reindex([row_of_file.get(i, -1) for i in range(len(paths))]).reset_index(drop=True)
    orphans = [i for i in range(len(table)) if i not in matches.file_of_row]
    bare = [path for i, path in enumerate(paths) if i not in row_of_file]
    n_rows = table.attrs["n_rows"]
    remarks = [
        make_remark(
            f"rows of {where.name} whose file is not there",
            len(orphans), len(table), (f"row {table['row'][i]}: {table[by][i]!r}" for i in orphans),
        ),
        make_remark(f"files without a row in {where.name}", len(bare), len(paths), bare),
        make_remark(f"rows of {where.name} that repeat another", n_rows - len(table), n_rows),
    ]  # fmt: skip
    worst = max(len(orphans) / len(table), len(bare) / len(paths))
    if worst > max_unmatched_share:
        counts = [f"{r['n']:,} of {r['of']:,} {r['what']}: {', '.join(r['examples'])}" for r in remarks[:2] if r["n"]]
        lines = "".join(f"\n  {count}" for count in counts)
        name = table[by][orphans[0]] if orphans else None
        pair = f"\n  row:  {by} {name!r}\n  file: {closest(name, bare)!r}" if orphans and bare else ""
        raise DataError(
            f"{where}: too little of it fits the files ({worst:.0%} does not){lines}{pair}"
            f"{_suggest(table, paths, root, where)}\n"
            "  mend the column that dataset.columns gives, or dataset.path; where the table is right, "
            f"let dataset.max_unmatched_share be {ceil(100 * worst) / 100:.2f} or more"
        )
    return SideTable(beside, remarks)


def list_matched(table: pd.DataFrame, paths: Sequence[str], root: Path, where: Path) -> list[str]:
    """List the files that a table speaks of.

    Parameters
    ----------
    table, paths, root, where
        As of `join`.

    Returns
    -------
    list of str
        In the order of `paths`.

    Raises
    ------
    DataError
        As of `join`, save for what does not fit.
    """
    _, matches = _match(table, paths, root, where)
    return [paths[file] for file in sorted(set(matches.file_of_row.values()))]


def _match(table: pd.DataFrame, paths: Sequence[str], root: Path, where: Path) -> tuple[str, Matches]:
    """Find the file of each row by the column that names more of them; refuse rows that name several, or differ."""
    if not set(KEYS) & set(table):
        there = ", ".join(table.attrs["columns"])
        hint = _suggest(table, paths, root, where)
        raise DataError(f"{where}: has neither path nor track_id; name one in dataset.columns; it has {there}{hint}")
    matches_by = {name: match_rows(table[name].tolist(), paths, root, where) for name in KEYS if name in table}
    by = max(matches_by, key=lambda name: len(matches_by[name].file_of_row))
    matches = matches_by[by]
    faults = [*_list_ambiguous(matches, table, by, paths), *_list_differing(matches, table, by)]
    if faults:
        raise DataError(f"{where}: " + f"\n{where}: ".join(faults))
    if not matches.file_of_row:
        name = next((n for n in table[by] if n is not None), None)
        near, hint = closest(name, paths), _suggest(table, paths, root, where)
        raise DataError(
            f"{where}: no row names a file here\n  row:  {by} {name!r}\n  file: {near!r}\n"
            f"  let dataset.columns name the column with the paths or names of the files, or mend dataset.path{hint}"
        )
    return by, matches


def _rename(table: pd.DataFrame, columns: Mapping[str, str | int], where: Path) -> pd.DataFrame:
    """Rename the columns to ours, whatever their case, and drop the rest."""
    for ours in columns:
        if ours not in COLUMNS:
            raise DataError(f"dataset.columns: {ours!r} is no column of ours; {instead(ours, COLUMNS)}")
    given = {ours: _find_column(theirs, table, where) for ours, theirs in columns.items()}
    spellings = {str(name).casefold(): name for name in reversed(table.columns)}
    taken = {ours: given.get(ours, ours if ours in table else spellings.get(ours)) for ours in COLUMNS}
    return pd.DataFrame({ours: table[theirs] for ours, theirs in taken.items() if theirs is not None})


def _list_columns(columns: pd.Index) -> str:
    return ", ".join(map(str, columns))


def _lists(cells: pd.Series, separators: Sequence[str]) -> pd.Series:
    """Split cells into names; what is neither text nor a list, such as the number of a class, is one."""
    texts = [cell if pd.api.types.is_list_like(cell) else parse_text(cell) for cell in cells]
    return pd.Series([parse_list(text, separators) for text in texts], cells.index, dtype=object, name=cells.name)


def _choose_separator(cells: pd.Series, where: Path) -> str:
    """Choose what parts tags, and say so where it is the comma, which names may hold."""
    separator = choose_list_separator(cells, where, "tags")
    if separator == ",":
        n = sum(isinstance(cell, str) and separator in cell for cell in cells)
        log.warning("%s: %d cells of tags are parted at commas; dataset.tags_separator says otherwise", where, n)
    return separator


def _list_ambiguous(matches: Matches, table: pd.DataFrame, by: str, paths: Sequence[str]) -> list[str]:
    """Return which rows name several files, if any do."""
    if not matches.ambiguous:
        return []
    row, files = next(iter(matches.ambiguous.items()))
    such = list_examples(repr(paths[file]) for file in files)
    mend = "give the table a column path" if by == "track_id" else "let its paths say which"
    return [
        f"rows that name several files: {len(matches.ambiguous)}, such as row {table['row'][row]}: "
        f"{len(files)} files are called {table[by][row]!r} ({such}); {mend}"
    ]


def _list_differing(matches: Matches, table: pd.DataFrame, by: str) -> list[str]:
    """Return which rows tell different things of one file, if any do."""
    rows_of: dict[int, list[int]] = {}
    for row, file in sorted(matches.file_of_row.items()):
        rows_of.setdefault(file, []).append(row)
    content = table.drop(columns=["row", *KEYS], errors="ignore")
    several = [rows for rows in rows_of.values() if len(rows) > 1]
    differing = [rows for rows in several if content.iloc[rows].map(repr).drop_duplicates().shape[0] > 1]
    if not differing:
        return []
    such = list_examples(
        f"rows {' and '.join(str(table['row'][row]) for row in rows[:2])} speak of {table[by][rows[0]]!r}"
        for rows in differing
    )
    mend = "keep one" if by == "path" else "keep one, or give the table a column path"
    return [f"files of which rows tell different things: {len(differing)}: {such}; {mend}"]


def _suggest(table: pd.DataFrame, paths: Sequence[str], root: Path, where: Path) -> str:
    """Name the column that names files, if it is another one than was taken."""
    head = table.attrs["head"]
    hits = {name: len(match_rows(head[name].tolist(), paths, root, where).file_of_row) for name in head}
    best = max(hits, key=lambda name: hits[name], default="")
    if not hits.get(best) or hits[best] <= max(hits.get(name, 0) for name in table.attrs["taken"]):
        return ""
    n, of = hits[best], len(head)
    genre = None if "genre" in table else _guess_genre(head, best)
    advice = _write_columns({"path": str(best)} | ({} if genre is None else {"genre": genre}))
    return f"\n  column {best!r} does so in {n} of its first {of} rows: set dataset.columns: {advice}"
