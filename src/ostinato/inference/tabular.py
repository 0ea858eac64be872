"""Predictions of the rows of a table: the attributes of tracks, without their sound."""

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
    """The neighbours of audio files and of rows of a table in a catalog.

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
        """Return what an answer says of neighbours: `neighbours` and `catalog_hash`."""
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
        The path and the row's number, from 1 on without the header.
    title : str or None
    told : mapping of str to float
        Its attributes by our names.

    Raises
    ------
    DataError
        If the file is no table of attributes.
    """
    extras.require(str(path), "data")
    from ostinato.datasets import spotify_attributes

    listed, attributes = spotify_attributes.read(path)
    names = listed[["artist", "title"]].to_dict("records")
    for number, name, told in zip(listed.index + 1, names, attributes.to_dict("records"), strict=True):
        known = [name[k] for k in ("artist", "title") if isinstance(name[k], str)]
        yield f"{path}{MARK}{number}", " - ".join(known) or None, {str(k): v for k, v in told.items()}


def row(place: str) -> Row:
    """Read one row, such as ``tracks.csv#12``.

    Raises
    ------
    DataError
        If the table has no such row.
    """
    path = place.rpartition(MARK)[0]
    found = next((told for where, _, told in rows(Path(path)) if where == place), None)
    if found is None:
        raise DataError(f"{place}: the table has no such row; they are numbered from 1, the header aside")
    return found


def answer_rows(
    path: Path, models: "Sequence[ReleasedModel]", passed: frozenset[str] = frozenset(), near: Near | None = None
) -> Iterator[dict[str, Any]]:
    """Ask models about each row; a row that cannot be answered does not end the table, lacking columns do.

    Parameters
    ----------
    path : Path
    models : sequence of ReleasedModel
    passed : frozenset of str
        Rows that are passed over.
    near : Near, optional
        Finds the neighbours of each.

    Yields
    ------
    dict
        As of a file, with the row's `title`, or ``{"path", "error"}``.

    Raises
    ------
    OstinatoError
        If the table lacks a column that a model reads.
    """
    from ostinato.inference.answers import to_answer

    listed = list(rows(path))
    for given in (i for model in models for i in model.inputs.values()):
        given.check_columns(listed[0][2] if listed else ())
    for place, title, told in listed:
        if place in passed:
            continue
        more: dict[str, Any] = {} if title is None else {"title": title}
        try:
            found = [to_answer(place, model, model.predict_row(told)) for model in models]
            more |= {} if near is None else near.answer(place, told)
            yield from (answer | more for answer in found)
        except OstinatoError as failure:
            yield {"path": place, "error": str(failure)}
