"""What must hold of each file: it decodes to its end, and there is music in it."""

from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation


def prepared(files: pd.DataFrame) -> pd.DataFrame:
    """Let what was not measured be unknown instead of 0.

    Parameters
    ----------
    files : DataFrame
        With the columns of `tables.FILES`.

    Returns
    -------
    DataFrame
    """
    return files.assign(sample_rate=files["sample_rate"].where(files["n_samples"] > 0))


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
    return [
        gxe.ExpectColumnValuesToBeNull(column="error", meta={"reason": "unreadable"}),
        gxe.ExpectColumnValuesToBeBetween(
            column="duration", min_value=bounds.min_seconds, meta={"reason": "too short"}
        ),
        gxe.ExpectColumnValuesToBeBetween(column="duration", max_value=bounds.max_seconds, meta={"reason": "too long"}),
        gxe.ExpectColumnValuesToBeBetween(
            column="silence_share", max_value=bounds.max_silence_share, meta={"reason": "silent"}
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="n_nonfinite", max_value=bounds.max_nonfinite, meta={"reason": "samples that are no numbers"}
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="sample_rate", min_value=bounds.min_sample_rate, meta={"reason": "sample rate too low"}
        ),
    ]
