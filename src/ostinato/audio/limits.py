"""Limits of a file's measurements, from ``validate`` in params.yaml."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Limit(NamedTuple):
    """A bound on one measurement of a file.

    Parameters
    ----------
    figure : str
        An attribute of `ostinato.audio.measurement.Measurement`.
    bound : str
        The key under ``validate``: ``min_...``, ``max_...``, or ``warn_...`` for another minimum.
    reason : str
        Meaning of a value beyond the bound, in plain words.
    """

    figure: str
    bound: str
    reason: str

    @property
    def is_lower(self) -> bool:
        """Whether the bound is a minimum."""
        return not self.bound.startswith("max_")


LIMITS = (
    Limit("duration", "min_seconds", "too short"),
    Limit("duration", "max_seconds", "too long"),
    Limit("unheard_seconds", "max_unheard_seconds", "continues beyond the end in its header"),
    Limit("sample_rate", "min_sample_rate", "sample rate too low"),
    Limit("n_nonfinite", "max_nonfinite", "NaN or infinite samples"),
    Limit("silence_share", "max_silence_share", "silent"),
    Limit("gap_seconds", "max_gap_seconds", "a gap of silence"),
    Limit("peak", "max_peak", "far beyond full scale"),
    Limit("dc", "max_dc", "not centred on zero"),
    Limit("clipped_share", "max_clipped_share", "clipped"),
    Limit("imbalance_db", "max_imbalance_db", "a dead channel"),
    Limit("mono_loss_db", "max_mono_loss_db", "channels in opposite phase"),
    Limit("bandwidth_share", "min_bandwidth_share", "far less bandwidth than its sample rate promises"),
    Limit("temporal_flatness", "max_temporal_flatness", "steady noise or hum"),
)
"""Faults that quarantine a file of a collection, and make predictions of a single file unsure."""
WARNINGS = (Limit("bandwidth_share", "warn_bandwidth_share", "less bandwidth than its sample rate promises"),)
"""Reported, though the file is kept: it was stored at a higher rate than its content needs."""
UNITS = {"duration": " s", "sample_rate": " Hz", "seconds": " s", "db": " dB"}


def read_bounds(section: Any) -> dict[str, float]:
    """Read the bounds of `LIMITS` from the section ``validate``.

    Parameters
    ----------
    section : params.Validate

    Returns
    -------
    dict of str to float
    """
    return {limit.bound: getattr(section, limit.bound) for limit in LIMITS}


def find_faults(measurement: Any, bounds: Mapping[str, float]) -> list[str]:
    """List the bounds that a file violates.

    Parameters
    ----------
    measurement : Measurement
        A value that is NaN is unknown and violates no bound.
    bounds : mapping of str to float
        By the keys of ``validate``; limits without a key are not checked.

    Returns
    -------
    list of str
        Such as ``"silent: silence share 1, at most 0.5"``.
    """
    faults = []
    for limit in (limit for limit in LIMITS if limit.bound in bounds):
        value, bound = getattr(measurement, limit.figure), bounds[limit.bound]
        if (value < bound) if limit.is_lower else (value > bound):
            faults.append(f"{limit.reason}: {_words(limit, value, bound)}")
    return faults


def _words(limit: Limit, value: float, bound: float) -> str:
    """Format a value and its bound with their unit."""
    name, _, suffix = limit.figure.rpartition("_")
    unit = UNITS.get(limit.figure, UNITS.get(suffix, ""))
    stem = name if unit and name and limit.figure not in UNITS else limit.figure.removeprefix("n_")
    relation = "at least" if limit.is_lower else "at most"
    return f"{stem.replace('_', ' ')} {value:.4g}{unit}, {relation} {bound:.4g}{unit}"
