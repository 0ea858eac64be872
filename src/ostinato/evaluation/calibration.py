"""Temperature scaling of scores, fitted on validation tracks, and a confidence threshold.

References
----------
C. Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaincinv

from ostinato.core.scores import Kind, logits, scores
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.metrics import probabilities

MAX_LOG_TEMPERATURE = 3.0
ACCURACY, CONFIDENCE = 0.8, 0.9
"""Guaranteed accuracy of labels that are not marked unsure, and the confidence of this guarantee."""
GRID = np.arange(0.99, 0.0, -0.01).round(2)
"""Candidate thresholds."""
MIN_TRACKS = int(np.ceil(np.log(1 - CONFIDENCE) / np.log(ACCURACY)))
"""Fewer tracks guarantee nothing, even if all are correct."""
FRACTION = 8
"""A second sequence of thresholds starts with an eighth of the tracks."""
METRICS = ("log_loss", "calibration_error")
DIGITS = 6


def calibrate(validation: ScoredTracks, test: ScoredTracks, kind: Kind) -> dict[str, Any] | None:
    """Fit a temperature on validation tracks and measure its effect on test tracks.

    Parameters
    ----------
    validation, test : ScoredTracks
    kind : {"single", "multi"}

    Returns
    -------
    dict or None
        ``temperature``, which divides logits; ``test``, metrics before and after;
        ``reliability`` of the test scores after. None without validation tracks.
    """
    if not len(validation):
        return None
    temperature = round(fit_temperature(validation, kind), DIGITS)
    calibrated = apply_temperature(test, temperature, kind)

    def compute(name: str, rows: ScoredTracks) -> float:
        return round(get_metrics(kind)[name].function(preds=rows.scores, target=rows.target), DIGITS)

    return {
        "temperature": temperature,
        "test": {name: {"before": compute(name, test), "after": compute(name, calibrated)} for name in METRICS},
        "reliability": probabilities.reliability(calibrated.scores, calibrated.target, top=kind == "single"),
    }


def fit_temperature(rows: ScoredTracks, kind: Kind) -> float:
    """Find the divisor of logits that minimises the log loss.

    Parameters
    ----------
    rows : ScoredTracks
    kind : {"single", "multi"}

    Returns
    -------
    float
        From 0.05 to 20.
    """
    log_loss, x = get_metrics(kind)["log_loss"].function, logits(rows.scores, kind)

    def loss(log_temperature: float) -> float:
        return float(log_loss(preds=scores(x / np.exp(log_temperature), kind), target=rows.target))

    bounds = -MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def apply_temperature(rows: ScoredTracks, divisor: float, kind: Kind) -> ScoredTracks:
    """Divide logits by a temperature."""
    return replace(rows, scores=scores(logits(rows.scores, kind) / divisor, kind))


def find_confidence_threshold(rows: ScoredTracks) -> dict[str, Any]:
    """Find the lowest score above which single labels have the guaranteed accuracy.

    Thresholds of a grid are tested from high to low, as long as the lower bound of the
    accuracy above each is at least `ACCURACY` (fixed-sequence testing): from the first
    with 11 tracks above it and, with many tracks, also from the first with an eighth of
    them. These k = 2 sequences share the error, so that the guarantee fails for at most
    1 - `CONFIDENCE` of all sets of tracks. If r of the n tracks above a threshold are
    correct, the bound is that of Clopper and Pearson,

        Beta^-1((1 - CONFIDENCE) / k; r / d, (n - r) / d + 1),    d = 1 + (m - 1) rho,

    where the design effect d corrects for groups: m is the mean size of a track's group
    and rho the intraclass correlation of being correct.

    Parameters
    ----------
    rows : ScoredTracks
        Calibrated scores of tracks that the candidate was not trained on.

    Returns
    -------
    dict
        ``accuracy`` and ``confidence`` of the guarantee, ``n_tracks``, and ``unsure_below``,
        the threshold; None if there is none, as with few tracks.

    References
    ----------
    C. Clopper, E. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26, 1934.
    A. Angelopoulos, S. Bates, E. Candes, M. Jordan, L. Lei, "Learn then test: calibrating
    predictive algorithms to achieve risk control", Annals of Applied Statistics 19(2), 2025.
    L. Kish, *Survey Sampling*, 1965, section 5.4.
    """
    top = rows.scores.max(axis=1, initial=0.0)
    is_correct = np.take_along_axis(rows.target, rows.scores.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0] > 0
    correlation = _estimate_correlation(is_correct, rows.group)

    def compute_bound(threshold: float, error: float) -> float:
        above = top >= threshold
        effect = 1 + (_compute_mean_size(rows.group[above]) - 1) * correlation
        hits, misses = is_correct[above].sum() / effect, (~is_correct[above]).sum() / effect
        return float(betaincinv(hits, misses + 1, error)) if hits else 0.0

    n_above = (top >= GRID[:, np.newaxis]).sum(axis=1)
    starts = {n for n in (MIN_TRACKS, len(rows) // FRACTION) if MIN_TRACKS <= n <= len(rows)}
    valid: list[float] = []
    for start in starts:
        sequence = GRID[n_above >= start]
        valid += takewhile(lambda t: compute_bound(t, (1 - CONFIDENCE) / len(starts)) >= ACCURACY, sequence)
    threshold = round(float(min(valid)), DIGITS) if valid else None
    return {"accuracy": ACCURACY, "confidence": CONFIDENCE, "n_tracks": len(rows), "unsure_below": threshold}


def _compute_mean_size(groups: np.ndarray) -> float:
    """Compute the mean size of a track's group."""
    _, sizes = np.unique(groups.astype(str), return_counts=True)
    return float(np.square(sizes).sum() / sizes.sum())


def _estimate_correlation(is_correct: np.ndarray, groups: np.ndarray) -> float:
    """Estimate the intraclass correlation of being correct, by analysis of variance; 0 to 1."""
    _, group, sizes = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    n, k = len(is_correct), len(sizes)
    if k < 2 or n == k:
        return 0.0
    means = np.bincount(group, is_correct) / sizes
    between = (sizes * np.square(means - is_correct.mean())).sum() / (k - 1)
    within = np.square(is_correct - means[group]).sum() / (n - k)
    size = (n - np.square(sizes).sum() / n) / (k - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 0.0
