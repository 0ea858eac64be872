"""Listening history: tracks played and skipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ostinato.errors import CatalogError, DataError
from ostinato.recommendation.catalog import Catalog

COLUMNS = ("track_id", "plays", "skips")


@dataclass(frozen=True)
class Listen:
    """How often a listener played and skipped a track.

    Parameters
    ----------
    track_id : str
    plays, skips : int

    Raises
    ------
    CatalogError
        If a count is negative.
    """

    track_id: str
    plays: int = 1
    skips: int = 0

    def __post_init__(self) -> None:
        if min(self.plays, self.skips) < 0:
            raise CatalogError(f"history: {self.track_id!r} has a count below 0; give 0 or more plays and skips")


@dataclass(frozen=True)
class Profile:
    """Summary of a listening history.

    Parameters
    ----------
    vector : np.ndarray [shape=(d,)] or None
        Mean of the tracks played more often than skipped; None if there are none.
    skipped : tuple of str
        The other tracks.
    tracks : frozenset of str
        All tracks of the history that are in the catalog.
    """

    vector: np.ndarray | None
    skipped: tuple[str, ...]
    tracks: frozenset[str]


def summarize(catalog: Catalog, history: Sequence[Listen]) -> Profile:
    """Summarize a history.

    A track is weighted by the logarithm of its plays minus skips, so that one song on
    repeat does not dominate.

    Parameters
    ----------
    catalog : Catalog
    history : sequence of Listen
        Tracks outside the catalog are ignored; counts of the same track add up.

    Returns
    -------
    Profile
    """
    surplus: dict[str, int] = {}
    for listen in history:
        if listen.track_id in catalog:
            surplus[listen.track_id] = surplus.get(listen.track_id, 0) + listen.plays - listen.skips
    played = {track: np.log2(1 + n) for track, n in surplus.items() if n > 0}
    rows = [catalog.row(track) for track in played]
    vector = np.average(catalog.vectors[rows], axis=0, weights=list(played.values())) if rows else None
    skipped = tuple(sorted(track for track, n in surplus.items() if n <= 0))
    return Profile(vector, skipped, frozenset(surplus))


def read_history(path: Path) -> list[Listen]:
    """Read a history from a text table.

    Parameters
    ----------
    path : Path
        Columns ``track_id`` and, if they differ from 1 and 0, ``plays`` and ``skips``.

    Returns
    -------
    list of Listen

    Raises
    ------
    DataError
        If a column is missing or unknown, or a count is not a whole number.
    """
    from ostinato.io.delimited import read_rows  # it imports pandas, which few recommendations need

    table = read_rows(path)
    if "track_id" not in table.header or set(table.header) - set(COLUMNS):
        columns = ", ".join(table.header)
        raise DataError(f"{path}: a history has columns {', '.join(COLUMNS)}; this file has {columns}")
    listens = []
    for number, cells in enumerate(table.rows, start=2):
        row = dict(zip(table.header, cells, strict=False))
        try:
            counts = {key: int(row[key]) for key in COLUMNS[1:] if row.get(key)}
            listens.append(Listen(row.get("track_id", ""), **counts))
        except (CatalogError, ValueError) as error:
            raise DataError(f"{path}: line {number}: {error}; give whole numbers from 0") from error
    return listens
