"""Learning rate schedules: constant, cosine, plateau, or the papers' phases."""

from math import cos, inf, pi
from typing import Any

import pytorch_lightning as L
from pytorch_lightning.callbacks import Callback

from ostinato.core.params.training import Train
from ostinato.training.callbacks import ResumableCheckpoint

STATE = ("phase", "waited", "best", "share")


class Schedule(Callback):
    """Set the learning rate before each epoch.

    Each phase has its own rate and patience. After that many epochs without improvement,
    the best weights so far are restored and the next phase starts with a new optimiser
    state; after the last one training ends. Without validation the rate of the first
    phase, or of a plateau, stays constant.

    Parameters
    ----------
    options : Train
    checkpoint : ResumableCheckpoint
        Has the best weights; it records an epoch after this callback.
    epochs : int
        Maximum number of epochs.
    """

    def __init__(self, options: Train, checkpoint: ResumableCheckpoint, epochs: int) -> None:
        self.options, self.keeper, self.epochs = options, checkpoint, epochs
        self.phase, self.waited, self.best, self.share = 0, 0, inf, 1.0

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch."""
        if self.options.phases:
            return self.options.phases[self.phase].lr
        if self.options.schedule == "cosine":
            return self.options.lr * (1 + cos(pi * epoch / self.epochs)) / 2
        return self.options.lr * self.share

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Set the rate."""
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.rate(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        """Count the epochs without improvement, and change rate or phase when patience runs out."""
        value = trainer.callback_metrics.get("monitor")
        if value is None or not (self.options.phases or self.options.schedule == "plateau"):
            return
        if float(value) < self.best:
            self.best, self.waited = float(value), 0
            return
        self.waited += 1
        if self.options.phases:
            self._end_phase(trainer, module)
        elif self.waited >= self.options.lr_patience:
            self.share, self.waited = self.share * self.options.lr_factor, 0

    def _end_phase(self, trainer: L.Trainer, module: Any) -> None:
        if self.waited < self.options.phases[self.phase].patience:
            return
        if self.phase + 1 == len(self.options.phases):
            trainer.should_stop = True
            return
        self.phase, self.waited = self.phase + 1, 0
        module.network.load_state_dict(self.keeper.weights)
        for optimizer in trainer.optimizers:
            optimizer.state.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a resumed run."""
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state."""
        vars(self).update(state_dict)
