"""Making scores mean what they say: one temperature a candidate, chosen on validation.

References
----------
C. Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from ostinato.contract.scores import Kind, logits, scores
from ostinato.evaluation.candidate.figures import family
from ostinato.evaluation.candidate.judged import Judged
from ostinato.metrics import _probabilities

WIDEST = 3.0
RELIABLE = 0.8
FIGURES = ("log_loss", "calibration_error")
DIGITS = 6


def calibrate(validation: Judged, test: Judged, kind: Kind) -> dict[str, Any] | None:
    """Choose a temperature on validation and say what it does to the test figures.

    Parameters
    ----------
    validation, test : Judged
    kind : {"single", "multi"}

    Returns
    -------
    dict or None
        ``temperature``, which logits are divided by; ``unsure_below`` (single
        label), the score from which on four of five labels were right; ``test``
        before and after; ``reliability`` of the test scores after. None without
        validation tracks.
    """
    if not len(validation):
        return None
    found: dict[str, Any] = {"temperature": round(temperature(validation, kind), DIGITS)}
    warm = [cooled(rows, found["temperature"], kind) for rows in (validation, test)]
    if kind == "single":
        found["unsure_below"] = round(reliable_from(warm[0].scores, warm[0].target), DIGITS)
    found["test"] = {
        name: {when: round(family(kind)[name].function(preds=r.scores, target=r.target), DIGITS) for when, r in both}
        for name in FIGURES
        for both in [(("before", test), ("after", warm[1]))]
    }
    found["reliability"] = _probabilities.reliability(warm[1].scores, warm[1].target, top=kind == "single")
    return found


def temperature(rows: Judged, kind: Kind) -> float:
    """Find what to divide logits by for the least log loss.

    Parameters
    ----------
    rows : Judged
    kind : {"single", "multi"}

    Returns
    -------
    float
        From 0.05 to 20.
    """
    loss, given = family(kind)["log_loss"].function, logits(rows.scores, kind)

    def at(exponent: float) -> float:
        return float(loss(preds=scores(given / np.exp(exponent), kind), target=rows.target))

    return float(np.exp(minimize_scalar(at, bounds=(-WIDEST, WIDEST), method="bounded").x))


def cooled(rows: Judged, divisor: float, kind: Kind) -> Judged:
    """Divide the logits of rows by a temperature."""
    return replace(rows, scores=scores(logits(rows.scores, kind) / divisor, kind))


def reliable_from(track_scores: np.ndarray, target: np.ndarray) -> float:
    """Find the score from which on single labels are to be relied on.

    Parameters
    ----------
    track_scores, target : np.ndarray [shape=(n_tracks, n_classes)]

    Returns
    -------
    float
        The lowest score with at least four of five labels right among those as
        high; 1 if there is none.

    Examples
    --------
    >>> reliable_from(np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]]), np.array([[1, 0], [1, 0], [0, 1]]))
    0.8
    """
    best, right = track_scores.max(axis=1), np.take_along_axis(target, track_scores.argmax(axis=1)[:, None], 1)[:, 0]
    order = np.argsort(-best, kind="stable")
    share = np.cumsum(right[order] > 0) / np.arange(1, len(best) + 1)
    last_of_its_score = np.append(np.diff(best[order]) != 0, True)
    enough = np.flatnonzero((share >= RELIABLE) & last_of_its_score)
    return float(best[order][enough[-1]]) if len(enough) else 1.0
