"""Huber's loss, by which settings are chosen and results are judged."""

from typing import TypeAlias

import numpy as np
from scipy.special import huber

Sample: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Inputs, (n_tracks, width), and numbers, (n_tracks,)."""
DELTA = 1.35
"""Residual from which the loss is linear, in standard deviations: 95 % efficient for normal residuals (Huber 1981)."""


def compute_losses(preds: np.ndarray, target: np.ndarray, scale: float | np.ndarray) -> np.ndarray:
    """Compute Huber's loss of each track.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks,)]
    scale : float or np.ndarray [shape=(n_tracks,)]
        Standard deviation of the number over the training tracks.

    Returns
    -------
    np.ndarray [shape=(n_tracks,)]
        Without unit.

    Examples
    --------
    >>> compute_losses(np.array([0.0, 0.0]), np.array([1.0, 10.0]), 1.0).round(3).tolist()
    [0.5, 12.589]
    """
    losses: np.ndarray = huber(DELTA, (target - preds) / scale)
    return losses


def compute_loss(preds: np.ndarray, target: np.ndarray, scale: float) -> float:
    """Compute the mean of `compute_losses`."""
    return float(compute_losses(preds, target, scale).mean())
