"""Tables of artists and tracks whose empty cells are filled: found, read, and written with all else unchanged."""

import csv
import io
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato.core.registry import instead
from ostinato.errors import DataError
from ostinato.io import delimited
from ostinato.io.escapes import escape_cell
from ostinato.io.files import atomic_write, read_parquet, write_parquet
from ostinato.origins.query import Query, parse_isrc, parse_mbid

NAMES = ("artists", "tracks")
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
KEYS = ("path", "track_id")
"""A table with one of these columns is of tracks."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "mbid": ("artist_mbid", "musicbrainz_artistid", "artist_id"),
    "isrc": ("isrc",),
    "artist": ("artist", "artist_name"),
    "album": ("album", "release"),
}
"""What a query is made of, and the names of columns that hold it."""
OF_ARTISTS: Mapping[str, tuple[str, ...]] = {"mbid": ("mbid",), "artist": ("name",)}
"""Names that may mean the track in a table of tracks."""
TRACK_VALUES = ("country", "origin", "begin", "year")
ARTIST_VALUES = ("country", "origin", "begin", "first_release")
NUMBERS = ("begin", "year", "first_release")
COLUMN, SOURCE, CONFIDENCE = NOTES = ("fill_columns", "fill_source", "fill_confidence")
ORIGINAL = ".original"

Value = str | int


@dataclass(frozen=True)
class Table:
    """A table to fill.

    Parameters
    ----------
    path : Path
    cells : DataFrame
        Of any types; a text table has text, or None for an empty cell.
    names : mapping of str to str
        The table's names of the columns of `COLUMNS`, and of the values that it has.
    content : bytes
        Of the file as it was read.
    """

    path: Path
    cells: pd.DataFrame
    names: Mapping[str, str]
    content: bytes

    @property
    def is_text(self) -> bool:
        """Whether it is a text table, or else Parquet."""
        return self.path.suffix.lower() != ".parquet"

    @property
    def first_row(self) -> int:
        """Number of the first row, as a spreadsheet counts it."""
        return 1 + self.is_text

    @cached_property
    def is_track(self) -> bool:
        """Whether its rows are tracks, or else artists."""
        return any(str(name).casefold() in KEYS for name in self.cells.columns)

    @property
    def values(self) -> tuple[str, ...]:
        """The columns to fill."""
        return TRACK_VALUES if self.is_track else ARTIST_VALUES

    @cached_property
    def texts(self) -> dict[str, list[str | None]]:
        """The texts of each column in `names`; None where a cell is empty."""
        return {ours: [_read_text(cell) for cell in self.cells[theirs].tolist()] for ours, theirs in self.names.items()}

    def read_cell(self, row: int, name: str) -> str | None:
        """Return the text of a cell; None if it is empty or there is no such column."""
        return self.texts[name][row] if name in self.texts else None

    def build_query(self, row: int) -> Query:
        """Build the query of a row."""
        mbid, isrc, artist, album = (self.read_cell(row, name) for name in COLUMNS)
        return Query(parse_mbid(mbid), parse_isrc(isrc), artist, album, self.is_track)

    def list_missing(self, row: int) -> list[str]:
        """List the values that a row lacks."""
        return [name for name in self.values if self.read_cell(row, name) is None]

    def write(self, changes: Mapping[int, Mapping[str, Value]]) -> None:
        """Fill empty cells, atomically, after the first time with a copy of the original beside it.

        Parameters
        ----------
        changes : mapping of int to mapping
            Values by column, by row.

        Raises
        ------
        DataError
            If the file has changed since it was read.
        """
        if self.path.read_bytes() != self.content:
            raise DataError(f"{self.path}: has changed meanwhile; run again, nothing is asked twice")
        original = self.path.with_name(self.path.name + ORIGINAL)
        if not original.exists():
            with atomic_write(original) as partial:
                shutil.copyfile(self.path, partial)
        columns = [name for name in (*self.values, *NOTES) if any(name in values for values in changes.values())]
        (self._write_text if self.is_text else self._write_parquet)(columns, changes)

    def _write_text(self, columns: Iterable[str], changes: Mapping[int, Mapping[str, Value]]) -> None:
        table = delimited.read_rows(self.path)
        header = [*table.header, *(name for name in columns if name not in self.names)]
        rows = [(row + [""] * len(header))[: len(header)] for row in table.rows]
        place = {name: header.index(self.names.get(name, name)) for name in columns}
        for number, values in changes.items():
            for name, value in values.items():
                rows[number][place[name]] = str(escape_cell(value))
        text = io.StringIO(newline="")
        encoding = table.encoding if table.encoding.startswith("utf") else "utf-8-sig"
        before = self.content.decode(table.encoding)
        end = "\r\n" if "\r\n" in before else "\n"
        if before.lower().startswith("sep="):
            text.write(f"sep={table.separator}{end}")
        csv.writer(text, delimiter=table.separator, lineterminator=end).writerows([header, *rows])
        with atomic_write(self.path) as partial:
            partial.write_bytes(text.getvalue().encode(encoding))

    def _write_parquet(self, columns: Iterable[str], changes: Mapping[int, Mapping[str, Value]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(self.path, page_checksum_verification=True)
        for name in columns:
            theirs = self.names.get(name, name)
            at = table.schema.get_field_index(theirs)
            kind = table.schema.field(at).type if at >= 0 else pa.int64() if name in NUMBERS else pa.string()
            kind = (pa.int64() if name in NUMBERS else pa.string()) if pa.types.is_null(kind) else kind
            cells = table.column(at).to_pylist() if at >= 0 else [None] * table.num_rows
            for row, values in changes.items():
                cells[row] = values.get(name, cells[row])
            if pa.types.is_string(kind) or pa.types.is_large_string(kind):
                cells = [None if cell is None else str(cell) for cell in cells]
            try:
                column = pa.array(cells, kind)
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise DataError(f"{self.path}: column {theirs!r} cannot hold values of {name} ({error})") from error
            table = table.set_column(at, theirs, column) if at >= 0 else table.append_column(theirs, column)
        write_parquet(self.path, table)


def open_tables(root: Path, columns: Mapping[str, str]) -> list[Table]:
    """Read the tables of a folder.

    Parameters
    ----------
    root : Path
        A table, or a folder with ``artists`` and ``tracks``, as text tables or Parquet.
    columns : mapping of str to str
        A key of `COLUMNS`, or a value to fill, to the table's name of the column.

    Returns
    -------
    list of Table

    Raises
    ------
    DataError
        If there is no table, a column does not exist, or none says who the artist is.
    """
    paths = [root / (name + suffix) for name in NAMES for suffix in SUFFIXES] if root.is_dir() else [root]
    tables = [_open_table(path, columns) for path in paths if path.is_file()]
    if not tables:
        raise DataError(f"{root}: has no table artists.csv or tracks.csv, nor one of Parquet; name the table itself")
    for ours, theirs in columns.items():
        if ours not in (known := (*COLUMNS, *TRACK_VALUES, *ARTIST_VALUES[-1:])):
            raise DataError(f"--column {ours}={theirs}: {ours!r} is not a known column; {instead(ours, known)}")
        if all(theirs != table.names.get(ours) for table in tables):
            raise DataError(f"--column {ours}={theirs}: no table of {root} has a column {theirs!r}; correct its name")
    if not any({"mbid", "isrc", "artist"} & set(table.names) for table in tables):
        raise DataError(f"{root}: has no column of artists or ISRCs; name yours, as in --column artist=performer")
    return tables


def _read_text(cell: Any) -> str | None:
    """Return the text of a cell, or of the first value in it; None if it is empty."""
    if pd.api.types.is_list_like(cell):
        cell = next(iter(cell), None)
    return None if cell is None or pd.isna(cell) else str(cell).strip() or None


def _open_table(path: Path, columns: Mapping[str, str]) -> Table:
    content = path.read_bytes()
    cells = read_parquet(path) if path.suffix.lower() == ".parquet" else delimited.read_table(path)
    by_case = {str(name).casefold(): str(name) for name in reversed(cells.columns)}
    candidates = {**COLUMNS, **{name: (name,) for name in (*TRACK_VALUES, *ARTIST_VALUES, *NOTES)}}
    if not set(KEYS) & set(by_case):
        candidates |= {ours: (*COLUMNS[ours], *theirs) for ours, theirs in OF_ARTISTS.items()}
    names = {ours: by_case[name] for ours, theirs in candidates.items() for name in reversed(theirs) if name in by_case}
    return Table(path, cells, names | {ours: name for ours, name in columns.items() if name in cells.columns}, content)
