"""Expectations of each file: it decodes to its end, and there is music in it."""

from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from ostinato.audio.limits import LIMITS, WARNINGS, Limit


def prepare(files: pd.DataFrame) -> pd.DataFrame:
    """Let what was not measured be unknown instead of 0.

    Parameters
    ----------
    files : DataFrame
        With the columns of `tables.FILES`.

    Returns
    -------
    DataFrame
    """
    heard = files.drop(columns=["fingerprint", "audio_hash"])
    return heard.assign(sample_rate=files["sample_rate"].where(files["n_samples"] > 0))


def suite(bounds: Any) -> list[Expectation]:
    """Expect sound files.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
        Each of single rows. Of an unreadable file nothing but `error` is known,
        so it breaks only the first.
    """
    unreadable = gxe.ExpectColumnValuesToBeNull(column="error", meta={"reason": "unreadable"})
    return [unreadable, *(_between(limit, getattr(bounds, limit.bound)) for limit in LIMITS)]


def warnings(bounds: Any) -> list[Expectation]:
    """Expect files about which there is nothing to say.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
        Each of single rows; who breaks one is kept.
    """
    return [_between(limit, getattr(bounds, limit.bound)) for limit in WARNINGS]


def _between(limit: Limit, bound: float) -> Expectation:
    meta = {"reason": limit.reason}
    if limit.is_lower:
        return gxe.ExpectColumnValuesToBeBetween(column=limit.figure, min_value=bound, meta=meta)
    return gxe.ExpectColumnValuesToBeBetween(column=limit.figure, max_value=bound, meta=meta)
