"""Callbacks: save the best weights and resumable checkpoints, show progress, report to a study."""

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
    """Best weights, curve and state to resume from, in one file that is replaced after each epoch.

    Parameters
    ----------
    path : Path, optional
        File to write; None: none.
    validated : bool
        Whether the best epoch is the one with the lowest ``monitor``; else it is the last.

    Attributes
    ----------
    epochs : int
        Number of epochs until the best weights.
    weights : dict of str to Tensor
    curve : list of dict
        One entry per epoch.
    """

    def __init__(self, path: Path | None, *, validated: bool) -> None:
        self.path, self.validated = path, validated
        self.epochs, self.value, self.stopped = 0, float("inf"), False
        self.weights: dict[str, Tensor] = {}
        self.curve: list[dict[str, float]] = []

    def on_save_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Remove Lightning's counters: they count the completed epoch as unfinished."""
        checkpoint.pop("loops", None)

    def on_fit_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Continue the count of epochs."""
        progress: Any = trainer.fit_loop.epoch_progress.current
        progress.ready = progress.started = progress.processed = progress.completed = len(self.curve)

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Stop at once if the run had already ended by itself."""
        trainer.should_stop = trainer.should_stop or self.stopped

    def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
        """Record the epoch, keep its weights if they are the best, and write the file."""
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
        """Return the state to save beside weights and optimiser."""
        return {k: getattr(self, k) for k in ("epochs", "value", "stopped", "weights", "curve")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state."""
        vars(self).update(state_dict)


class EarlyStop(EarlyStopping):
    """Stop when validation no longer improves, once it has been better than chance.

    Until then a network trains for all its epochs: among random guesses there is no best.

    Parameters
    ----------
    epochs, steps : int
        Patience; both must pass without improvement.
    steps_per_epoch : int
    limit : float
        Validation losses from this value count as chance.
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
    """Progress bar on stderr with the losses.

    Parameters
    ----------
    label : str
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.bar: Any = None

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Open the bar, at the epoch from which a resumed run continues."""
        self.bar = tqdm(
            desc=self.label,
            total=trainer.max_epochs,
            initial=trainer.current_epoch,
            unit="epoch",
            disable=not trainer.is_global_zero,
        )

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Count an epoch."""
        losses = {k: float(v) for k in COLUMNS if (v := trainer.callback_metrics.get(k)) is not None}
        self.bar.set_postfix(losses, refresh=False)
        self.bar.update()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Close the bar."""
        self.bar.close()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


class LiveLogger(Checkpoint):
    """Log each epoch by DVCLive, for monitoring; the curve beside the weights is authoritative.

    DVCLive's own logger for Lightning deletes checkpoints and walks the stack at
    each call; this one writes three numbers per epoch.

    Parameters
    ----------
    folder : Path
        Emptied; a resumed run writes the earlier epochs again.
    checkpoint : ResumableCheckpoint
        Runs before this callback and records the epochs.
    """

    def __init__(self, folder: Path, checkpoint: "ResumableCheckpoint") -> None:
        self.folder, self.checkpoint = folder, checkpoint
        self.live: Any = None

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Start the log, with the earlier epochs of a resumed run."""
        if not trainer.is_global_zero:
            return
        import dvclive

        self.live = dvclive.Live(str(self.folder), save_dvc_exp=False, dvcyaml=None, report=None)
        for row in self.checkpoint.curve:
            self._log(row)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Log the epoch that `checkpoint` has just recorded."""
        if self.live is not None:
            self._log(self.checkpoint.curve[-1])

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Close the log."""
        if self.live is not None:
            self.live.end()

    def _log(self, row: dict[str, float]) -> None:
        for name in COLUMNS:
            if name in row:
                self.live.log_metric(name, row[name])
        self.live.next_step()


class PruningReport(Callback):
    """Report the best loss so far to a trial, and prune it if the study's pruner decides so.

    Training keeps the best weights, so one bad epoch at a rung does not prune a trial; nor
    is a trial pruned that ends anyway.

    Parameters
    ----------
    trial : optuna.Trial
    """

    def __init__(self, trial: Any) -> None:
        self.trial, self.best = trial, float("inf")

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Report the best monitored value and the number of epochs."""
        n_epochs = trainer.current_epoch + 1
        self.best = min(self.best, float(trainer.callback_metrics["monitor"]))
        self.trial.report(self.best, n_epochs)
        over = trainer.should_stop or n_epochs >= (trainer.max_epochs or n_epochs)
        if not over and self.trial.should_prune():
            import optuna

            raise optuna.TrialPruned


def finite(values: dict[str, Tensor]) -> bool:
    """Return whether all weights are finite."""
    return all(bool(torch.isfinite(v).all()) for v in values.values())
