"""Fit one network: build, train, stop early, resume after a kill."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from torch import Tensor, nn

from ostinato.core.malloc import keep_freed
from ostinato.core.params.training import Train
from ostinato.core.task import Task
from ostinato.errors import OstinatoError, ParamsError
from ostinato.training import factory
from ostinato.training.batch_norm import BatchNormStatistics
from ostinato.training.callbacks import COLUMNS, EarlyStop, LiveLogger, Progress, ResumableCheckpoint, finite
from ostinato.training.data.batches import TrackDataModule
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Source
from ostinato.training.losses import CONTRASTS, compute_chance
from ostinato.training.module import Module
from ostinato.training.schedule import Schedule
from ostinato.training.settings import Settings, derive
from ostinato.training.transfer import load_pretrained

MIN_IMPROVEMENT = 0.02
"""Relative improvement over the loss of chance that counts as better."""
QUIET = ("pytorch_lightning", "lightning_fabric")


@dataclass(frozen=True)
class FittedNetwork:
    """Result of a fit.

    Parameters
    ----------
    weights : mapping of str to Tensor
        Weights of the best epoch.
    epochs : int
        Number of epochs until the best one.
    value : float
        Monitored value of the best epoch; lower is better.
    curve : sequence of mapping
        Losses and score after each epoch.
    statistics : mapping
        Statistics of the inputs, fitted on the training tracks.
    source : Source
        Inputs, standardised accordingly.
    limit : float
        Validation losses from this value count as chance; infinite if undefined.
    """

    weights: Mapping[str, Tensor]
    epochs: int
    value: float
    curve: Sequence[Mapping[str, float]]
    statistics: Mapping[str, Any]
    source: Source
    limit: float = inf


def build(settings: Settings, inputs: Mapping[str, Any], n_classes: int) -> nn.Module:
    """Build a candidate's network.

    Parameters
    ----------
    settings : Settings
    inputs : mapping
        Shape of each input.
    n_classes : int

    Returns
    -------
    nn.Module

    Raises
    ------
    OstinatoError
        If the network does not accept the inputs or an argument; the message names the
        candidate, its inputs and the requirement.
    """
    options = factory.options(settings.load())
    for key in settings.network:
        if key not in options:
            raise ParamsError(
                f"{settings.name}: network: {settings.plugin} has no {key!r}; it has {', '.join(options) or 'no keys'}"
            )
    shapes, kind = ", ".join(f"{name} {shape}" for name, shape in inputs.items()), Task(settings.task, ()).kind
    try:
        network: nn.Module = factory.make(settings.plugin, inputs, n_classes, settings.network, kind)
    except (OstinatoError, TypeError, ValueError) as error:
        raise OstinatoError(f"{settings.name} (inputs {shapes}): {error}") from error
    return network


def fit_network(
    settings: Settings,
    labelled: LabelledTracks,
    source: Source,
    train: np.ndarray,
    validation: np.ndarray | None,
    *,
    label: str,
    state: Path | None = None,
    log: Path | None = None,
    epochs: int | None = None,
    callbacks: Sequence[L.Callback] = (),
) -> FittedNetwork:
    """Train one network.

    Parameters
    ----------
    settings : Settings
    labelled : LabelledTracks
    source : Source
        Inputs of the tracks of `labelled`.
    train : np.ndarray
        Indices of the training tracks.
    validation : np.ndarray, optional
        Indices of the tracks for early stopping; None trains for `epochs`.
    label : str
        Name of the fit, such as ``"fold 0"``; part of its seed.
    state : Path, optional
        Folder of the checkpoint to resume from.
    log : Path, optional
        Folder for DVCLive.
    epochs : int, optional
        Instead of ``train.max_epochs``.
    callbacks : sequence of Callback

    Returns
    -------
    FittedNetwork

    Raises
    ------
    OstinatoError
        If the loss is not finite in any epoch.
    """
    keep_freed()
    options, seed = settings.train, derive(settings.seed, label)
    source = source.fit(train)
    module = _module(settings, labelled, source, train, seed)
    validation_rows = train[:0] if validation is None else validation
    data = TrackDataModule(
        source,
        labelled.target,
        labelled.track_ids,
        train,
        validation_rows,
        batch_size=options.batch_size,
        chunks_per_track=_count_chunks(settings, len(train)),
        seed=seed,
        paired=options.loss in CONTRASTS,
    )
    if not any(p.requires_grad for p in module.network.parameters()):
        return _evaluate_only(settings, module, data, source, len(validation_rows) > 0)
    limit = _find_limit(labelled, train, validation_rows, options)
    checkpoint = _run(settings, module, data, label, state, log, epochs, callbacks, limit)
    if not checkpoint.weights or not finite(checkpoint.weights):
        raise OstinatoError(f"{settings.name} {label}: the loss is not finite; lower train.lr or set train.clip_norm")
    return FittedNetwork(
        checkpoint.weights, checkpoint.epochs, checkpoint.value, checkpoint.curve, source.statistics, source, limit
    )


def _count_chunks(settings: Settings, n_tracks: int) -> int:
    """Count the chunks of a track in an epoch; for a stack a track is one example."""
    if settings.fitter == "stacked" and settings.train.chunks_per_track == "auto":
        return 1
    return settings.train.count_chunks(n_tracks)


def _find_limit(labelled: LabelledTracks, train: np.ndarray, validation: np.ndarray, options: Train) -> float:
    """Return the validation loss below which a network is better than chance."""
    kind = labelled.task.kind
    if not len(validation) or (kind == "embedding" and options.loss in CONTRASTS):
        return inf
    target = torch.from_numpy(labelled.target)
    chance = compute_chance(target[train], target[validation], kind)
    return chance - MIN_IMPROVEMENT * abs(chance)


def _module(settings: Settings, labelled: LabelledTracks, source: Source, train: np.ndarray, seed: int) -> Module:
    """Build the network with its initial weights, ready for training."""
    torch.manual_seed(seed)
    network = build(settings, source.inputs, len(labelled.task.classes))
    if settings.uncertain:
        _check_missing_inputs(settings, network, source)
    load_pretrained(network, settings.train, source, train, settings.name)
    try:
        front_end = source.make_front_end() if hasattr(source, "make_front_end") else None
        module = Module(network, labelled.task, settings.train, labelled.target, train, seed, front_end)
    except ParamsError as error:
        raise ParamsError(f"{settings.name}: {error}") from error
    if settings.train.compile:
        network.compile()
    return module


def _check_missing_inputs(settings: Settings, network: nn.Module, source: Source) -> None:
    """Refuse a head whose logits are not finite when numbers or optional members are missing."""
    row = [torch.full((1, n), torch.nan if name in settings.uncertain else 0.0) for name, n in source.inputs.items()]
    with torch.inference_mode():
        logits = network.eval()(torch.cat(row, -1))
    network.train()
    if not logits.isfinite().all():
        raise OstinatoError(
            f"{settings.name}: reads {', '.join(settings.uncertain)}, but {settings.plugin} returns NaN when "
            "one of them is missing; use a network that handles NaN, such as recommendation with network: "
            f"{{absent: [{', '.join(settings.uncertain)}]}}"
        )


def _run(
    settings: Settings,
    module: Module,
    data: TrackDataModule,
    label: str,
    state: Path | None,
    log: Path | None,
    epochs: int | None,
    callbacks: Sequence[L.Callback],
    limit: float,
) -> ResumableCheckpoint:
    """Train until the last epoch or early stopping, and return the checkpoint."""
    options, validated = settings.train, len(data.evaluation) > 0
    last = state / "last.ckpt" if state is not None else None
    checkpoint = ResumableCheckpoint(last, validated=validated)
    early_stop = EarlyStop(
        epochs=options.patience, steps=options.patience_steps, steps_per_epoch=data.training.n_batches, limit=limit
    )
    all_callbacks = [
        BatchNormStatistics(),
        *callbacks,
        *([early_stop] if validated and not options.phases else []),
        Schedule(options, checkpoint, epochs or options.max_epochs),
        Progress(f"{settings.name} {label}"),
        checkpoint,
        *([LiveLogger(log, checkpoint)] if log is not None else []),
    ]
    with quiet():
        trainer = make_trainer(options, all_callbacks, epochs, validated)
        resume = str(last) if last is not None and last.exists() else None
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    return checkpoint


def _evaluate_only(
    settings: Settings, module: Module, data: TrackDataModule, source: Source, validated: bool
) -> FittedNetwork:
    """Evaluate a network without trainable parameters."""
    metrics: Mapping[str, float] = {}
    if validated:
        with quiet():
            trainer = make_trainer(settings.train, [], 1, validated)
            trainer.validate(module, datamodule=data, verbose=False)
        metrics = {k: float(v) for k, v in trainer.callback_metrics.items()}
    curve = [{"epoch": 0, **{k: metrics[k] for k in COLUMNS if k in metrics}}] if metrics else []
    weights = {k: v.detach().cpu() for k, v in module.network.state_dict().items()}
    return FittedNetwork(weights, 0, metrics.get("monitor", float("inf")), curve, source.statistics, source)


def make_trainer(options: Train, callbacks: Sequence[L.Callback], epochs: int | None, validated: bool) -> L.Trainer:
    """Create a trainer that writes no files of its own.

    Parameters
    ----------
    options : Train
    callbacks : sequence of Callback
    epochs : int, optional
        Instead of ``train.max_epochs``.
    validated : bool
        Whether there are validation tracks.

    Returns
    -------
    Trainer
    """
    on_gpu = torch.cuda.is_available()
    precision: Any = ("bf16-mixed" if on_gpu else "32-true") if options.precision == "auto" else options.precision
    return L.Trainer(
        devices=options.devices,
        strategy=options.strategy,
        precision=precision,
        max_epochs=epochs or options.max_epochs,
        callbacks=list(callbacks),
        logger=False,
        gradient_clip_val=options.clip_norm,
        limit_val_batches=None if validated else 0,
        num_sanity_val_steps=0,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        deterministic="warn" if on_gpu else None,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's advice about loaders and loggers, except errors."""
    loggers = [logging.getLogger(name) for name in QUIET]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="(pytorch_)?lightning")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
