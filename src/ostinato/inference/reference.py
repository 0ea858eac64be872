"""Reference: the sound that a released model was trained on, and the differences of a new file from it.

`ostinato release` writes ``reference.json`` next to model.json. It holds the bounds of
``validate`` and, for 20 training tracks or more, the 1 % and 99 % quantiles of their
bandwidth, level and duration, and for each feature computed from audio the median and
spread over tracks of the mean over time of each bin. A file has a reason to be unsure
for each figure beyond these quantiles by more than the margins below.

The bandwidth counts up to half the sample rate of the model's features, which discard
what lies above. Where frames or tracks are standardised, the mean of a profile is
subtracted first, since such a network is blind to the level.
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
"""Figures of a file that `describe_sound` uses."""
QUANTILES = (0.01, 0.99)
BANDWIDTH_MARGIN = 0.1
"""Share of the minimum and maximum bandwidth."""
LEVEL_MARGIN_DB = 6.0
MIN_DURATION_RATIO, MAX_DURATION_RATIO = 0.5, 20.0
"""Shares of the minimum and maximum duration: a longer track is scored as the mean of its chunks."""
PROFILE_MARGIN = 1.25
"""Factor on the distance that 99 % of the training tracks stay within."""
MIN_SPREAD = 0.1
"""Minimum spread of a bin, as a share of the median spread, so that a nearly constant bin does not dominate."""
_MARGINS: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "bandwidth": lambda low, high: ((1 - BANDWIDTH_MARGIN) * low, (1 + BANDWIDTH_MARGIN) * high),
    "level": lambda low, high: (low - LEVEL_MARGIN_DB, high + LEVEL_MARGIN_DB),
    "duration": lambda low, high: (MIN_DURATION_RATIO * low, MAX_DURATION_RATIO * high),
}
_UNITS = {"bandwidth": (1000, "kHz"), "level": (1, "dB"), "duration": (1, "s")}
COMPARISONS = (*(f"{name} " for name in _MARGINS), "mean ")
"""Prefixes of reasons that compare a file with the training tracks."""
IQR = 1.349
"""Interquartile range of a normal distribution of unit variance."""
EPSILON = 1e-6
DIGITS = 6


def describe_sound(figures: Mapping[str, np.ndarray], inputs: Iterable["FittedInput"]) -> dict[str, list[float]]:
    """Describe the sound of training tracks.

    Parameters
    ----------
    figures : mapping of str to np.ndarray [shape=(n_tracks,)]
        By `FIGURES`; NaN where unknown. If one is missing, nothing is described.
    inputs : iterable of FittedInput
        Inputs of the model.

    Returns
    -------
    dict of str to list of float
        Low and high quantile of ``bandwidth`` in Hz, ``level`` in dB of full scale and ``duration``
        in seconds, each only if it is known for 20 tracks or more.
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
        ``median`` and ``spread`` of each bin, and the ``distance`` that 99 % of the tracks stay within.
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
    """Describe the training tracks of a model, for reference.json.

    Parameters
    ----------
    inputs : mapping of str to FittedInput
        Inputs of the model.
    figures : mapping of str to np.ndarray [shape=(n_tracks,)]
        As in `describe_sound`.
    means : mapping of str to np.ndarray [shape=(n_tracks, n_bins)]
        By input, mean over time of its feature for training tracks; needs 20 tracks or more.
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
    """Return why an answer about a file is unreliable, whatever its scores.

    Parameters
    ----------
    reference : mapping
        Content of reference.json; if empty, the only reason is an error of decoding.
    measurement : Measurement
        Measurement of the file.
    inputs : mapping of str to FittedInput
        Inputs of the model.
    profiles : mapping of str to np.ndarray [shape=(n_bins,)]
        Mean over time of each input that is computed from audio.

    Returns
    -------
    list of str
        Such as ``"bandwidth 8.0 kHz, trained on 9.9 to 11.0 kHz"``; empty for a file like the training tracks.
    """
    if not reference:
        return [measurement.error] if measurement.error else []
    sound, bounds = reference.get("sound", {}), dict(reference.get("bounds", {}))
    if "bandwidth" in sound:
        bounds.pop("min_bandwidth_share", None)  # the bandwidths of training are stricter than a share of this rate
    faults = [measurement.error] if measurement.error else []
    faults += limits.find_faults(measurement, bounds)
    differences: list[str | None] = [*_compare_sound(sound, measurement, inputs.values())]
    known = reference.get("profiles", {})
    differences += [_compare_profile(known[n], inputs[n], profiles[n]) for n in inputs if n in known and n in profiles]
    return list(dict.fromkeys([*faults, *filter(None, differences)]))


def explain_sound(model: "ReleasedModel", measurement: Any, rows: Mapping[str, np.ndarray]) -> list[str]:
    """Return why the embedding of a file is unreliable; see `find_reasons`.

    Parameters
    ----------
    model : ReleasedModel
    measurement : Measurement
        Measurement of the file.
    rows : mapping of str to np.ndarray [shape=(n_frames, n_bins)]
        Feature of each input, from `ReleasedModel.compute_inputs`.

    Returns
    -------
    list of str
    """
    profiles = {name: rows[name].mean(axis=0) for name, i in model.inputs.items() if i.source == "audio"}
    return find_reasons(model.reference, measurement, model.inputs, profiles)


def is_comparison(reason: str) -> bool:
    """Return whether a reason compares a file with the training tracks, instead of naming a fault."""
    return reason.startswith(COMPARISONS)


def _compare_sound(sound: Mapping[str, list[float]], measurement: Any, inputs: Iterable["FittedInput"]) -> list[str]:
    """Compare bandwidth, level and duration with those of training."""
    values = {
        "bandwidth": _bandwidth(measurement, sound, inputs),
        "level": measurement.rms_db,
        "duration": measurement.duration,
    }
    reasons = []
    for name in (name for name in values if name in sound):
        low, high = sound[name]
        least, greatest = _MARGINS[name](low, high)
        if values[name] < least or values[name] > greatest:
            scale, unit = _UNITS[name]
            trained_on = _range(low / scale, high / scale)
            reasons.append(f"{name} {values[name] / scale:.1f} {unit}, trained on {trained_on} {unit}")
    return reasons


def _bandwidth(measurement: Any, sound: Mapping[str, list[float]], inputs: Iterable["FittedInput"]) -> float:
    """Return the bandwidth of a file within that of the model, in Hz; NaN for a file too short to measure.

    For such a file it is half its sample rate where that alone is less than in training.
    """
    nyquist, top = measurement.sample_rate / 2, _highest_frequency(inputs)
    if np.isnan(measurement.bandwidth_share):
        return nyquist if nyquist < sound.get("bandwidth", [0.0])[0] else float("nan")
    return float(min(measurement.bandwidth_share * nyquist, top))


def _compare_profile(trained: Mapping[str, Any], model_input: "FittedInput", profile: np.ndarray) -> str | None:
    """Compare the mean over time of a feature with those of training."""
    median, spread = np.asarray(trained["median"]), np.asarray(trained["spread"])
    shape = _shape(profile[np.newaxis], model_input.normalise)
    distance = float(_distance(shape, median, spread)[0])
    if distance <= PROFILE_MARGIN * trained["distance"]:
        return None
    return (
        f"mean {model_input.feature} unlike that of training: {distance:.1f} times the usual spread from its median, "
        f"where training tracks stay within {trained['distance']:.1f}"
    )


def _shape(profiles: np.ndarray, normalise: str) -> np.ndarray:
    """Subtract the mean where the model is blind to it."""
    profiles = np.asarray(profiles, np.float64)
    return profiles - profiles.mean(axis=1, keepdims=True) if normalise in ("frame", "track") else profiles


def _distance(shapes: np.ndarray, median: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Compute the root mean square over bins of the distance from the median, in spreads."""
    return np.asarray(np.sqrt(np.mean(((shapes - median) / spread) ** 2, axis=1)))


def _highest_frequency(inputs: Iterable["FittedInput"]) -> float:
    """Return half the highest sample rate of the features, in Hz; infinity if one keeps the rate of the file."""
    rates = [i.parameters.get("sample_rate") for i in inputs if i.source == "audio"]
    return max((np.inf if rate is None else rate / 2 for rate in rates), default=np.inf)


def _range(low: float, high: float) -> str:
    first, last = f"{low:.1f}", f"{high:.1f}"
    return first if first == last else f"{first} to {last}"
