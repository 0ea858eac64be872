"""Read text tables as people save them: CSV and the like, with any separator and encoding.

It supports commas, semicolons, tabs or bars; a first line ``sep=;``; UTF-8 with and
without a byte order mark, UTF-16, and otherwise Windows-1252. It reports all faults
at once, with counts and the first rows.
"""

import csv
import io
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import pandas as pd

from ostinato.errors import DataError
from ostinato.io.escapes import unescape_cell

SEPARATORS = (",", ";", "\t", "|")
BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of Excel files."""
SAMPLE_ROWS = 200
EXAMPLES = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextTable:
    """The cells of a text table.

    Parameters
    ----------
    header : list of str
        Names without surrounding spaces.
    rows : list of list of str
        Unchanged: rows may be shorter or longer than the header. Empty lines are skipped.
    separator, encoding : str
        As detected.
    """

    header: list[str]
    rows: list[list[str]]
    separator: str
    encoding: str


def read_rows(path: Path, header: bool = True) -> TextTable:
    """Read the cells of a text table.

    Parameters
    ----------
    path : Path
    header : bool
        Whether the first row has the column names; else these are "1", "2" ...

    Returns
    -------
    TextTable

    Raises
    ------
    DataError
        If it cannot be read, is empty, or repeats a column.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its path and permissions") from error
    text, encoding = _decode(content, path)
    separator, text = _take_hint(text.replace("\r\n", "\n").replace("\r", "\n"))
    try:
        separator = separator or choose_separator(text, path.suffix.lower())
        rows = [row for row in _parse(text, separator) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as a table ({error}); save it as CSV again") from error
    if not rows:
        raise DataError(f"{path}: cannot be read as a table: it is empty; use another file")
    if rows[-1][-1].count("\n") > EXAMPLES and not text.rstrip().endswith('"'):
        raise DataError(f"{path}: row {len(rows)}: a quotation mark is opened but not closed; correct the cell")
    if not header:
        return TextTable([str(number) for number in range(1, len(rows[0]) + 1)], rows, separator, encoding)
    names = [name.strip() for name in rows[0]]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: has the column {repeated[0]!r} twice; rename one")
    return TextTable(names, rows[1:], separator, encoding)


def read_table(path: Path, header: bool = True) -> pd.DataFrame:
    """Read a text table with every cell as text; an empty cell is None.

    Parameters
    ----------
    path : Path
    header : bool
        As in `read_rows`.

    Returns
    -------
    DataFrame
        `attrs` has its ``separator`` and ``encoding``. Short rows are padded, and empty
        cells beyond the header are dropped.

    Raises
    ------
    DataError
        If it cannot be read, or rows have more cells than the header.
    """
    table = read_rows(path, header)
    width = len(table.header)
    rows = [row[:width] + [cell for cell in row[width:] if cell.strip()] for row in table.rows]
    too_long = [(number, row) for number, row in enumerate(rows, start=1 + header) if len(row) > width]
    if too_long:
        examples = list_examples(f"row {number}: {table.separator.join(row)!r}" for number, row in too_long)
        raise DataError(
            f"{path}: cannot be read as a table: {len(too_long)} of {len(rows)} rows have more cells than the header's "
            f"{width}, such as {examples}; put cells that hold {table.separator!r} in quotation marks"
        )
    cells = [[unescape_cell(cell.strip()) or None for cell in row] + [None] * (width - len(row)) for row in rows]
    frame = pd.DataFrame(cells, columns=table.header, dtype=object)
    frame.attrs = {"separator": table.separator, "encoding": table.encoding}
    return frame


def choose_separator(text: str, suffix: str = "") -> str:
    r"""Choose the separator that gives the header and most rows the same number of cells.

    Parameters
    ----------
    text : str
    suffix : str
        Of the file; for ``.tsv``, a tab wins ties.

    Returns
    -------
    str
        One of `SEPARATORS`; a comma if there is one column.

    Examples
    --------
    >>> choose_separator("path;tags\na.wav;'slow', 'loud'\n"), choose_separator("path,tags\na.wav,slow; loud\n")
    (';', ',')
    """

    def fitness(separator: str) -> tuple[bool, float, bool, int]:
        rows = [row for row in islice(_parse(text, separator), SAMPLE_ROWS) if row]
        width = len(rows[0]) if rows else 0
        same = sum(len(row) == width for row in rows) / max(len(rows), 1)
        return width > 1, same, suffix == ".tsv" and separator == "\t", width

    return max(SEPARATORS, key=fitness)


def list_examples(examples: Iterable[str], n: int = EXAMPLES) -> str:
    """Join the first examples, each truncated to a readable length.

    Examples
    --------
    >>> list_examples(["a", "b", "c", "d"])
    'a, b, c'
    """
    return ", ".join(text if len(text) <= 100 else f"{text[:97]}..." for text in islice(examples, n))


def _parse(text: str, separator: str) -> Iterable[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def _take_hint(text: str) -> tuple[str | None, str]:
    """Split off a first line such as ``sep=;``, which spreadsheets write."""
    first, _, body = text.partition("\n")
    hint = first.strip('" \t') if first.lower().strip('" ').startswith("sep=") else ""
    if len(hint) == len("sep=?"):
        return hint[-1], body
    return ("\t", body) if hint == "sep=" and "\t" in first else (None, text)


def _decode(content: bytes, path: Path) -> tuple[str, str]:
    """Decode bytes; return the text and its encoding."""
    if content.startswith(WORKBOOKS):
        raise DataError(f"{path}: cannot be read as a table: it is a workbook of a spreadsheet; save it as CSV")
    bom = next((name for start, name in BOMS.items() if content.startswith(start)), None)
    guesses: Sequence[str] = [bom] if bom else [*_wide(content), "utf-8", "cp1252", "latin-1"]
    for encoding in guesses:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding in ("cp1252", "latin-1"):
            line = next(line for line in text.splitlines() if not line.isascii())
            _warn_of_encoding(path, line)
        return text, encoding
    raise DataError(f"{path}: cannot be read as a table in {bom}; save it in UTF-8")


@cache
def _warn_of_encoding(path: Path, line: str) -> None:
    """Warn once of a table that is not UTF-8, though it may be read several times."""
    log.warning("%s: is not UTF-8, read as Windows-1252, such as %s", path, list_examples([line]))


def _wide(content: bytes) -> list[str]:
    """Detect UTF-16 without a byte order mark by its zero bytes."""
    start = content[:2000]
    zeros = start[::2].count(0), start[1::2].count(0)
    if max(zeros) * 4 < len(start) // 2:
        return []
    return ["utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"]
