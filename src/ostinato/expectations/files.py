"""Expectations of audio files: they can be decoded completely, and contain music."""

from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from ostinato.audio.limits import LIMITS, WARNINGS, Limit


def prepare(files: pd.DataFrame) -> pd.DataFrame:
    """Replace zeros that stand for missing measurements.

    Parameters
    ----------
    files : DataFrame
        With the columns of `tables.FILES`.

    Returns
    -------
    DataFrame
    """
    measurements = files.drop(columns=["fingerprint", "audio_hash"])
    return measurements.assign(sample_rate=files["sample_rate"].where(files["n_samples"] > 0))


def suite(bounds: Any) -> list[Expectation]:
    """Expect valid files.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
        Each about single rows. Of an unreadable file only `error` is known, so that it
        violates only the first.
    """
    unreadable = gxe.ExpectColumnValuesToBeNull(column="error", meta={"reason": "unreadable"})
    return [unreadable, *(_expect_limit(limit, getattr(bounds, limit.bound)) for limit in LIMITS)]


def warnings(bounds: Any) -> list[Expectation]:
    """Expect files without warnings.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
        Each about single rows; files that violate one are kept.
    """
    return [_expect_limit(limit, getattr(bounds, limit.bound)) for limit in WARNINGS]


def _expect_limit(limit: Limit, bound: float) -> Expectation:
    meta = {"reason": limit.reason}
    if limit.is_lower:
        return gxe.ExpectColumnValuesToBeBetween(column=limit.figure, min_value=bound, meta=meta)
    return gxe.ExpectColumnValuesToBeBetween(column=limit.figure, max_value=bound, meta=meta)
