"""Studies: defaults first, the same draws after a kill, storage by URL."""

import errno
import json

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from ostinato.errors import OstinatoError, ParamsError
from ostinato.training import tune

EPOCHS = 8


def space(trial):
    return {
        "train": {"lr": trial.suggest_float("lr", 0.0, 1.0)},
        "network": {"width": trial.suggest_int("width", 1, 9)},
    }


def value(choice, trial):
    return (choice["train"].get("lr", 2.0) - 0.3) ** 2 + choice["network"].get("width", 0)


def run_search(folder, objective=value, *, n_trials=8, seed=5, storage=None, name="study", pruner="median", **options):
    tune.recover(name, folder)
    study = tune.open_study(name, storage, folder, pruner, EPOCHS)
    limit = options.pop("limit", tune.Limit(trials=n_trials))
    tune.search(study, objective, options.pop("space", space), limit=limit, seed=(seed, "a"), **options)
    return study


def list_finished(study):
    return [(t.params, t.value) for t in study.trials if t.state in tune.FINISHED_STATES]


def test_the_first_trial_is_the_defaults_and_counts(tmp_path):
    study = run_search(tmp_path, n_trials=1)
    worth = value(tune.DEFAULTS, None)
    trials = [{"number": 0, "params": {}, "value": worth, "epochs": 0, "state": "complete"}]
    chosen = {"choice": tune.DEFAULTS, "value": worth, "n_trials": 1, "importance": {}, "trials": trials}
    assert tune.best(study) == chosen


@pytest.mark.parametrize("n_writes", range(1, 7))
def test_a_journal_that_cannot_be_written_raises_the_systems_error(tmp_path, monkeypatch, n_writes):
    write, left = JournalFileBackend.append_logs, iter(range(n_writes))

    def append(self, logs):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", append)
    with pytest.raises(OSError, match="No space left"):
        run_search(tmp_path)


def test_the_best_choice_is_that_of_the_lowest_value(tmp_path):
    study = run_search(tmp_path)
    chosen = tune.best(study)
    assert chosen["value"] == min(v for _, v in list_finished(study))
    assert value(chosen["choice"], None) == chosen["value"]
    assert chosen["n_trials"] == 8
    assert [(t["params"], t["value"]) for t in chosen["trials"]] == list_finished(study)


def test_a_study_that_was_cut_off_draws_what_it_would_have_drawn(tmp_path):
    alone = run_search(tmp_path / "alone")
    calls = []

    def cut(choice, trial):
        calls.append(choice)
        if len(calls) in (3, 6):
            raise KeyboardInterrupt
        return value(choice, trial)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_search(tmp_path / "cut", cut)
    resumed = run_search(tmp_path / "cut", cut)
    assert list_finished(resumed) == list_finished(alone)
    assert tune.best(resumed) == tune.best(alone)
    assert [t.state.name for t in resumed.trials].count("FAIL") == 2


def test_draws_are_not_repeated_and_depend_on_the_seed(tmp_path):
    params = [json.dumps(p) for p, _ in list_finished(run_search(tmp_path / "a"))][1:]
    assert len(set(params)) == 7
    other = [json.dumps(p) for p, _ in list_finished(run_search(tmp_path / "b", seed=6))][1:]
    assert not set(params) & set(other)


def test_half_a_line_and_a_lock_left_by_a_kill_do_no_harm(tmp_path):
    alone = list_finished(run_search(tmp_path / "alone", n_trials=4))
    run_search(tmp_path / "cut", n_trials=2)
    journal = tmp_path / "cut" / tune.JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "worker')
    (tmp_path / "cut" / f"{tune.JOURNAL}.lock").symlink_to(journal)
    assert list_finished(run_search(tmp_path / "cut", n_trials=4)) == alone


def test_a_draw_that_cannot_be_trained_is_passed_over(tmp_path):
    def reject_wide(choice, trial):
        if choice["network"].get("width", 0) > 4:
            raise OstinatoError("too wide")
        return value(choice, trial)

    study = run_search(tmp_path, reject_wide, n_trials=12)
    states = [t.state.name for t in study.trials]
    assert states.count("PRUNED") > 0
    assert len(states) == 12
    chosen = tune.best(study)
    assert chosen["choice"]["network"].get("width", 0) <= 4
    refused = [t for t in chosen["trials"] if t["params"].get("width", 0) > 4]
    assert refused
    assert all((t["value"], t["state"]) == (None, "pruned") for t in refused)


def test_defaults_that_cannot_be_trained_are_an_error(tmp_path):
    def reject_all(choice, trial):
        raise OstinatoError("time_mel: needs 33 frames")

    with pytest.raises(OstinatoError, match=r"needs 33 frames"):
        run_search(tmp_path, reject_all)


def test_a_study_of_pruned_trials_says_so(tmp_path):
    def prune_all(choice, trial):
        raise optuna.TrialPruned

    study = run_search(tmp_path, prune_all, n_trials=3)
    with pytest.raises(OstinatoError, match=r"none of 3 trials was completed"):
        tune.best(study)


def test_every_pruner_ends_trials_that_do_worse(tmp_path):
    def report_values(choice, trial):
        for epoch in range(1, EPOCHS):
            trial.report(value(choice, trial), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value(choice, trial)

    states = {
        p: [t.state.name for t in run_search(tmp_path / p, report_values, n_trials=14, pruner=p).trials]
        for p in tune.PRUNERS
    }
    assert {p: "PRUNED" in found for p, found in states.items()} == {p: p != "none" for p in tune.PRUNERS}
    assert all("COMPLETE" in found for found in states.values())


def test_machines_may_share_a_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    run_search(tmp_path / "one", n_trials=1, storage=url)
    study = run_search(tmp_path / "two", n_trials=3, storage=url)
    assert len(list_finished(study)) == 3
    assert list_finished(study) == list_finished(run_search(tmp_path / "alone", n_trials=3))


def test_a_machine_that_fell_silent_loses_its_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "HEARTBEAT", 1)
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study = tune.open_study("study", url, tmp_path, "none", EPOCHS)
    cut = study.ask()
    study._storage.record_heartbeat(cut._trial_id)
    resumed = run_search(tmp_path, n_trials=1, storage=url)
    assert [t.state.name for t in resumed.trials] == ["FAIL", "COMPLETE"]
    assert resumed.trials[1].user_attrs["choice"] == tune.DEFAULTS


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("nonsense", "tune.storage: nonsense cannot be opened"),
        ("postgresql://me:secret@nowhere/db", "tune.storage: (?!.*secret)"),
    ],
)
def test_a_database_that_cannot_be_opened_is_an_error_without_the_password(tmp_path, storage, message):
    with pytest.raises(ParamsError, match=message):
        run_search(tmp_path, storage=storage)


def test_an_unknown_pruner_is_told_the_known_ones(tmp_path):
    with pytest.raises(
        ParamsError, match=r"tune.pruner: unknown pruner 'best'; choose from halving, hyperband, median, none"
    ):
        run_search(tmp_path, pruner="best")


def test_two_workers_draw_different_points_of_the_same_study(tmp_path):
    """Each at the same state: what one has drawn, the other must not draw again."""
    drawn = []
    for worker in (1, 2):
        study = run_search(tmp_path / str(worker), n_trials=9, worker=worker)
        drawn.append([tuple(params.values()) for params, _ in list_finished(study)][1:])
    assert not set(drawn[0]) & set(drawn[1])


def test_candidates_draw_different_points(tmp_path):
    """The seed of a draw holds the candidate, not the trial's number alone."""
    drawn = []
    for name in ("a", "b"):
        study = tune.open_study(name, None, tmp_path / name, "none", EPOCHS)
        tune.search(study, value, space, limit=tune.Limit(trials=3), seed=(5, name))
        drawn.append([p["lr"] for p, _ in list_finished(study)[1:]])
    assert not set(drawn[0]) & set(drawn[1])


def test_the_sampler_comes_near_the_optimum_and_learns_from_the_defaults(tmp_path):
    """Thirty trials of the sampler come nearer to a planted optimum than thirty random ones, over several seeds."""
    import optuna as library

    def compute_planted(choice, trial):
        return (choice["train"].get("lr", 1.0) - 0.3) ** 2 + (choice["train"].get("decay", 1.0) - 0.6) ** 2

    def plane(trial):
        return {"train": {name: trial.suggest_float(name, 0.0, 1.0) for name in ("lr", "decay")}}

    better = 0
    for seed in range(6):
        options = {"space": plane, "defaults": {"lr": 1.0, "decay": 1.0, "other": 3}}
        study = run_search(tmp_path / str(seed), compute_planted, n_trials=30, seed=seed, pruner="none", **options)
        assert study.trials[0].params == {"lr": 1.0, "decay": 1.0}
        rival = library.create_study(sampler=library.samplers.RandomSampler(seed=seed))
        rival.optimize(lambda trial: compute_planted(plane(trial), trial), n_trials=30)
        better += tune.best(study)["value"] < rival.best_value
    assert better >= 5


def test_defaults_outside_the_space_stand_beside_it(tmp_path):
    study = run_search(tmp_path, n_trials=3, defaults={"lr": 2.0, "width": 3})
    assert study.trials[0].params == {}
    assert study.trials[0].user_attrs["choice"] == tune.DEFAULTS


def curve(choice, trial):
    """Learn over the epochs: slow ones are the better in the end, and one has a lucky beginning."""
    final = abs(choice["train"].get("lr", 0.5) - 0.1)
    for epoch in range(1, EPOCHS + 1):
        luck = -10.0 if choice["train"].get("lr", 0) > 0.9 and epoch == 1 else 0.0
        trial.report(final + 1 / epoch + luck, epoch)
        if epoch < EPOCHS and trial.should_prune():
            raise optuna.TrialPruned
    return final


def test_a_trial_that_was_pruned_does_not_win_by_a_lucky_epoch(tmp_path):
    study = tune.open_study("study", None, tmp_path, "none", EPOCHS)
    tune.search(study, curve, space, limit=tune.Limit(trials=3), seed=(5, "a"))
    lucky = study.ask()
    lucky.suggest_float("lr", 0.0, 1.0)
    lucky.set_user_attr(tune.CHOICE, {"network": {}, "train": {"lr": 0.99}})
    lucky.report(-10.0, 1)
    study.tell(lucky, state=optuna.trial.TrialState.PRUNED)
    found = tune.best(study)
    assert found["value"] > -10.0
    assert found["trials"][-1] == {"number": 3, "params": {"lr": 0.99}, "value": -10.0, "epochs": 1, "state": "pruned"}


def test_epochs_that_pruned_trials_leave_go_to_others(tmp_path):
    """Six trainings' epochs are more than six trials, and no more epochs than six trainings and a last trial take."""
    limit = tune.Limit(trainings=6, epochs=EPOCHS)
    study = run_search(tmp_path / "shared", curve, pruner="halving", limit=limit)
    epochs = [t.last_step for t in study.trials]
    assert len(epochs) > 6
    assert 6 * EPOCHS <= sum(epochs) < 7 * EPOCHS
    assert min(epochs) == tune.first_rung(EPOCHS) == 2
    whole = run_search(tmp_path / "whole", curve, pruner="none", limit=limit)
    assert [t.last_step for t in whole.trials] == [EPOCHS] * 6


def test_importance_is_that_of_the_setting_that_matters_and_always_the_same(tmp_path):
    study = run_search(tmp_path, lambda choice, trial: choice["train"].get("lr", 0.9), n_trials=14, pruner="none")
    found = [tune.best(study)["importance"] for _ in range(2)]
    assert found[0] == found[1]
    assert found[0]["lr"] > 0.8
    assert sum(found[0].values()) == pytest.approx(1, abs=1e-3)


def test_the_defaults_are_tried_although_the_first_trial_was_cut_off(tmp_path):
    study = tune.open_study("study", None, tmp_path, "none", EPOCHS)
    study.ask()
    study.tell(0, state=optuna.trial.TrialState.FAIL)
    resumed = run_search(tmp_path, n_trials=2, pruner="none")
    assert [t.user_attrs["choice"] == tune.DEFAULTS for t in resumed.trials[1:]] == [True, False]
