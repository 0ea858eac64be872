"""Fit a candidate on its tracks, and write an artefact in the same form for all fitters."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning.utilities import rank_zero_only

from ostinato.core.counts import format_count
from ostinato.core.inputs import Input
from ostinato.io.files import atomic_write
from ostinato.training.artefact import (
    Artefact,
    Fold,
    empty,
    onnx_file,
    save,
    save_reference,
    save_weights,
    weights_file,
)
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Source
from ostinato.training.network import FittedNetwork, build, fit_network
from ostinato.training.settings import Settings, derive

MIN_FALL = 0.1
"""Minimum decrease of a training loss, as a share of its first epoch's, to count as fallen."""

logger = logging.getLogger(__name__)


def fit(
    settings: Settings,
    labelled: LabelledTracks,
    sources: Mapping[Fold, Source],
    inputs: Mapping[str, Input],
    folder: Path,
    *,
    state: Path | None = None,
    log: Path | None = None,
) -> Artefact:
    """Fit a network on every fold, then the one to export, and write the artefact.

    With several runs each fold is fitted from several seeds; the best run on validation
    counts, the others show the variation by chance.

    Parameters
    ----------
    settings : Settings
    labelled : LabelledTracks
    sources : mapping of fold to Source
        Inputs of the tracks, per fold and for the final fit on all tracks; they differ
        for stacks only.
    inputs : mapping of str to Input
        Descriptions of the inputs, for the artefact.
    folder : Path
        Folder of the artefact; replaced if it exists.
    state : Path, optional
        Folder of checkpoints to resume from.
    log : Path, optional
        Folder for DVCLive.

    Returns
    -------
    Artefact
    """
    runs = _fit_all(settings, labelled, sources, state, log)
    fits = {fold: _best(fits_of_fold) for fold, fits_of_fold in runs.items()}
    for fold, fitted in fits.items():
        if message := explain_chance(fitted):
            logger.warning("%s fold %s: %s", settings.name, fold, message)
    network = build(settings, sources["final"].inputs, len(labelled.task.classes))
    artefact = describe(
        settings,
        labelled,
        inputs,
        statistics={str(k): f.statistics for k, f in fits.items() if f.statistics},
        epochs={str(k): f.epochs for k, f in fits.items()},
        n_parameters=sum(p.numel() for p in network.parameters()),
        runs=settings.train.runs,
        numbers=tuple((name, sources["final"].inputs[name]) for name in settings.numbers),
        optional=settings.optional,
    )
    if not is_first():
        return artefact
    empty(folder)
    for fold, fitted in fits.items():
        save_weights(weights_file(folder, fold), fitted.weights)
        for run, repeat in enumerate(runs[fold] if len(runs[fold]) > 1 and fold != "final" else ()):
            save_weights(weights_file(folder, fold, run), repeat.weights)
    _write_curves(folder / "curves.csv", fits)
    save(folder, artefact)
    return artefact


def explain_chance(fitted: FittedNetwork) -> str | None:
    """Explain why the validation of a network never left chance, and what to try.

    Parameters
    ----------
    fitted : FittedNetwork

    Returns
    -------
    str, optional
        None if it left chance or was not validated.
    """
    losses = [row["val_loss"] for row in fitted.curve if "val_loss" in row]
    if not losses or min(losses) < fitted.limit:
        return None
    first, last = (fitted.curve[i].get("train_loss", 0.0) for i in (0, -1))
    state = f"validation is at chance in each of {format_count(len(losses), 'epoch')} (loss at best {min(losses):.3f})"
    if first - last > MIN_FALL * abs(first):
        return (
            f"{state} while the training loss fell from {first:.3f} to {last:.3f}: it does not generalise to other "
            "tracks; try another feature or a smaller network, train: {spec_augment: true}, or more tracks"
        )
    return f"{state}, and the training loss did not fall ({first:.3f} to {last:.3f}); try another train.lr, max_epochs"


def is_first() -> bool:
    """Return whether this process writes the files, when several devices train together."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def _fit_all(
    settings: Settings, labelled: LabelledTracks, sources: Mapping[Fold, Source], state: Path | None, log: Path | None
) -> dict[Fold, list[FittedNetwork]]:
    def fit_one(
        fold: Fold, run: int, train: np.ndarray, validation: np.ndarray | None, epochs: int | None = None
    ) -> FittedNetwork:
        label = (fold if fold == "final" else f"fold {fold}") + (f" run {run}" if run else "")
        folders = [None if folder is None else folder / label.replace(" ", "") for folder in (state, log)]
        return fit_network(
            settings,
            labelled,
            sources[fold],
            train,
            validation,
            label=label,
            state=folders[0],
            log=folders[1],
            epochs=epochs,
        )

    fits: dict[Fold, list[FittedNetwork]] = {
        fold: [fit_one(fold, run, parts["train"], parts["validation"]) for run in range(settings.train.runs)]
        for fold, parts in labelled.folds.items()
    }
    if len(fits) == 1:
        return {**fits, "final": next(iter(fits.values()))}
    epochs = int(np.median([_best(fits_of_fold).epochs for fits_of_fold in fits.values()]))
    fits["final"] = [fit_one("final", 0, np.arange(len(labelled.track_ids)), None, epochs)]
    return fits


def _best(runs: Sequence[FittedNetwork]) -> FittedNetwork:
    """Return the run with the lowest monitored value; of equals, the first."""
    return min(runs, key=lambda fitted: fitted.value)


def fit_estimator(
    settings: Settings, labelled: LabelledTracks, x: np.ndarray, inputs: Mapping[str, Input], folder: Path
) -> Artefact:
    """Fit a scikit-learn pipeline on every fold, then on all tracks, and write the artefact.

    It has no early stopping, so it is fitted on the validation tracks as well; only test
    tracks are unseen.

    Parameters
    ----------
    settings : Settings
    labelled : LabelledTracks
    x : np.ndarray [shape=(n_tracks, width), dtype=float32]
        Summaries of the tracks.
    inputs : mapping of str to Input
    folder : Path
        Folder of the artefact; replaced if it exists.

    Returns
    -------
    Artefact
    """
    from ostinato.training import estimator

    rows_by_fold: dict[Fold, np.ndarray] = {
        fold: np.sort(np.concatenate([parts["train"], parts["validation"]])) for fold, parts in labelled.folds.items()
    }
    rows_by_fold["final"] = next(iter(rows_by_fold.values())) if len(rows_by_fold) == 1 else np.arange(len(x))
    empty(folder)
    seed, task = derive(settings.seed, "estimator") % 2**32, labelled.task
    fits: dict[bytes, estimator.FittedEstimator] = {}
    for fold, rows in rows_by_fold.items():
        fitted = fits.get(rows.tobytes())
        if fitted is None:
            fitted = estimator.fit(
                settings.load(),
                x[rows],
                labelled.target[rows],
                seed,
                settings.network,
                task.kind,
                labelled.groups[rows],
            )
            fits[rows.tobytes()] = fitted
        with atomic_write(onnx_file(folder, fold)) as partial:
            partial.write_bytes(estimator.to_onnx(fitted, x.shape[1], task.kind, len(task.classes)))
        if fold == "final":
            save_reference(folder, x[rows], fitted.scores)
    artefact = describe(settings, labelled, inputs)
    save(folder, artefact)
    return artefact


def describe(settings: Settings, labelled: LabelledTracks, inputs: Mapping[str, Input], **fields: Any) -> Artefact:
    """Return the artefact of a fit."""
    return Artefact(
        name=settings.name,
        fitter=settings.fitter,
        architecture=settings.plugin,
        task=settings.task,
        classes=labelled.task.classes,
        inputs=dict(inputs),
        reads=tuple(inputs),
        network=dict(settings.network),
        members=settings.members,
        folds=tuple(labelled.folds),
        **fields,
    )


def _write_curves(file: Path, fits: Mapping[Fold, FittedNetwork]) -> None:
    rows: Sequence[Mapping[str, Any]] = [
        {"fold": fold, **row}
        for fold, fitted in fits.items()
        if fold != "final" or len(fits) > 2
        for row in fitted.curve
    ]
    table = pd.DataFrame(rows, columns=["fold", "epoch", "train_loss", "val_loss", "val_score"])
    with atomic_write(file) as partial:
        table.to_csv(partial, index=False, float_format="%.6f")
