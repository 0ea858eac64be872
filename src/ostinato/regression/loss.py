"""Huber's loss, by which settings are chosen and results are judged."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.special import huber

Sample: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Inputs, (n_tracks, width), and numbers, (n_tracks,)."""
DELTA = 1.35
"""Residual from which the loss is linear, in standard deviations: 95 % efficient for normal residuals (Huber 1981)."""


class Choice(NamedTuple):
    """The setting with the lowest loss on the validation tracks.

    Parameters
    ----------
    setting : float
        A penalty, or a number of trees or epochs.
    preds : np.ndarray [shape=(n_tracks,)]
        Its predictions of the validation tracks.
    """

    setting: float
    preds: np.ndarray


def choose(preds: Mapping[float, np.ndarray], target: np.ndarray, scale: float) -> Choice:
    """Choose the setting with the lowest mean loss; of equals, the first.

    Parameters
    ----------
    preds : mapping of float to np.ndarray [shape=(n_tracks,)]
        Predictions by setting.
    target : np.ndarray [shape=(n_tracks,)]
    scale : float
        As for `compute_losses`.

    Returns
    -------
    Choice
    """
    losses = {setting: float(compute_losses(p, target, scale).mean()) for setting, p in preds.items()}
    best = min(losses, key=lambda setting: losses[setting])
    return Choice(best, preds[best])


def beats_mean(choice: Choice, target: np.ndarray, mean: float, scale: float, group: np.ndarray) -> bool:
    """Return whether a regression beats the mean on the validation tracks by more than one standard error.

    Parameters
    ----------
    choice : Choice
    target : np.ndarray [shape=(n_tracks,)]
    mean : float
        Of the training tracks.
    scale : float
        As for `compute_losses`.
    group : np.ndarray [shape=(n_tracks,)]
        Groups of tracks, such as artists, whose losses are correlated.

    Returns
    -------
    bool
    """
    losses = (compute_losses(p, target, scale) for p in (np.full(len(target), mean), choice.preds))
    gain = np.subtract(*losses)
    _, member = np.unique(group, return_inverse=True)
    error = np.sqrt(np.square(np.bincount(member, gain - gain.mean())).sum()) / len(gain)
    return bool(gain.mean() > error)


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
