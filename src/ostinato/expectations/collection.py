"""Expectations of the collection without broken tracks: enough of them, with at least two classes."""

from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation


def prepare(tracks: pd.DataFrame, broken: pd.Series) -> pd.DataFrame:
    """Return for each track whether it is usable, and its label if so.

    Parameters
    ----------
    tracks : DataFrame
        With `track_id`, `genre`, `tags`.
    broken : Series of bool

    Returns
    -------
    DataFrame
        `sound` and `label`: the genre, or the tags in a collection without genres.
    """
    if tracks["genre"].notna().any():
        label = tracks["genre"].astype(object)
    else:
        label = pd.Series(["; ".join(tags) or None for tags in tracks["tags"]], dtype=object, index=tracks.index)
    return pd.DataFrame({"track_id": tracks["track_id"], "sound": ~broken, "label": label.where(~broken, None)})


def suite(bounds: Any) -> list[Expectation]:
    """Expect a usable collection.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
        All of the whole table.
    """
    share = f"more than {bounds.max_broken_share:.0%} of the tracks are broken (validate.max_broken_share)"
    return [
        gxe.ExpectColumnDistinctValuesToContainSet(
            column="sound", value_set=[True], meta={"reason": "no track is left"}
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="sound", value_set=[True], mostly=1 - bounds.max_broken_share, meta={"reason": share}
        ),
        gxe.ExpectColumnUniqueValueCountToBeBetween(
            column="label", min_value=2, meta={"reason": "fewer than two classes are left"}
        ),
    ]
