"""Objective of a trial: a fit on the first fold's training tracks, scored on its validation tracks."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ostinato.errors import DataError
from ostinato.training.artefact import Fold
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Source
from ostinato.training.settings import ONE_DEVICE, Settings, derive

LABEL = "tune"


def objective(
    settings: Settings,
    labelled: LabelledTracks,
    sources: Mapping[Fold, Source],
    x: np.ndarray | None,
    max_epochs: int | None,
) -> Callable[[Mapping[str, Any], Any], float]:
    """Return the function that a study minimises; it never uses test tracks.

    Parameters
    ----------
    settings : Settings
    labelled : LabelledTracks
    sources : mapping of fold to Source
    x : np.ndarray [shape=(n_tracks, width)], optional
        Summaries of the tracks, for an estimator.
    max_epochs : int, optional
        Epochs of a trial, instead of ``train.max_epochs``.

    Returns
    -------
    callable
        Takes a choice and an Optuna trial.

    Raises
    ------
    DataError
        If there is no validation track.
    """
    fold = next(iter(labelled.folds))
    train, validation = (labelled.folds[fold][part] for part in ("train", "validation"))
    if not len(validation):
        raise DataError(
            f"{settings.name}: fold {fold} has no validation track; raise split.validation or set n_trials: 0"
        )

    def train_network(choice: Mapping[str, Any], trial: Any) -> float:
        from ostinato.training.callbacks import PruningReport
        from ostinato.training.network import fit_network

        trial_settings = settings.with_overrides(choice).with_overrides(ONE_DEVICE)
        epochs = trial_epochs(settings, max_epochs)
        fit = fit_network(
            trial_settings,
            labelled,
            sources[fold],
            train,
            validation,
            label=LABEL,
            epochs=epochs,
            callbacks=[PruningReport(trial)],
        )
        return fit.value

    def train_estimator(choice: Mapping[str, Any], trial: Any) -> float:
        from ostinato.training import estimator

        assert x is not None
        options = {**settings.network, **choice["network"]}
        seed = derive(settings.seed, LABEL) % 2**32
        fit = estimator.fit(
            settings.load(),
            x[train],
            labelled.target[train],
            seed,
            options,
            labelled.task.kind,
            labelled.groups[train],
        )
        return estimator.loss(fit, x[validation], labelled.target[validation])

    return train_network if x is None else train_estimator


def trial_epochs(settings: Settings, max_epochs: int | None) -> int:
    """Return the epochs of a full trial: `tune.max_epochs`, at most those of training."""
    return min(max_epochs or settings.train.max_epochs, settings.train.max_epochs)


def default_values(settings: Settings) -> dict[str, Any]:
    """Return the default of every setting of a candidate, in `train` and in its plugin."""
    plugin = settings.load()
    constructor = plugin.pipeline if settings.fitter == "sklearn" else plugin.Network
    parameters = inspect.signature(constructor).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {**settings.train.model_dump(), **defaults, **settings.network}
