"""What must hold of each track: its class is large enough to learn, its place and year are possible."""

from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

YEARS = (1000, 2100)


def prepared(tracks: pd.DataFrame, broken: pd.Series) -> pd.DataFrame:
    """Add to each track the number of sound tracks of its genre.

    Parameters
    ----------
    tracks : DataFrame
        With `genre`.
    broken : Series of bool
        Tracks whose file is in quarantine.

    Returns
    -------
    DataFrame
        With `tracks_of_genre`; unknown where the genre is, or where the track is broken.
    """
    n = tracks.loc[~broken, "genre"].value_counts()
    return tracks.assign(tracks_of_genre=tracks["genre"].map(n).where(~broken))


def suite(bounds: Any) -> list[Expectation]:
    """Expect usable labels and possible attributes.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
        Each of single rows.
    """
    return [
        gxe.ExpectColumnValuesToBeUnique(column="track_id", meta={"reason": "track_id stands twice"}),
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
