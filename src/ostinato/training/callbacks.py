"""Callbacks: keep the best weights and the point to go on from, show progress, report to a study."""

import os
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import pytorch_lightning as L
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint, EarlyStopping
from torch import Tensor
from tqdm import tqdm

COLUMNS = ("train_loss", "val_loss", "val_score")


class ResumableCheckpoint(Checkpoint):
    """Best weights, the curve, and all that a resumed run needs, in one file that is replaced after each epoch.

    Parameters
    ----------
    path : Path, optional
        The file; None keeps nothing on disk.
    validated : bool
        Whether the best epoch is that of the lowest ``monitor``; else it is the last.

    Attributes
    ----------
    epochs : int
        How many epochs led to the best weights.
    weights : dict of str to Tensor
    curve : list of dict
        One entry an epoch.
    """

    def __init__(self, path: Path | None, *, validated: bool) -> None:
        self.path, self.validated = path, validated
        self.epochs, self.value, self.stopped = 0, float("inf"), False
        self.weights: dict[str, Tensor] = {}
        self.curve: list[dict[str, float]] = []

    def on_save_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Leave out Lightning's counters: they call the epoch that has just ended unfinished."""
        checkpoint.pop("loops", None)

    def on_fit_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Count on from the epochs that are done."""
        progress: Any = trainer.fit_loop.epoch_progress.current
        progress.ready = progress.started = progress.processed = progress.completed = len(self.curve)

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Do not go on where the run had stopped by itself."""
        trainer.should_stop = trainer.should_stop or self.stopped

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        """Note the epoch, keep its weights if they are the best, and write the file."""
        logged = {k: float(v) for k, v in trainer.callback_metrics.items()}
        self.curve.append({"epoch": trainer.current_epoch, **{k: logged[k] for k in COLUMNS if k in logged}})
        value = logged["monitor"] if self.validated else -float(trainer.current_epoch)
        if value < self.value:
            self.value, self.epochs = value, trainer.current_epoch + 1
            self.weights = {k: v.detach().cpu().clone() for k, v in module.network.state_dict().items()}
        self.stopped = trainer.should_stop
        if self.path is not None:
            partial = self.path.with_suffix(".partial")
            trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                os.replace(partial, self.path)

    def state_dict(self) -> dict[str, Any]:
        """Return what the file keeps beside weights and optimiser."""
        return {k: getattr(self, k) for k in ("epochs", "value", "stopped", "weights", "curve")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        vars(self).update(state_dict)


class EarlyStop(EarlyStopping):
    """Stop where validation no longer improves, once it has been better than chance.

    A network that has learned nothing yet is given all its epochs: between one guess
    and another there is no best.

    Parameters
    ----------
    epochs, steps : int
        Both without improvement.
    steps_per_epoch : int
    limit : float
        A validation loss from here on is chance.
    """

    def __init__(self, *, epochs: int, steps: int, steps_per_epoch: int, limit: float) -> None:
        super().__init__("monitor", patience=max(epochs, ceil(steps / steps_per_epoch)), check_finite=True)
        self.limit = limit

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count an epoch."""
        loss = float(trainer.callback_metrics["val_loss"])
        if isfinite(float(self.best_score)) or not isfinite(loss) or loss < self.limit:
            super().on_train_epoch_end(trainer, pl_module)


class Progress(Callback):
    """One line on stderr: epochs done, losses.

    Parameters
    ----------
    label : str
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.bar: Any = None

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Open the line, at the epoch a resumed run goes on from."""
        hidden = not trainer.is_global_zero
        self.bar = tqdm(
            desc=self.label, total=trainer.max_epochs, initial=trainer.current_epoch, unit="epoch", disable=hidden
        )

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Count an epoch."""
        shown = {k: float(v) for k in COLUMNS if (v := trainer.callback_metrics.get(k)) is not None}
        self.bar.set_postfix(shown, refresh=False)
        self.bar.update()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Close the line."""
        self.bar.close()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        """Close the line."""
        if self.bar is not None:
            self.bar.close()


class LiveLogger(Checkpoint):
    """Log each epoch by DVCLive, for those who watch; what counts is the curve beside the weights.

    DVCLive's own logger for Lightning deletes checkpoints and walks the stack at
    each call; this one writes three numbers an epoch.

    Parameters
    ----------
    folder : Path
        Emptied; a resumed run writes the epochs that are done again.
    keeper : ResumableCheckpoint
        Stands before this one, and notes the epochs.
    """

    def __init__(self, folder: Path, keeper: "ResumableCheckpoint") -> None:
        self.folder, self.keeper = folder, keeper
        self.live: Any = None

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Begin, with the epochs that a resumed run has behind it."""
        if not trainer.is_global_zero:
            return
        import dvclive

        self.live = dvclive.Live(str(self.folder), save_dvc_exp=False, dvcyaml=None, report=None)
        for row in self.keeper.curve:
            self._log(row)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Log the epoch that the keeper has just noted."""
        if self.live is not None:
            self._log(self.keeper.curve[-1])

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """End."""
        if self.live is not None:
            self.live.end()

    def _log(self, row: dict[str, float]) -> None:
        for name in COLUMNS:
            if name in row:
                self.live.log_metric(name, row[name])
        self.live.next_step()


class PruningReport(Callback):
    """Report the loss of the best epoch so far to a trial, and end it where the study's pruner says so.

    The best weights are what a training keeps, so one bad epoch at a rung does not
    end a trial; nor is one ended that would end by itself.

    Parameters
    ----------
    trial : optuna.Trial
    """

    def __init__(self, trial: Any) -> None:
        self.trial, self.best = trial, float("inf")

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Report what is monitored, by the number of epochs that are over."""
        n_epochs = trainer.current_epoch + 1
        self.best = min(self.best, float(trainer.callback_metrics["monitor"]))
        self.trial.report(self.best, n_epochs)
        over = trainer.should_stop or n_epochs >= (trainer.max_epochs or n_epochs)
        if not over and self.trial.should_prune():
            import optuna

            raise optuna.TrialPruned


def finite(values: dict[str, Tensor]) -> bool:
    """Return whether all weights are numbers."""
    return all(bool(torch.isfinite(v).all()) for v in values.values())
