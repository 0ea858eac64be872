"""What a trial hears of its training, and when it may be ended."""

from types import SimpleNamespace

import optuna
import pytest

from ostinato.training.callbacks import PruningReport


class Trial:
    """A trial whose study would end it at once."""

    def __init__(self):
        self.reports = []

    def report(self, value, step):
        self.reports.append((step, value))

    def should_prune(self):
        return True


def trainer(epoch, value, *, should_stop=False):
    return SimpleNamespace(
        current_epoch=epoch, max_epochs=4, should_stop=should_stop, callback_metrics={"monitor": value}
    )


def test_the_best_epoch_so_far_is_reported_by_the_number_of_epochs():
    trial = Trial()
    trial.should_prune = lambda: False
    report = PruningReport(trial)
    for epoch, value in enumerate((3.0, 1.0, 2.0, 0.5)):
        report.on_train_epoch_end(trainer(epoch, value), None)
    assert trial.reports == [(1, 3.0), (2, 1.0), (3, 1.0), (4, 0.5)]


def test_a_trial_is_ended_before_its_last_epoch_only():
    """What has run to its end, by its epochs or by early stopping, is a whole trial and may win."""
    with pytest.raises(optuna.TrialPruned):
        PruningReport(Trial()).on_train_epoch_end(trainer(1, 1.0), None)
    PruningReport(Trial()).on_train_epoch_end(trainer(3, 1.0), None)
    PruningReport(Trial()).on_train_epoch_end(trainer(1, 1.0, should_stop=True), None)
