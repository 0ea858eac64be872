"""The plan: bytes as the cache will take, and no run that cannot fit."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from ostinato import plan, tables
from ostinato.contract.task import COLUMNS
from ostinato.errors import DataError, OstinatoError
from ostinato.params import Artists, Candidate, Compute, Dataset, Features, Ingest, Splitting, Train, Tune
from ostinato.paths import Paths
from ostinato.stages import featurize, ingest

RATE = 22_050


@pytest.fixture
def paths(tmp_path, rng):
    """Make a project of six clips of different length."""
    for i in range(6):
        path = tmp_path / "data/raw/folder" / "ab"[i % 2] / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.uniform(-0.5, 0.5, int((1 + 0.2 * i) * RATE)), RATE)
    return Paths(tmp_path)


def params(**kinds):
    return SimpleNamespace(
        seed=1,
        compute=Compute(workers=1),
        dataset=Dataset(name="folder"),
        ingest=Ingest(),
        split=Splitting(),
        features=Features(kinds=kinds or {"mel": {}, "mfcc": {}}),
        train=Train(),
        tune=Tune(n_trials=2, max_epochs=3),
        artists=Artists(dimension=8),
        **{section: {} for section in ("candidates", "estimators", "stacked", "members", "numbers")},
    )


def test_the_cache_takes_what_was_estimated(paths):
    before = plan.estimate(paths, params())
    ingest.run(paths, params())
    tables.write(paths.quarantine, pd.DataFrame(columns=tables.QUARANTINE.names), tables.QUARANTINE)
    featurize.run(paths, params())
    after = plan.estimate(paths, params())
    assert after.n_tracks == before.n_tracks == 6
    assert after.seconds == pytest.approx(sum(1 + 0.2 * i for i in range(6)), rel=1e-4)
    assert before.seconds == pytest.approx(after.seconds, rel=0.1)
    for kind in ("mel", "mfcc"):
        written = sum(path.stat().st_size for path in paths.feature(kind).glob("shard-*.npy"))
        assert after.cache[kind] == pytest.approx(written, rel=0.05)
    assert set(after.stages) == {"ingest", "featurize"}
    assert all(seconds > 0 for seconds in after.stages.values())


def test_a_run_that_cannot_fit_is_refused_and_says_what_to_drop(paths, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000))
    with pytest.raises(OstinatoError, match=r"100\.0 kB are free.*mel is the largest"):
        plan.command(paths, params())
    shown = capsys.readouterr().out
    assert "tracks                                6" in shown
    assert "cache mel" in shown


def test_a_run_that_fits_is_let_go(paths, capsys):
    plan.command(paths, params(mfcc={}))
    assert "cache mfcc" in capsys.readouterr().out


def test_broken_clips_are_passed_over_unless_all_are(tmp_path, rng):
    soundfile.write(tmp_path / "a.wav", rng.uniform(-0.5, 0.5, RATE), RATE)
    (tmp_path / "b.wav").touch()
    cost = plan.sample(tmp_path, ["b.wav", "a.wav"], {"flat": lambda context: np.zeros((10, 4))})
    assert (cost.n_clips, cost.seconds) == (1, 1.0)
    assert cost.bytes("flat") == 80
    with pytest.raises(DataError, match=r"none of 1 clips.*b\.wav"):
        plan.sample(tmp_path, ["b.wav"], {})


def test_epochs_count_trials_folds_and_the_last_fit():
    candidate = Candidate(architecture="time", feature="mel", task="genre")
    given = SimpleNamespace(tune=Tune(n_trials=4, max_epochs=3), train=Train(max_epochs=10), split=Splitting(folds=5))
    assert plan.epochs(candidate, {"trials": 4}, given) == (0, 60)  # several folds are not searched
    own = candidate.model_copy(update={"n_trials": 1, "train": {"max_epochs": 2}})
    given.split = Splitting(folds=0)
    assert plan.epochs(own, {"trials": 1}, given) == (2 + 8, 2)  # twice two thirds on each of three parts
    assert plan.epochs(own, {"trainings": 1.5}, given) == (3 + 8, 2)
    assert plan.epochs(own, {"minutes": 2.0}, given) == (8, 2)
    assert plan.epochs(own, {"trials": 0}, given) == (0, 2)


def test_training_is_timed_on_a_batch_of_the_shape_it_will_have(monkeypatch):
    shapes = []

    class Network(torch.nn.Linear):
        def __init__(self, inputs, n_classes, *, width):
            super().__init__(width, n_classes)
            self.inputs = inputs

        def forward(self, x):
            shapes.append((self.inputs, tuple(x.shape)))
            return super().forward(x)

    monkeypatch.setattr(plan.registry, "load", lambda package, name: SimpleNamespace(Network=Network))
    candidate = Candidate(
        architecture="any", feature="mel", task="genre", network={"width": 33}, train={"batch_size": 7}
    )
    cost = plan.Cost(1, 1.0, 0.0, 0.0, {}, {"mel": 20.0}, {"mel": 40})
    assert plan.step_seconds(candidate, cost, 3, Train(chunk_frames=33), 1) > 0
    assert set(map(str, shapes)) == {str(({"mel": (1, 40, 33)}, (7, 1, 40, 33)))}


def test_a_front_end_costs_what_the_feature_of_its_batch_costs(monkeypatch):
    monkeypatch.setattr(plan.registry, "load", lambda *_: SimpleNamespace(Network=lambda *_: torch.nn.Linear(50, 3)))
    monkeypatch.setattr(plan, "_timed", lambda *_: (None, 1.0))
    cost = plan.Cost(1, 1.0, 0.0, 0.0, {"mel": 0.5}, {"mel": 25.0}, {"mel": 40})
    seconds = [
        plan.step_seconds(
            Candidate(architecture="any", feature="mel", task="genre", train={"batch_size": 4, "front_end": front_end}),
            cost, 3, Train(chunk_frames=50), 1,
        )
        for front_end in ("cache", "waveform")
    ]  # fmt: skip
    assert seconds == [1.0, 1.0 + 4 * 2.0 * 0.5]


def test_a_candidate_whose_task_the_dataset_lacks_costs_nothing(paths, monkeypatch):
    monkeypatch.setattr(plan, "step_seconds", lambda *arguments: 2.0)
    given = params(mfcc={})
    given.candidates = {t: Candidate(architecture="any", feature="mfcc", task=t) for t in COLUMNS}
    estimated = plan.estimate(paths, given)
    assert set(estimated.stages) == {"ingest", "featurize", "tune genre", "train genre"}
    n_steps = -(-6 * Train().count_chunks(6) // Train().batch_size)
    assert estimated.stages["train genre"] == 2.0 * n_steps * Train().max_epochs
    assert estimated.untold == {t: f"the dataset has no {t}" for t in ("tags", "artist_embedding")}
    assert "tags is not counted: the dataset has no tags" in estimated.table()


def test_a_dataset_without_audio_has_a_plan_too(tmp_path):
    (tmp_path / "table.csv").write_text("genre,track_id,energy,tempo\n" + "rock,a,1,90\njazz,b,0,80\n")
    given = params()
    given.dataset = Dataset(name="spotify_attributes", path=str(tmp_path), table="table.csv")
    given.candidates = {"time_mel": Candidate(architecture="time", feature="mel", task="genre")}
    estimated = plan.estimate(Paths(tmp_path), given)
    assert (estimated.n_tracks, estimated.seconds, estimated.cache) == (2, 0, {})
    assert estimated.stages == {"ingest": 0, "featurize": 0}
    assert estimated.untold == {"time_mel": "the dataset has no audio"}
    estimated.check()


def test_only_what_would_run_is_counted(paths, monkeypatch):
    monkeypatch.setattr(plan, "step_seconds", lambda *arguments: 2.0)
    given = params(mfcc={})
    given.candidates = {n: Candidate(architecture="any", feature="mfcc", task="genre") for n in ("a", "b")}
    given.candidates["c"] = Candidate(architecture="any", feature="lyrics", task="genre")
    estimated = plan.estimate(paths, given, ["train@b", "evaluate@b"])
    assert set(estimated.stages) == {"train b"}
    assert (estimated.cache, estimated.untold) == ({}, {})
    estimated = plan.estimate(paths, given, ["featurize", "tune@c"])
    assert (set(estimated.stages), set(estimated.cache)) == ({"featurize"}, {"mfcc"})
    assert estimated.untold == {"c": "lyrics is not made of audio"}


def test_a_finished_project_is_told_so(paths, monkeypatch, capsys):
    (paths.root / "dvc.yaml").touch()
    graph = {"ingest": frozenset(), "train@a": frozenset({"ingest"})}
    monkeypatch.setattr(plan.graph, "standing", lambda root, kept: (graph, {"ingest": ["always changed"]}))
    plan.command(paths, params())
    assert capsys.readouterr().out.startswith("nothing would run: all 2 stages are done")
    monkeypatch.setattr(plan.graph, "standing", lambda root, kept: (graph, {"ingest": [{"changed deps": {}}]}))
    plan.command(paths, params(mfcc={}))
    assert capsys.readouterr().out.startswith("2 of 2 stages would run")
