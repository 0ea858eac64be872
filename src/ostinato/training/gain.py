"""Gain of a study's choice over the defaults, on tracks by which the study did not choose.

A study chooses by the validation tracks. Here the training tracks are parted by group;
the defaults and the choice both learn from all parts but one, stop by the validation
tracks, and are compared on the part that is left, until each part has been it once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t

from ostinato.training import losses
from ostinato.training.artefact import Fold
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Source
from ostinato.training.out_of_fold import inner_parts
from ostinato.training.settings import ALONE, Settings, derive

LEVEL = 0.95
LABEL = "judge"


@dataclass(frozen=True)
class Gain:
    """By how much the loss of a track falls on average.

    Parameters
    ----------
    mean : float
        Above 0 if the choice does better than the defaults.
    low, high : float
        Its interval at `LEVEL`, over groups.
    n_tracks, n_groups : int
    """

    mean: float
    low: float
    high: float
    n_tracks: int
    n_groups: int


def compute_gain(
    settings: Settings,
    choice: Mapping[str, Any],
    labelled: LabelledTracks,
    sources: Mapping[Fold, Source],
    x: np.ndarray | None,
    *,
    folds: int,
    state: Path | None = None,
) -> Gain:
    """Compare a choice with the defaults on held-out training tracks.

    Parameters
    ----------
    settings : Settings
    choice : mapping
        ``network`` and ``train``.
    labelled : LabelledTracks
    sources : mapping of fold to Source
    x : np.ndarray [shape=(n_tracks, width)], optional
        Summaries of the tracks, for an estimator.
    folds : int
        Parts of the training tracks.
    state : Path, optional
        Folder of the points to go on from.

    Returns
    -------
    Gain
    """
    fold = next(iter(labelled.folds))
    train = labelled.folds[fold]["train"]
    differences = np.zeros(len(train))
    for number, held in enumerate(inner_parts(labelled, train, folds, derive(settings.seed, LABEL))):
        others, label = np.setdiff1d(train, train[held]), f"{LABEL} {number}"
        before, after = (
            compute_losses(
                chosen,
                labelled,
                sources.get(fold),
                x,
                others,
                train[held],
                label=label,
                state=None if state is None else state / f"{name}{number}",
            )
            for name, chosen in (("defaults", settings), ("choice", settings.with_overrides(choice)))
        )
        differences[held] = before - after
    return estimate_gain(differences, labelled.groups[train])


def compute_losses(
    settings: Settings,
    labelled: LabelledTracks,
    source: Source | None,
    x: np.ndarray | None,
    train: np.ndarray,
    held: np.ndarray,
    *,
    label: str,
    state: Path | None = None,
) -> np.ndarray:
    """Fit a candidate, stopped by the first fold's validation tracks, and compute the loss of tracks it did not see.

    Parameters
    ----------
    settings : Settings
    labelled : LabelledTracks
    source : Source, optional
        Inputs of the tracks, for a network.
    x : np.ndarray [shape=(n_tracks, width)], optional
        Summaries of the tracks, for an estimator.
    train, held : np.ndarray
        Positions of the tracks to learn from, and of those to judge by.
    label : str
        Part of the seed of the fit.
    state : Path, optional
        Folder of the points to go on from.

    Returns
    -------
    np.ndarray [shape=(n_held,), dtype=float64]
    """
    if x is not None:
        return _estimator_losses(settings, labelled, x, train, held, label)
    assert source is not None
    validation = next(iter(labelled.folds.values()))["validation"]
    return _network_losses(settings, labelled, source, train, validation, held, label, state)


def estimate_gain(differences: np.ndarray, groups: np.ndarray) -> Gain:
    """Estimate a mean over tracks whose groups are independent, with Student's t over the groups.

    Parameters
    ----------
    differences, groups : np.ndarray [shape=(n_tracks,)]

    Returns
    -------
    Gain

    References
    ----------
    K.-Y. Liang, S. L. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986.

    Examples
    --------
    >>> estimate_gain(np.array([1.0, 1.0, 2.0, 3.0]), np.array(["a", "a", "b", "c"])).mean
    1.75
    """
    names, group = np.unique(groups.astype(str), return_inverse=True)
    mean, n_groups = float(differences.mean()), len(names)
    totals = np.bincount(group, weights=differences - mean)
    error = np.sqrt(n_groups / (n_groups - 1) * (totals**2).sum()) / len(differences)
    reach = float(t.ppf((1 + LEVEL) / 2, n_groups - 1) * error)
    return Gain(mean, mean - reach, mean + reach, len(differences), n_groups)


def track_losses(logits: np.ndarray, target: np.ndarray, settings: Settings, kind: str) -> np.ndarray:
    """Compute the loss of each track: what `train.monitor` watches.

    Parameters
    ----------
    logits, target : np.ndarray [shape=(n_tracks, n_classes)]
    settings : Settings
        Where `monitor` is ``val_score``, a single label counts 1 where it is wrong and 0 where it is right.
    kind : {"single", "multi", "embedding"}

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=float64]
    """
    if settings.train.monitor == "val_score" and kind == "single":
        return (logits.argmax(axis=1) != target.argmax(axis=1)).astype(np.float64)
    criterion: Callable[..., torch.Tensor] = losses.loss(kind)  # type: ignore[arg-type]
    rows = zip(torch.from_numpy(logits).double(), torch.from_numpy(target).double(), strict=True)
    return np.array([float(criterion(row[None], truth[None])) for row, truth in rows])


def _network_losses(
    settings: Settings,
    labelled: LabelledTracks,
    source: Source,
    train: np.ndarray,
    validation: np.ndarray,
    held: np.ndarray,
    label: str,
    state: Path | None,
) -> np.ndarray:
    from ostinato.training.network import build, fit_network
    from ostinato.training.predict import run_network

    alone = settings.with_overrides(ALONE)
    fitted = fit_network(alone, labelled, source, train, validation, label=label, state=state)
    network = build(alone, fitted.source.inputs, len(labelled.task.classes))
    network.load_state_dict(dict(fitted.weights))
    logits, _ = run_network(network, fitted.source, held, labelled.task)
    return track_losses(logits, labelled.target[held], settings, labelled.task.kind)


def _estimator_losses(
    settings: Settings, labelled: LabelledTracks, x: np.ndarray, train: np.ndarray, held: np.ndarray, label: str
) -> np.ndarray:
    from ostinato.training import estimator

    seed = derive(settings.seed, label) % 2**32
    fitted = estimator.fit(
        settings.load(), x[train], labelled.target[train], seed, settings.network, labelled.task.kind
    )
    return np.array([estimator.loss(fitted, x[i : i + 1], labelled.target[i : i + 1]) for i in held])
