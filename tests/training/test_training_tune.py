"""Studies: defaults first, the same draws after a kill, storage by URL."""

import json

import optuna
import pytest

from ostinato.errors import OstinatoError, ParamsError
from ostinato.training import tune


def space(trial):
    return {
        "train": {"lr": trial.suggest_float("lr", 0.0, 1.0)},
        "network": {"width": trial.suggest_int("width", 1, 9)},
    }


def value(choice, trial):
    return (choice["train"].get("lr", 2.0) - 0.3) ** 2 + choice["network"].get("width", 0)


def searched(folder, objective=value, *, n_trials=8, seed=5, storage=None, name="study", pruner="median"):
    tune.recover(name, folder)
    study = tune.open_study(name, storage, folder, pruner)
    tune.search(study, objective, space, n_trials=n_trials, seed=seed)
    return study


def finished(study):
    return [(t.params, t.value) for t in study.trials if t.state in tune.FINISHED]


def test_the_first_trial_is_the_defaults_and_counts(tmp_path):
    study = searched(tmp_path, n_trials=1)
    worth = value(tune.DEFAULTS, None)
    trials = [{"number": 0, "params": {}, "value": worth, "state": "complete"}]
    assert tune.best(study) == {"network": {}, "train": {}, "value": worth, "n_trials": 1, "trials": trials}


def test_the_best_choice_is_that_of_the_lowest_value(tmp_path):
    study = searched(tmp_path)
    chosen = tune.best(study)
    assert chosen["value"] == min(v for _, v in finished(study))
    assert value(chosen, None) == chosen["value"]
    assert chosen["n_trials"] == 8
    assert [(t["params"], t["value"]) for t in chosen["trials"]] == finished(study)


def test_a_study_that_was_cut_off_draws_what_it_would_have_drawn(tmp_path):
    alone = searched(tmp_path / "alone")
    calls = []

    def cut(choice, trial):
        calls.append(choice)
        if len(calls) in (3, 6):
            raise KeyboardInterrupt
        return value(choice, trial)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path / "cut", cut)
    resumed = searched(tmp_path / "cut", cut)
    assert finished(resumed) == finished(alone)
    assert tune.best(resumed) == tune.best(alone)
    assert [t.state.name for t in resumed.trials].count("FAIL") == 2


def test_draws_are_not_repeated_and_depend_on_the_seed(tmp_path):
    params = [json.dumps(p) for p, _ in finished(searched(tmp_path / "a"))][1:]
    assert len(set(params)) == 7
    other = [json.dumps(p) for p, _ in finished(searched(tmp_path / "b", seed=6))][1:]
    assert not set(params) & set(other)


def test_half_a_line_and_a_lock_left_by_a_kill_do_no_harm(tmp_path):
    alone = finished(searched(tmp_path / "alone", n_trials=4))
    searched(tmp_path / "cut", n_trials=2)
    journal = tmp_path / "cut" / tune.JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "worker')
    (tmp_path / "cut" / f"{tune.JOURNAL}.lock").symlink_to(journal)
    assert finished(searched(tmp_path / "cut", n_trials=4)) == alone


def test_a_draw_that_cannot_be_trained_is_passed_over(tmp_path):
    def picky(choice, trial):
        if choice["network"].get("width", 0) > 4:
            raise OstinatoError("too wide")
        return value(choice, trial)

    study = searched(tmp_path, picky, n_trials=12)
    states = [t.state.name for t in study.trials]
    assert states.count("PRUNED") > 0
    assert len(states) == 12
    chosen = tune.best(study)
    assert chosen["network"].get("width", 0) <= 4
    refused = [t for t in chosen["trials"] if t["params"].get("width", 0) > 4]
    assert refused
    assert all((t["value"], t["state"]) == (None, "pruned") for t in refused)


def test_defaults_that_cannot_be_trained_are_an_error(tmp_path):
    def broken(choice, trial):
        raise OstinatoError("time_mel: needs 33 frames")

    with pytest.raises(OstinatoError, match=r"needs 33 frames"):
        searched(tmp_path, broken)


def test_a_study_of_pruned_trials_says_so(tmp_path):
    def hopeless(choice, trial):
        raise optuna.TrialPruned

    study = searched(tmp_path, hopeless, n_trials=3)
    with pytest.raises(OstinatoError, match=r"no trial of 3 came to its end"):
        tune.best(study)


def test_the_pruner_ends_what_is_worse_than_the_median(tmp_path):
    def reported(choice, trial):
        for epoch in range(6):
            trial.report(value(choice, trial), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value(choice, trial)

    states = {
        p: [t.state.name for t in searched(tmp_path / p, reported, n_trials=14, pruner=p).trials]
        for p in ("median", "none")
    }
    assert states["median"].count("PRUNED") > 0
    assert states["none"].count("PRUNED") == 0


def test_machines_may_share_a_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    searched(tmp_path / "one", n_trials=1, storage=url)
    study = searched(tmp_path / "two", n_trials=3, storage=url)
    assert len(finished(study)) == 3
    assert finished(study) == finished(searched(tmp_path / "alone", n_trials=3))


def test_a_machine_that_fell_silent_loses_its_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "HEARTBEAT", 1)
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    study = tune.open_study("study", url, tmp_path, "none")
    cut = study.ask()
    study._storage.record_heartbeat(cut._trial_id)
    resumed = searched(tmp_path, n_trials=1, storage=url)
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
        searched(tmp_path, storage=storage)


def test_an_unknown_pruner_is_told_the_known_ones(tmp_path):
    with pytest.raises(ParamsError, match=r"tune.pruner: 'best' is not known; there are median, hyperband, none"):
        searched(tmp_path, pruner="best")
