"""Predictions of rows of a table: attributes of tracks, without audio."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ostinato.core import extras
from ostinato.errors import DataError, OstinatoError

if TYPE_CHECKING:
    from ostinato.inference.model import ReleasedModel

SUFFIXES = frozenset({".csv", ".tsv", ".tab"})
MARK = "#"
Row: TypeAlias = Mapping[str, float]


@dataclass(frozen=True)
class Near:
    """Search for the neighbours of audio files and of rows of a table in a catalog.

    Parameters
    ----------
    find : callable
        Takes an audio file and None, or the place of a row and the row.
    catalog_hash : str
        SHA-256 of the catalog and of the number of neighbours.
    """

    find: Callable[[str, Row | None], list[dict[str, Any]]]
    catalog_hash: str

    def answer(self, place: str, row: Row | None = None) -> dict[str, Any]:
        """Return the entries of an answer: `neighbours` and `catalog_hash`."""
        return {"neighbours": self.find(place, row), "catalog_hash": self.catalog_hash}


def is_table(path: Path) -> bool:
    """Return whether a file is a table by its suffix."""
    return path.suffix.lower() in SUFFIXES


def rows(path: Path) -> Iterator[tuple[str, str | None, Row]]:
    """Read the rows of a table.

    Parameters
    ----------
    path : Path

    Yields
    ------
    place : str
        The path and the number of the row, counted from 1 after the header.
    title : str or None
    row : mapping of str to float
        Attributes by our names.

    Raises
    ------
    DataError
        If the file is not a table of attributes.
    """
    extras.require(str(path), "data")
    from ostinato.datasets import spotify_attributes

    tracks, attributes = spotify_attributes.read(path)
    names = tracks[["artist", "title"]].to_dict("records")
    for number, name, row in zip(tracks.index + 1, names, attributes.to_dict("records"), strict=True):
        title = " - ".join(name[k] for k in ("artist", "title") if isinstance(name[k], str))
        yield f"{path}{MARK}{number}", title or None, {str(k): v for k, v in row.items()}


def row(place: str) -> Row:
    """Read one row, such as ``tracks.csv#12``.

    Raises
    ------
    DataError
        If the table has no such row.
    """
    path = place.rpartition(MARK)[0]
    match = next((row for row_place, _, row in rows(Path(path)) if row_place == place), None)
    if match is None:
        raise DataError(f"{place}: the table has no such row; rows are numbered from 1, without the header")
    return match


def answer_rows(
    path: Path, models: "Sequence[ReleasedModel]", skip: frozenset[str] = frozenset(), near: Near | None = None
) -> Iterator[dict[str, Any]]:
    """Predict each row; a row that fails is reported, a missing column ends the table.

    Parameters
    ----------
    path : Path
    models : sequence of ReleasedModel
    skip : frozenset of str
        Rows to skip.
    near : Near, optional
        Returns the neighbours of a row.

    Yields
    ------
    dict
        Answer as of a file, with the `title` of the row, or ``{"path", "error"}``.

    Raises
    ------
    OstinatoError
        If the table lacks a column that a model reads.
    """
    from ostinato.inference.answers import to_answer

    table = list(rows(path))
    for model_input in (i for model in models for i in model.inputs.values()):
        model_input.check_columns(table[0][2] if table else ())
    for place, title, row in table:
        if place in skip:
            continue
        more: dict[str, Any] = {} if title is None else {"title": title}
        try:
            answers = [to_answer(place, model, model.predict_row(row)) for model in models]
            more |= {} if near is None else near.answer(place, row)
            yield from (answer | more for answer in answers)
        except OstinatoError as failure:
            yield {"path": place, "error": str(failure)}
