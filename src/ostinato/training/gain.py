"""Gain of a study's choice over the defaults, on tracks that the study did not use.

A study chooses by the validation tracks. Here the training tracks are split by group:
defaults and choice are both trained on all parts but one, stopped by the validation
tracks, and compared on the held-out part, for each part in turn.
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
from ostinato.training.settings import ONE_DEVICE, Settings, derive

LEVEL = 0.95
LABEL = "judge"


@dataclass(frozen=True)
class Gain:
    """Average decrease of a track's loss.

    Parameters
    ----------
    mean : float
        Above 0 if the choice is better than the defaults.
    low, high : float
        Confidence interval at `LEVEL`, over groups.
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
        Number of parts of the training tracks.
    state : Path, optional
        Folder of checkpoints to resume from.

    Returns
    -------
    Gain
    """
    fold = next(iter(labelled.folds))
    train = labelled.folds[fold]["train"]
    differences = np.zeros(len(train))
    for number, test in enumerate(inner_parts(labelled, train, folds, derive(settings.seed, LABEL))):
        rest, label = np.setdiff1d(train, train[test]), f"{LABEL} {number}"
        default_losses, choice_losses = (
            compute_losses(
                candidate,
                labelled,
                sources.get(fold),
                x,
                rest,
                train[test],
                label=label,
                state=None if state is None else state / f"{name}{number}",
            )
            for name, candidate in (("defaults", settings), ("choice", settings.with_overrides(choice)))
        )
        differences[test] = default_losses - choice_losses
    return estimate_gain(differences, labelled.groups[train])


def compute_losses(
    settings: Settings,
    labelled: LabelledTracks,
    source: Source | None,
    x: np.ndarray | None,
    train: np.ndarray,
    test: np.ndarray,
    *,
    label: str,
    state: Path | None = None,
) -> np.ndarray:
    """Fit a candidate, stopped by the first fold's validation tracks, and compute the loss of held-out tracks.

    Parameters
    ----------
    settings : Settings
    labelled : LabelledTracks
    source : Source, optional
        Inputs of the tracks, for a network.
    x : np.ndarray [shape=(n_tracks, width)], optional
        Summaries of the tracks, for an estimator.
    train, test : np.ndarray
        Indices of the training and of the held-out tracks.
    label : str
        Part of the fit's seed.
    state : Path, optional
        Folder of checkpoints to resume from.

    Returns
    -------
    np.ndarray [shape=(n_held,), dtype=float64]
    """
    if x is not None:
        return _estimator_losses(settings, labelled, x, train, test, label)
    assert source is not None
    validation = next(iter(labelled.folds.values()))["validation"]
    return _network_losses(settings, labelled, source, train, validation, test, label, state)


def estimate_gain(differences: np.ndarray, groups: np.ndarray) -> Gain:
    """Estimate a mean over tracks with independent groups, by Student's t over the groups.

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
    margin = float(t.ppf((1 + LEVEL) / 2, n_groups - 1) * error)
    return Gain(mean, mean - margin, mean + margin, len(differences), n_groups)


def track_losses(logits: np.ndarray, target: np.ndarray, settings: Settings, kind: str) -> np.ndarray:
    """Compute the loss of each track, as monitored by `train.monitor`.

    Parameters
    ----------
    logits, target : np.ndarray [shape=(n_tracks, n_classes)]
    settings : Settings
        With `monitor` ``val_score``, the loss of a single label is 1 if wrong and 0 if right.
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
    test: np.ndarray,
    label: str,
    state: Path | None,
) -> np.ndarray:
    from ostinato.training.network import build, fit_network
    from ostinato.training.predict import run_network

    options = settings.with_overrides(ONE_DEVICE)
    fit = fit_network(options, labelled, source, train, validation, label=label, state=state)
    network = build(options, fit.source.inputs, len(labelled.task.classes))
    network.load_state_dict(dict(fit.weights))
    logits, _ = run_network(network, fit.source, test, labelled.task)
    return track_losses(logits, labelled.target[test], settings, labelled.task.kind)


def _estimator_losses(
    settings: Settings, labelled: LabelledTracks, x: np.ndarray, train: np.ndarray, test: np.ndarray, label: str
) -> np.ndarray:
    from ostinato.training import estimator

    seed = derive(settings.seed, label) % 2**32
    model = estimator.fit(settings.load(), x[train], labelled.target[train], seed, settings.network, labelled.task.kind)
    return np.array([estimator.loss(model, x[i : i + 1], labelled.target[i : i + 1]) for i in test])
