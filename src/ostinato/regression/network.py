"""A small network: one hidden layer, with Huber's loss, trained by Lightning."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as L
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from ostinato.regression.loss import DELTA, Choice, Sample, choose


@dataclass(frozen=True)
class FittedNetwork:
    """A fitted network.

    Parameters
    ----------
    layers : nn.Sequential
        From standardised inputs to the standardised number.
    mean, deviation : np.ndarray [shape=(width,), dtype=float32]
        Of the inputs.
    centre, scale : float
        Mean and standard deviation of the number over the training tracks.
    """

    layers: nn.Sequential
    mean: np.ndarray
    deviation: np.ndarray
    centre: float
    scale: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict the number of tracks, (n_tracks,), from their inputs, (n_tracks, width)."""
        self.layers.eval()
        with torch.no_grad():
            out = self.layers(torch.from_numpy(((x - self.mean) / self.deviation).astype(np.float32)))
        return out[:, 0].numpy().astype(np.float64) * self.scale + self.centre


class Network(BaseModel, frozen=True, extra="forbid"):
    """A network with one hidden layer; the number of epochs is chosen on the validation tracks.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer.
    dropout : float
        Share of the hidden units left out of a step.
    lr, weight_decay : float
        Of AdamW.
    batch_size, max_epochs : int
    patience : int
        Epochs without a lower validation loss before training stops.
    """

    hidden: int = 64
    dropout: float = 0.2
    lr: float = 1e-3
    weight_decay: float = 1e-2
    batch_size: int = 128
    max_epochs: int = 100
    patience: int = 10

    def choose(self, train: Sample, validation: Sample, seed: int) -> Choice:
        """Choose the number of epochs with the lowest loss on the validation tracks; 0 predicts the mean.

        Parameters
        ----------
        train, validation : Sample
        seed : int
        """
        stop = _Stop(self.patience, *validation)
        self._train(*train, seed, self.max_epochs, stop)
        return stop.choose()

    def fit(self, x: np.ndarray, y: np.ndarray, seed: int, setting: int) -> FittedNetwork:
        """Train for a given number of epochs."""
        return self._train(x, y, seed, setting)

    def _train(
        self, x: np.ndarray, y: np.ndarray, seed: int, epochs: int, stop: "_Stop | None" = None
    ) -> FittedNetwork:
        mean, deviation = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        deviation = np.where(deviation > 0, deviation, 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = nn.Sequential(
                nn.Linear(x.shape[1], self.hidden), nn.ReLU(), nn.Dropout(self.dropout), nn.Linear(self.hidden, 1)
            )
            for values in layers[3].parameters():
                nn.init.zeros_(values)  # the mean is predicted until an epoch improves on it
            fitted = FittedNetwork(
                layers, mean.astype(np.float32), deviation.astype(np.float32), float(y.mean()), float(y.std()) or 1.0
            )
            standard = torch.from_numpy(((x - fitted.mean) / fitted.deviation).astype(np.float32))
            numbers = torch.from_numpy(((y - fitted.centre) / fitted.scale).astype(np.float32))
            data = TensorDataset(standard, numbers)
            batches = BatchSampler(RandomSampler(data), self.batch_size, drop_last=False)
            module = _Module(fitted, self, stop)
            if epochs:
                with _quiet():
                    _make_trainer(epochs, stop).fit(module, DataLoader(data, sampler=batches, batch_size=None))
        return fitted


class _Module(L.LightningModule):
    """Training step and optimiser."""

    def __init__(self, fitted: FittedNetwork, settings: Network, stop: "_Stop | None") -> None:
        super().__init__()
        self.layers, self.fitted, self.settings = fitted.layers, fitted, settings
        if stop is not None:
            stop.validate(fitted)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Compute Huber's loss of a batch."""
        return F.huber_loss(self.layers(batch[0])[:, 0], batch[1], delta=DELTA)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimiser."""
        settings = self.settings
        return torch.optim.AdamW(self.layers.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)


class _Stop(L.Callback):
    """Predictions of the validation tracks after each epoch, the first before any; stops by patience."""

    def __init__(self, patience: int, x: np.ndarray, y: np.ndarray) -> None:
        self.patience, self.x, self.y = patience, x, y
        self.preds: dict[float, np.ndarray] = {}
        self.scale = 1.0

    def validate(self, fitted: FittedNetwork) -> None:
        """Predict the validation tracks."""
        self.preds[len(self.preds)] = fitted.predict(self.x)
        self.scale = fitted.scale
        fitted.layers.train()

    def choose(self) -> Choice:
        """Choose the number of epochs with the lowest loss; 0 predicts the mean."""
        return choose(self.preds, self.y, self.scale)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: "_Module") -> None:  # type: ignore[override]
        """Validate, and stop if the best epoch is too long ago."""
        self.validate(pl_module.fitted)
        trainer.should_stop = len(self.preds) - 1 - self.choose().setting >= self.patience


def _make_trainer(epochs: int, stop: _Stop | None) -> L.Trainer:
    return L.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        callbacks=[] if stop is None else [stop],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advice about loaders and devices, except errors."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)
