"""The learning rate from epoch to epoch: constant, a cosine, less where nothing improves, or the papers' phases."""

from math import cos, inf, pi
from typing import Any

import pytorch_lightning as L
from pytorch_lightning.callbacks import Callback

from ostinato.core.params.training import Train
from ostinato.training.callbacks import ResumableCheckpoint

STATE = ("phase", "waited", "best", "share")


class Schedule(Callback):
    """Set the learning rate before each epoch.

    In phases each has a rate and a patience of its own. When nothing has improved
    for so many epochs, the best weights so far come back and the next phase
    begins with a fresh optimiser; after the last one training ends. Without
    validation the first phase's rate holds, and so does that of a plateau.

    Parameters
    ----------
    options : Train
    keeper : ResumableCheckpoint
        Knows the best weights; it notes an epoch after this callback.
    epochs : int
        The most there can be.
    """

    def __init__(self, options: Train, keeper: ResumableCheckpoint, epochs: int) -> None:
        self.options, self.keeper, self.epochs = options, keeper, epochs
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
        """Count the epochs without improvement, and act when there were enough."""
        monitored = trainer.callback_metrics.get("monitor")
        if monitored is None or not (self.options.phases or self.options.schedule == "plateau"):
            return
        if float(monitored) < self.best:
            self.best, self.waited = float(monitored), 0
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
        """Return what a resumed run needs."""
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        vars(self).update(state_dict)
