"""Parsing of hand-written table cells: years, numbers and lists; all errors are reported at once."""

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato.errors import DataError
from ostinato.io.delimited import list_examples

UNKNOWN_CELLS = frozenset({"", "-", "?", "na", "n/a", "nan", "null", "none", "unknown", "0000-00-00"})
"""Cells that stand for an unknown number."""
YEAR = re.compile(r"(?<!\d)(1\d{3}|20\d{2})(?!\d)")
DAY = re.compile(r"(1\d{3}|20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
QUOTED_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")
SEPARATORS = (";", "|", ",")


class Problems:
    """Errors in the cells of a table, collected so that one run reports all of them.

    Parameters
    ----------
    where : Path
        The table.
    """

    def __init__(self, where: Path) -> None:
        self.where = where
        self.n = 0
        self.lines: list[str] = []

    def add(self, cells: pd.Series, invalid: pd.Series, why: str) -> None:
        """Record the invalid cells of a column, if any.

        Parameters
        ----------
        cells : Series
            A named column with all rows.
        invalid : Series of bool
        why : str
        """
        faulty = cells[invalid.to_numpy(bool)]
        if len(faulty):
            rows = (invalid.to_numpy(bool).nonzero()[0] + 2).tolist()
            examples = list_examples(
                f"row {row}: {cells.name} {cell!r} {why}" for row, cell in zip(rows, faulty, strict=True)
            )
            self.n += len(faulty)
            self.lines.append(f"  {len(faulty)} of {len(cells)} cells: {examples}")

    def check(self) -> None:
        """Raise one error for all recorded cells.

        Raises
        ------
        DataError
        """
        if self.lines:
            lines = "\n".join(self.lines)
            raise DataError(f"{self.where}: {self.n} cells cannot be read; correct or empty them\n{lines}")


def parse_text(cell: object) -> str | None:
    """Return a cell as text; a float that is a whole number (7.0) is written without its fraction.

    Examples
    --------
    >>> parse_text(7.0), parse_text("7.0"), parse_text(float("nan")), parse_text(None), parse_text(["a", "b"])
    ('7', '7.0', None, None, 'a; b')
    """
    if pd.api.types.is_list_like(cell):
        return "; ".join(map(str, cell)) or None  # type: ignore[call-overload]
    if cell is None or cell is pd.NA or cell is pd.NaT or cell != cell:
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def parse_year(cell: object) -> float | None:
    """Read the year of a date; None if the cell has none, NaN if the year is unknown.

    Examples
    --------
    >>> parse_year("1950-01-01"), parse_year("26.11.2008"), parse_year("1959.0"), parse_year(1959)
    (1950.0, 2008.0, 1959.0, 1959.0)
    >>> parse_year("early"), parse_year("n/a")
    (None, nan)
    """
    text = parse_text(cell)
    if text is None or text.strip().casefold() in UNKNOWN_CELLS:
        return np.nan
    match = DAY.fullmatch(text.strip()) or YEAR.search(text)
    return float(match[1]) if match else parse_number(text)


def parse_number(cell: object, separator: str = "") -> float | None:
    """Read a number, also with a decimal comma; None if the cell is not one, NaN if it is unknown.

    Parameters
    ----------
    cell : object
    separator : str
        Separator of the table's cells. If it is a comma, a comma before three digits groups thousands.

    Examples
    --------
    >>> parse_number("52,5"), parse_number("1.234,5"), parse_number("1,234.5"), parse_number("210,000", ",")
    (52.5, 1234.5, 1234.5, 210000.0)
    >>> parse_number("210,000", ";"), parse_number("x"), parse_number("NA")
    (210.0, None, nan)
    """
    text = parse_text(cell)
    if text is None or text.strip().casefold() in UNKNOWN_CELLS:
        return np.nan
    text = text.strip().replace("\u2212", "-").replace("\u00a0", "")
    if "," in text and "." in text:
        decimal = max(",.", key=text.rfind)
        text = text.replace("," if decimal == "." else ".", "")
    elif separator == "," and THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def parse_column(cells: pd.Series, parse: Callable[[object], float | None], problems: Problems, why: str) -> pd.Series:
    """Convert a column to numbers and record the cells that are not.

    Parameters
    ----------
    cells : Series
    parse : callable
        Returns a number, NaN for unknown, None for cells that are not numbers.
    problems : Problems
    why : str
        Message for a cell that is not a number.

    Returns
    -------
    Series of float64
    """
    number_of = {cell: parse(cell) for cell in {parse_text(cell) for cell in cells}}
    numbers = [number_of[parse_text(cell)] for cell in cells]
    problems.add(cells, pd.Series([number is None for number in numbers], dtype=bool), why)
    return pd.Series([np.nan if n is None else n for n in numbers], cells.index, dtype="float64")


def parse_list(cell: Any, separators: Iterable[str] = ()) -> list[str]:
    """Split a cell into the names it lists, in order, without repeats.

    Parameters
    ----------
    cell : object
        A list (from Parquet), its text form in Python or JSON, or text with separators.
    separators : iterable of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> parse_list("['guitar', 'slow']"), parse_list("['guitar' 'slow']"), parse_list('["guitar", null]')
    (['guitar', 'slow'], ['guitar', 'slow'], ['guitar'])
    >>> parse_list("guitar|slow", "|"), parse_list("slow", ";"), parse_list(None), parse_list("[]")
    (['guitar', 'slow'], ['slow'], [], [])
    """
    if isinstance(cell, str):
        cell = _written_list(cell)
        if cell is None or isinstance(cell, str):
            pattern = "|".join(map(re.escape, separators))
            cell = re.split(pattern, cell or "") if pattern else [cell or ""]
    if not pd.api.types.is_list_like(cell):
        return []
    names = (" ".join(str(name).split()) for name in cell if parse_text(name) is not None)
    return list(dict.fromkeys(name for name in names if name))


def choose_list_separator(cells: Iterable[object], where: Path, column: str) -> str:
    """Choose the separator of names in a column: a semicolon, a bar, or else a comma.

    Parameters
    ----------
    cells : iterable
    where : Path
        The table, for the message.
    column : str

    Returns
    -------
    str
        A semicolon if no cell has any of them.

    Raises
    ------
    DataError
        If cells have both semicolons and bars.
    """
    texts = [cell for cell in cells if isinstance(cell, str) and not _is_written_list(cell)]
    counts = {separator: sum(separator in text for text in texts) for separator in SEPARATORS}
    if counts[";"] and counts["|"]:
        examples = list_examples(repr(next(text for text in texts if sign in text)) for sign in ";|")
        raise DataError(
            f"{where}: {column}: {counts[';']} cells have ';' and {counts['|']} have '|', such as {examples}; "
            "say which one separates the names, such as dataset.tags_separator: ';'"
        )
    return next((separator for separator in SEPARATORS if counts[separator]), ";")


def _is_written_list(text: str) -> bool:
    text = text.strip()
    ends = text[:1] + text[-1:]
    return ends in ("[]", "{}") or (ends == "()" and QUOTED_TEXT.search(text) is not None)


def _written_list(text: str) -> Any:
    """Parse the text form of a list; return other text unchanged."""
    if not _is_written_list(text):
        return text
    inner = text.strip()[1:-1].strip()
    plain = re.sub(r"\bnull\b|\bnan\b", "None", text.strip())
    try:
        values = ast.literal_eval(plain)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        values = None
    by_space = QUOTED_TEXT.search(inner) is not None and "," not in QUOTED_TEXT.sub("", inner)  # as NumPy prints arrays
    if by_space or (values is None and QUOTED_TEXT.search(inner)):
        return [a or b for a, b in QUOTED_TEXT.findall(inner)]
    if isinstance(values, (list, tuple, set)):
        return sorted(values, key=str) if isinstance(values, set) else list(values)
    return [part.strip("'\" ") for part in inner.split(",")]
