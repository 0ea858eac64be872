"""Cells of tables as people fill them: years, numbers and lists, and all that cannot be read told at once."""

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato.errors import DataError
from ostinato.io.delimited import list_examples

UNKNOWN = frozenset({"", "-", "?", "na", "n/a", "nan", "null", "none", "unknown", "0000-00-00"})
"""Words for a number that is not known."""
YEAR = re.compile(r"(?<!\d)(1\d{3}|20\d{2})(?!\d)")
DAY = re.compile(r"(1\d{3}|20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
SEPARATORS = (";", "|", ",")


class Problems:
    """What is wrong with the cells of a table, collected so that one run names all of it.

    Parameters
    ----------
    where : Path
        The table.
    """

    def __init__(self, where: Path) -> None:
        self.where = where
        self.n = 0
        self.lines: list[str] = []

    def add(self, cells: pd.Series, wrong: pd.Series, why: str) -> None:
        """Note the cells of a column that are wrong, if there are any.

        Parameters
        ----------
        cells : Series
            A column, named, of all rows.
        wrong : Series of bool
        why : str
        """
        bad = cells[wrong.to_numpy(bool)]
        if len(bad):
            rows = (wrong.to_numpy(bool).nonzero()[0] + 2).tolist()
            such = list_examples(f"row {row}: {cells.name} {cell!r} {why}" for row, cell in zip(rows, bad, strict=True))
            self.n += len(bad)
            self.lines.append(f"  {len(bad)} of {len(cells)} cells: {such}")

    def check(self) -> None:
        """Raise what was noted, all at once.

        Raises
        ------
        DataError
        """
        if self.lines:
            lines = "\n".join(self.lines)
            raise DataError(f"{self.where}: {self.n} cells cannot be read; mend or empty them\n{lines}")


def parse_text(cell: object) -> str | None:
    """Return a cell as text; a whole number that a table keeps as a fraction (7.0) has no fraction.

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
    """Read the year of a date; None if the cell tells none, NaN if the year is not known.

    Examples
    --------
    >>> parse_year("1950-01-01"), parse_year("26.11.2008"), parse_year("1959.0"), parse_year(1959)
    (1950.0, 2008.0, 1959.0, 1959.0)
    >>> parse_year("early"), parse_year("n/a")
    (None, nan)
    """
    text = parse_text(cell)
    if text is None or text.strip().casefold() in UNKNOWN:
        return np.nan
    match = DAY.fullmatch(text.strip()) or YEAR.search(text)
    return float(match[1]) if match else parse_number(text)


def parse_number(cell: object, separator: str = "") -> float | None:
    """Read a number, also with a decimal comma; None if the cell is none, NaN if it is not known.

    Parameters
    ----------
    cell : object
    separator : str
        What parts the cells of the table. Where it is a comma, a comma before three digits groups thousands.

    Examples
    --------
    >>> parse_number("52,5"), parse_number("1.234,5"), parse_number("1,234.5"), parse_number("210,000", ",")
    (52.5, 1234.5, 1234.5, 210000.0)
    >>> parse_number("210,000", ";"), parse_number("x"), parse_number("NA")
    (210.0, None, nan)
    """
    text = parse_text(cell)
    if text is None or text.strip().casefold() in UNKNOWN:
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
    """Turn a column into numbers and note what is none.

    Parameters
    ----------
    cells : Series
    parse : callable
        Gives a number, NaN for what is not known, None for what is no number.
    problems : Problems
    why : str
        What to say of a cell that is no number.

    Returns
    -------
    Series of float64
    """
    known = {cell: parse(cell) for cell in {parse_text(cell) for cell in cells}}
    numbers = [known[parse_text(cell)] for cell in cells]
    problems.add(cells, pd.Series([number is None for number in numbers], dtype=bool), why)
    return pd.Series([np.nan if n is None else n for n in numbers], cells.index, dtype="float64")


def parse_list(cell: Any, separators: Iterable[str] = ()) -> list[str]:
    """Split a cell into the names it lists, in its order, each once.

    Parameters
    ----------
    cell : object
        A list (of Parquet), text that Python or JSON wrote for one, or text with separators.
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
    """Choose what parts the names in the cells of a column: a semicolon, a bar, or else a comma.

    Parameters
    ----------
    cells : iterable
    where : Path
        The table, for the message.
    column : str

    Returns
    -------
    str
        A semicolon where no cell has any of them.

    Raises
    ------
    DataError
        If cells have both semicolons and bars.
    """
    texts = [cell for cell in cells if isinstance(cell, str) and not _is_written_list(cell)]
    counts = {separator: sum(separator in text for text in texts) for separator in SEPARATORS}
    if counts[";"] and counts["|"]:
        such = list_examples(repr(next(text for text in texts if sign in text)) for sign in ";|")
        raise DataError(
            f"{where}: {column}: {counts[';']} cells have ';' and {counts['|']} have '|', such as {such}; "
            "say which of them parts the names, such as dataset.tags_separator: ';'"
        )
    return next((separator for separator in SEPARATORS if counts[separator]), ";")


def _is_written_list(text: str) -> bool:
    text = text.strip()
    ends = text[:1] + text[-1:]
    return ends in ("[]", "{}") or (ends == "()" and QUOTED.search(text) is not None)


def _written_list(text: str) -> Any:
    """Read text that a program wrote for a list; other text as it is."""
    if not _is_written_list(text):
        return text
    inner = text.strip()[1:-1].strip()
    plain = re.sub(r"\bnull\b|\bnan\b", "None", text.strip())
    try:
        read = ast.literal_eval(plain)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        read = None
    spaced = QUOTED.search(inner) is not None and "," not in QUOTED.sub("", inner)
    if spaced or (read is None and QUOTED.search(inner)):
        return [a or b for a, b in QUOTED.findall(inner)]
    if isinstance(read, (list, tuple, set)):
        return sorted(read, key=str) if isinstance(read, set) else list(read)
    return [part.strip("'\" ") for part in inner.split(",")]
