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
    return [
        gxe.ExpectColumnValuesToBeNull(column="error", meta={"reason": "unreadable"}),
        _at_least("duration", bounds.min_seconds, "too short"),
        _at_most("duration", bounds.max_seconds, "too long"),
        _at_most("unheard_seconds", bounds.max_unheard_seconds, "goes on beyond the end that its header names"),
        _at_least("sample_rate", bounds.min_sample_rate, "sample rate too low"),
        _at_most("n_nonfinite", bounds.max_nonfinite, "samples that are no numbers"),
        _at_most("silence_share", bounds.max_silence_share, "silent"),
        _at_most("hole_seconds", bounds.max_hole_seconds, "a hole of silence"),
        _at_most("peak", bounds.max_peak, "far beyond full scale"),
        _at_most("dc", bounds.max_dc, "not centred on zero"),
        _at_most("clipped_share", bounds.max_clipped_share, "clipped"),
        _at_most("imbalance_db", bounds.max_imbalance_db, "a dead channel"),
        _at_most("mono_loss_db", bounds.max_mono_loss_db, "channels in opposite phase"),
        _at_least("bandwidth_share", bounds.min_bandwidth_share, "less bandwidth than its sample rate promises"),
        _at_most("noise_likeness", bounds.max_noise_likeness, "steady noise or hum"),
    ]


def _at_least(column: str, bound: float, reason: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=bound, meta={"reason": reason})


def _at_most(column: str, bound: float, reason: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeBetween(column=column, max_value=bound, meta={"reason": reason})
