"""Making scores mean what they say: one temperature a candidate, chosen on validation.

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

WIDEST = 3.0
ACCURACY, CONFIDENCE = 0.8, 0.9
"""What is promised of labels that are not marked unsure, and how surely."""
GRID = np.arange(0.99, 0.0, -0.01).round(2)
"""Scores that are tried as thresholds."""
N_LEAST = int(np.ceil(np.log(1 - CONFIDENCE) / np.log(ACCURACY)))
"""Fewer tracks promise nothing, even if all are right."""
PART = 8
"""A second sequence of thresholds begins with this part of the tracks."""
FIGURES = ("log_loss", "calibration_error")
DIGITS = 6


def calibrate(validation: ScoredTracks, test: ScoredTracks, kind: Kind) -> dict[str, Any] | None:
    """Choose a temperature on validation and say what it does to the test figures.

    Parameters
    ----------
    validation, test : ScoredTracks
    kind : {"single", "multi"}

    Returns
    -------
    dict or None
        ``temperature``, which logits are divided by; ``test`` before and after;
        ``reliability`` of the test scores after. None without validation tracks.
    """
    if not len(validation):
        return None
    found: dict[str, Any] = {"temperature": round(temperature(validation, kind), DIGITS)}
    warm = [apply_temperature(rows, found["temperature"], kind) for rows in (validation, test)]
    found["test"] = {
        name: {
            when: round(get_metrics(kind)[name].function(preds=r.scores, target=r.target), DIGITS) for when, r in both
        }
        for name in FIGURES
        for both in [(("before", test), ("after", warm[1]))]
    }
    found["reliability"] = probabilities.reliability(warm[1].scores, warm[1].target, top=kind == "single")
    return found


def temperature(rows: ScoredTracks, kind: Kind) -> float:
    """Find what to divide logits by for the least log loss.

    Parameters
    ----------
    rows : ScoredTracks
    kind : {"single", "multi"}

    Returns
    -------
    float
        From 0.05 to 20.
    """
    loss, given = get_metrics(kind)["log_loss"].function, logits(rows.scores, kind)

    def at(exponent: float) -> float:
        return float(loss(preds=scores(given / np.exp(exponent), kind), target=rows.target))

    return float(np.exp(minimize_scalar(at, bounds=(-WIDEST, WIDEST), method="bounded").x))


def apply_temperature(rows: ScoredTracks, divisor: float, kind: Kind) -> ScoredTracks:
    """Divide the logits of rows by a temperature."""
    return replace(rows, scores=scores(logits(rows.scores, kind) / divisor, kind))


def find_confidence_threshold(rows: ScoredTracks) -> dict[str, Any]:
    """Find the score from which on single labels are right as often as promised.

    Thresholds of a grid are tested from high to low, as long as the lower bound of the
    accuracy above each is no less than `ACCURACY` (fixed-sequence testing): from the
    first with 11 tracks above it and, of many tracks, from the first with an eighth
    of them, which makes k = 2 sequences that share the error, so that the promise is
    broken in at most 1 - `CONFIDENCE` of all sets of tracks. Of n tracks above a
    threshold of which r are right, the bound is that of Clopper and Pearson,

        Beta^-1((1 - CONFIDENCE) / k; r / d, (n - r) / d + 1),    d = 1 + (m - 1) rho,

    where the design effect d counts tracks of a group, m on average (weighed by their
    number), for fewer the more they agree in being right, which is rho.

    Parameters
    ----------
    rows : ScoredTracks
        Calibrated scores of tracks that the candidate was not trained on.

    Returns
    -------
    dict
        ``accuracy`` and ``confidence`` of the promise, ``n_tracks``, and ``unsure_below``,
        the score; None where nothing can be promised, as of few tracks.

    References
    ----------
    C. Clopper, E. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26, 1934.
    A. Angelopoulos, S. Bates, E. Candes, M. Jordan, L. Lei, "Learn then test: calibrating
    predictive algorithms to achieve risk control", Annals of Applied Statistics 19(2), 2025.
    L. Kish, *Survey Sampling*, 1965, section 5.4.
    """
    top = rows.scores.max(axis=1, initial=0.0)
    right = np.take_along_axis(rows.target, rows.scores.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0] > 0
    agreement = _agreement(right, rows.group)

    def bound(level: float, error: float) -> float:
        above = top >= level
        effect = 1 + (_mean_size(rows.group[above]) - 1) * agreement
        hits, misses = right[above].sum() / effect, (~right[above]).sum() / effect
        return float(betaincinv(hits, misses + 1, error)) if hits else 0.0

    n_above = (top >= GRID[:, np.newaxis]).sum(axis=1)
    begins = {n for n in (N_LEAST, len(rows) // PART) if N_LEAST <= n <= len(rows)}
    passed: list[float] = []
    for begin in begins:
        levels = GRID[n_above >= begin]
        passed += takewhile(lambda level: bound(level, (1 - CONFIDENCE) / len(begins)) >= ACCURACY, levels)
    threshold = round(float(min(passed)), DIGITS) if passed else None
    return {"accuracy": ACCURACY, "confidence": CONFIDENCE, "n_tracks": len(rows), "unsure_below": threshold}


def _mean_size(groups: np.ndarray) -> float:
    """Average the size of the group of a track."""
    _, sizes = np.unique(groups.astype(str), return_counts=True)
    return float(np.square(sizes).sum() / sizes.sum())


def _agreement(right: np.ndarray, groups: np.ndarray) -> float:
    """Estimate the correlation of two tracks of a group in being right, by analysis of variance; 0 to 1."""
    _, group, sizes = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    n, k = len(right), len(sizes)
    if k < 2 or n == k:
        return 0.0
    means = np.bincount(group, right) / sizes
    between = (sizes * np.square(means - right.mean())).sum() / (k - 1)
    within = np.square(right - means[group]).sum() / (n - k)
    size = (n - np.square(sizes).sum() / n) / (k - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 0.0
