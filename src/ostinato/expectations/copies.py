"""Expectations of copies: that no track is one, unless copies are grouped in splits."""

from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation


def prepare(tracks: pd.DataFrame, copies: pd.DataFrame) -> pd.DataFrame:
    """Return for each track whether it is a copy of an earlier one.

    Parameters
    ----------
    tracks : DataFrame
        With `track_id`.
    copies : DataFrame
        With the columns of `tables.COPIES`.

    Returns
    -------
    DataFrame
        `track_id` and `original`: the track of which it is a copy, or unknown.
    """
    original = tracks["track_id"].map(copies.set_index("track_id")["copy_of"])
    return pd.DataFrame({"track_id": tracks["track_id"], "original": original.astype(object)})


def suite(bounds: Any) -> list[Expectation]:
    """Expect no copies if these should go to quarantine.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
    """
    if bounds.copies == "group":
        return []
    return [gxe.ExpectColumnValuesToBeNull(column="original", meta={"reason": "a copy"})]
