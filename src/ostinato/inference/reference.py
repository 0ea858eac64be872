"""Reference: the sound that a released model was trained on, and in what a new file departs from it.

`ostinato release` writes ``reference.json`` beside model.json. It holds the bounds of
``validate`` and, from 20 training tracks on, the 1 % and 99 % quantiles of their
bandwidth, level and duration, and of each feature that is computed from sound the
median and spread, over tracks, of each bin's mean over time. A file is marked
where a figure lies beyond these quantiles by more than the margins below.

The bandwidth counts up to half the sample rate of the model's features: what lies
above is never heard. Where each frame or each track is standardised the mean of a
profile is taken off first, since such a network does not hear the level.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ostinato.audio import limits

if TYPE_CHECKING:
    from ostinato.inference.inputs import FittedInput
    from ostinato.inference.model import ReleasedModel

MIN_TRACKS = 20
FIGURES = ("bandwidth_share", "sample_rate", "rms_db", "duration")
"""Figures of a file that `describe_sound` reads."""
QUANTILES = (0.01, 0.99)
BANDWIDTH_MARGIN = 0.1
"""Share of the least and of the greatest bandwidth."""
LEVEL_MARGIN_DB = 6.0
SHORTER, LONGER = 0.5, 20.0
"""Shares of the least and of the greatest duration: a longer track is scored as the mean of its chunks."""
PROFILE_MARGIN = 1.25
"""Share of the distance that all but 1 % of the training tracks keep."""
MIN_SPREAD = 0.1
"""Least spread of a bin, as a share of the median bin's: what hardly varied in training would decide alone."""
_MARGINS: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "bandwidth": lambda low, high: ((1 - BANDWIDTH_MARGIN) * low, (1 + BANDWIDTH_MARGIN) * high),
    "level": lambda low, high: (low - LEVEL_MARGIN_DB, high + LEVEL_MARGIN_DB),
    "duration": lambda low, high: (SHORTER * low, LONGER * high),
}
_UNITS = {"bandwidth": (1000, "kHz"), "level": (1, "dB"), "duration": (1, "s")}
COMPARED = (*(f"{name} " for name in _MARGINS), "mean ")
"""What reasons begin with that hold a file against the training tracks."""
IQR = 1.349
EPSILON = 1e-6
"""Interquartile range of a normal distribution of unit variance."""
DIGITS = 6


def describe_sound(figures: Mapping[str, np.ndarray], inputs: Iterable["FittedInput"]) -> dict[str, list[float]]:
    """Describe the sound of training tracks.

    Parameters
    ----------
    figures : mapping of str to np.ndarray [shape=(n_tracks,)]
        By `FIGURES`; NaN where unknown. A dataset that lacks one is described by nothing.
    inputs : iterable of FittedInput
        Of the model.

    Returns
    -------
    dict of str to list of float
        Least and greatest ``bandwidth`` in Hz, ``level`` in dB of full scale and ``duration`` in
        seconds; without what is known of fewer than 20 tracks.
    """
    if any(name not in figures for name in FIGURES):
        return {}
    top = _highest_frequency(inputs)
    values = {
        "bandwidth": np.minimum(figures["bandwidth_share"] * figures["sample_rate"] / 2, top),
        "level": figures["rms_db"],
        "duration": figures["duration"],
    }
    known = {name: v[np.isfinite(v)] for name, v in values.items()}
    return {name: np.quantile(v, QUANTILES).round(DIGITS).tolist() for name, v in known.items() if len(v) >= MIN_TRACKS}


def describe_profiles(profiles: np.ndarray, normalise: str) -> dict[str, Any]:
    """Describe the mean over time of a feature of training tracks.

    Parameters
    ----------
    profiles : np.ndarray [shape=(n_tracks, n_bins)]
    normalise : str
        How the model standardises the feature.

    Returns
    -------
    dict
        ``median`` and ``spread`` of each bin, and the ``distance`` that all but 1 % of the tracks keep.
    """
    shapes = _shape(profiles, normalise)
    low, median, high = np.quantile(shapes, [0.25, 0.5, 0.75], axis=0)
    spread = (high - low) / IQR
    spread = np.maximum(spread, MIN_SPREAD * max(float(np.median(spread)), EPSILON))
    distance = float(np.quantile(_distance(shapes, median, spread), QUANTILES[1]))
    return {
        "median": median.round(4).tolist(),
        "spread": spread.round(6).tolist(),
        "distance": round(distance, DIGITS),
    }


def describe_training(
    inputs: Mapping[str, "FittedInput"],
    figures: Mapping[str, np.ndarray],
    means: Mapping[str, np.ndarray],
    bounds: Mapping[str, float],
) -> dict[str, Any]:
    """Describe what a model learned from, as reference.json holds it.

    Parameters
    ----------
    inputs : mapping of str to FittedInput
        Of the model.
    figures : mapping of str to np.ndarray [shape=(n_tracks,)]
        As of `describe_sound`.
    means : mapping of str to np.ndarray [shape=(n_tracks, n_bins)]
        By input: mean over time of its feature of training tracks; of fewer than 20 none is described.
    bounds : mapping of str to float
        By the keys of ``validate``.

    Returns
    -------
    dict
    """
    known = {n: m for n, m in means.items() if inputs[n].source == "audio" and len(m) >= MIN_TRACKS}
    return {
        "bounds": dict(bounds),
        "sound": describe_sound(figures, inputs.values()),
        "profiles": {name: describe_profiles(mean, inputs[name].normalise) for name, mean in known.items()},
    }


def find_reasons(
    reference: Mapping[str, Any],
    measurement: Any,
    inputs: Mapping[str, "FittedInput"],
    profiles: Mapping[str, np.ndarray],
) -> list[str]:
    """Return why an answer about a file is not to be relied on, whatever its scores.

    Parameters
    ----------
    reference : mapping
        What reference.json holds; empty: nothing is known of training, and only that a file is cut off is said.
    measurement : Measurement
        Of the file.
    inputs : mapping of str to FittedInput
        Of the model.
    profiles : mapping of str to np.ndarray [shape=(n_bins,)]
        Mean over time of each input that is computed from sound.

    Returns
    -------
    list of str
        Such as ``"bandwidth 8.0 kHz, trained on 9.9 to 11.0 kHz"``; empty for a file like those of training.
    """
    if not reference:
        return [measurement.error] if measurement.error else []
    sound, bounds = reference.get("sound", {}), dict(reference.get("bounds", {}))
    if "bandwidth" in sound:
        bounds.pop("min_bandwidth_share", None)  # the bandwidths of training say more than a share of this file's rate
    faults = [measurement.error] if measurement.error else []
    faults += limits.find_faults(measurement, bounds)
    strange = _compare_sound(sound, measurement, inputs.values())
    known = reference.get("profiles", {})
    strange += [_compare_profile(known[n], inputs[n], profiles[n]) for n in inputs if n in known and n in profiles]
    return list(dict.fromkeys([*faults, *filter(None, strange)]))


def explain_sound(model: "ReleasedModel", measurement: Any, rows: Mapping[str, np.ndarray]) -> list[str]:
    """Return why what a model makes of a file is not to be relied on; see `find_reasons`.

    Parameters
    ----------
    model : ReleasedModel
    measurement : Measurement
        Of the file.
    rows : mapping of str to np.ndarray [shape=(n_frames, n_bins)]
        Feature of each input, as `ReleasedModel.compute_inputs` gives them.

    Returns
    -------
    list of str
    """
    profiles = {name: rows[name].mean(axis=0) for name, given in model.inputs.items() if given.source == "audio"}
    return find_reasons(model.reference, measurement, model.inputs, profiles)


def is_comparison(reason: str) -> bool:
    """Return whether a reason holds a file against the training tracks, and does not say that it is broken."""
    return reason.startswith(COMPARED)


def _compare_sound(
    sound: Mapping[str, list[float]], measurement: Any, inputs: Iterable["FittedInput"]
) -> list[str | None]:
    """Hold bandwidth, level and duration against those of training."""
    values = {
        "bandwidth": _bandwidth(measurement, sound, inputs),
        "level": measurement.rms_db,
        "duration": measurement.duration,
    }
    reasons: list[str | None] = []
    for name in (name for name in values if name in sound):
        low, high = sound[name]
        least, greatest = _MARGINS[name](low, high)
        if values[name] < least or values[name] > greatest:
            unit, word = _UNITS[name]
            learned = _range(low / unit, high / unit)
            reasons.append(f"{name} {values[name] / unit:.1f} {word}, trained on {learned} {word}")
    return reasons


def _bandwidth(measurement: Any, sound: Mapping[str, list[float]], inputs: Iterable["FittedInput"]) -> float:
    """Return what of a file's band the model hears, in Hz; NaN of a file too short to tell.

    Even of such a file no more than half its rate can be heard, which is said where that is too little.
    """
    nyquist, top = measurement.sample_rate / 2, _highest_frequency(inputs)
    if np.isnan(measurement.bandwidth_share):
        return nyquist if nyquist < sound.get("bandwidth", [0.0])[0] else float("nan")
    return float(min(measurement.bandwidth_share * nyquist, top))


def _compare_profile(known: Mapping[str, Any], given: "FittedInput", profile: np.ndarray) -> str | None:
    """Hold the mean over time of a feature against those of training."""
    median, spread = np.asarray(known["median"]), np.asarray(known["spread"])
    shape = _shape(profile[np.newaxis], given.normalise)
    distance = float(_distance(shape, median, spread)[0])
    if distance <= PROFILE_MARGIN * known["distance"]:
        return None
    return (
        f"mean {given.feature} unlike that of training: {distance:.1f} times the usual spread from its median, "
        f"where training tracks stay within {known['distance']:.1f}"
    )


def _shape(profiles: np.ndarray, normalise: str) -> np.ndarray:
    """Take the mean off where the model does not hear it."""
    profiles = np.asarray(profiles, np.float64)
    return profiles - profiles.mean(axis=1, keepdims=True) if normalise in ("frame", "track") else profiles


def _distance(shapes: np.ndarray, median: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the root mean square over bins of the distance in spreads."""
    return np.asarray(np.sqrt(np.mean(((shapes - median) / spread) ** 2, axis=1)))


def _highest_frequency(inputs: Iterable["FittedInput"]) -> float:
    """Return half the highest sample rate of the features, in Hz; infinite where one takes files as they are."""
    rates = [given.parameters.get("sample_rate") for given in inputs if given.source == "audio"]
    return max((np.inf if rate is None else rate / 2 for rate in rates), default=np.inf)


def _range(low: float, high: float) -> str:
    least, greatest = f"{low:.1f}", f"{high:.1f}"
    return least if least == greatest else f"{least} to {greatest}"
