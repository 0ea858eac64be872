"""Expectations of each track: its class is large enough, its coordinates and year are possible."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from ostinato.core.names import are_same

Classes: TypeAlias = Mapping[str, tuple[str, ...]]
YEARS = (1000, 2100)


SIDE_FILES = ("lyrics", "cover")


def prepare(
    tracks: pd.DataFrame, broken: pd.Series, root: Path | None = None, classes: Classes | None = None
) -> pd.DataFrame:
    """Add columns for the checks of a track's genre, labels, lyrics and cover.

    Parameters
    ----------
    tracks : DataFrame
        With `genre`.
    broken : Series of bool
        Tracks whose file is in quarantine.
    root : Path, optional
        Folder of lyrics and covers.
    classes : mapping, optional
        The genres and tags of the dataset.

    Returns
    -------
    DataFrame
        With `tracks_of_genre`, the number of usable tracks, unknown if the genre is unknown
        or the track is broken; `undeclared`, the first label that the dataset does not declare;
        `lyrics_found` and `cover_found`, unknown if the track has none.
    """
    n = tracks.loc[~broken, "genre"].value_counts()
    result = tracks.assign(tracks_of_genre=tracks["genre"].map(n).where(~broken))
    result["undeclared"] = pd.Series(
        [_find_undeclared(row, classes or {}) for row in tracks.to_dict("records")], dtype=object, index=tracks.index
    )
    for column in SIDE_FILES:
        names = tracks[column] if column in tracks and root is not None else pd.Series(None, tracks.index, dtype=object)
        result[f"{column}_found"] = pd.Series(
            [(root / name).is_file() if root and isinstance(name, str) else None for name in names],
            dtype=object,
            index=tracks.index,
        )
    return result


def _find_undeclared(row: dict[Any, Any], classes: Classes) -> str | None:
    """Return the first undeclared label of a track."""
    genre, tags = row.get("genre"), row.get("tags")
    if "genre" in classes and isinstance(genre, str) and not _is_in(genre, classes["genre"]):
        return genre
    declared = classes.get("tags")
    return None if declared is None or tags is None else next((t for t in tags if not _is_in(t, declared)), None)


def _is_in(label: str, classes: Sequence[str]) -> bool:
    return label in classes or any(are_same(label, name) for name in classes)


def suite(bounds: Any, required: Iterable[str] = ()) -> list[Expectation]:
    """Expect usable labels and possible attributes.

    Parameters
    ----------
    bounds : params.Validate
    required : iterable of str
        Columns that the dataset has for every track.

    Returns
    -------
    list of Expectation
        All of single rows, except for lyrics and covers, without which a track is still usable.
    """
    missing = [
        gxe.ExpectColumnValuesToNotBeNull(column=name, meta={"reason": f"no {name}, which every track should have"})
        for name in required
    ]
    orphans = [
        gxe.ExpectColumnDistinctValuesToBeInSet(
            column=f"{column}_found", value_set=[True], meta={"reason": f"{column} of tracks that do not exist"}
        )
        for column in SIDE_FILES
    ]
    return [
        *missing,
        *orphans,
        gxe.ExpectColumnValuesToBeNull(
            column="undeclared", meta={"reason": "a label that the dataset does not declare"}
        ),
        gxe.ExpectColumnValuesToBeUnique(column="track_id", meta={"reason": "track_id is repeated"}),
        gxe.ExpectColumnValuesToBeBetween(
            column="tracks_of_genre", min_value=bounds.min_tracks_per_class, meta={"reason": "genre of too few tracks"}
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="year", min_value=YEARS[0], max_value=YEARS[1], meta={"reason": "impossible year"}
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="latitude", min_value=-90, max_value=90, meta={"reason": "impossible latitude"}
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="longitude", min_value=-180, max_value=180, meta={"reason": "impossible longitude"}
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="split", value_set=["train", "validation", "test"], meta={"reason": "unknown split"}
        ),
    ]
