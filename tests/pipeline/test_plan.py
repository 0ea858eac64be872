"""The plan: bytes as the cache will take, and no run that cannot fit."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from ostinato.core.params.schema import (
    Artists,
    Candidate,
    Compute,
    Dataset,
    Features,
    Ingest,
    Member,
    Number,
    Splitting,
    Stacked,
    Stacking,
    Tune,
)
from ostinato.core.params.training import Train
from ostinato.core.paths import Paths
from ostinato.core.task import COLUMNS
from ostinato.errors import DataError, OstinatoError
from ostinato.io import tables
from ostinato.pipeline import plan, training_cost
from ostinato.pipeline.limits import Limits, find_limits
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
        stacking=Stacking(),
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
    assert all(seconds > 0 for seconds in before.stages.values())
    assert (after.stages["ingest"], after.stages["featurize"] > 0) == (0, True)


def test_a_run_that_cannot_fit_is_refused_and_says_what_to_drop(paths, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000))
    with pytest.raises(OstinatoError, match=r"100\.0 kB is free.*mel is the largest"):
        plan.command(paths, params())
    shown = capsys.readouterr().out
    assert "tracks                                6" in shown
    assert "cache mel" in shown


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(memory=3e9, available=2e9), r"needs about 3\.0 GB of memory, 2\.0 GB is available.*compute\.workers"),
        (Limits(open_files=64), r"needs 256 open files, 64 are allowed: run `ulimit -n 1024`"),
        (Limits(n_maps=70_000, max_maps=65_530), r"maps 70000 files.* 65530 are allowed: raise features\.shard_tracks"),
    ],
)
def test_a_run_that_lacks_memory_files_or_maps_is_refused_with_figures(paths, monkeypatch, capsys, limits, message):
    monkeypatch.setattr(plan, "find_limits", lambda n_tracks, params: limits)
    with pytest.raises(OstinatoError, match=message):
        plan.command(paths, params())
    assert "memory needed" in capsys.readouterr().out


def test_memory_and_maps_grow_with_the_collection_and_open_files_do_not():
    few, many = (find_limits(n, params()) for n in (1_000, 1_000_000))
    assert few.memory < 1e9 < many.memory
    assert few.n_maps < many.n_maps < 6_000
    assert few.open_files == many.open_files
    assert find_limits(1_000, params(**{"mel": {}, "cqt": {}, "mel+cqt": {}})).n_maps == 2 * few.n_maps


def test_a_run_that_fits_is_let_go(paths, capsys):
    plan.command(paths, params(mfcc={}))
    assert "cache mfcc" in capsys.readouterr().out


def test_broken_clips_are_passed_over_unless_all_are(tmp_path, rng):
    soundfile.write(tmp_path / "a.wav", rng.uniform(-0.5, 0.5, RATE), RATE)
    (tmp_path / "b.wav").touch()
    cost = plan.sample(tmp_path, ["b.wav", "a.wav"], {"flat": lambda context: np.zeros((10, 4))})
    assert (cost.n_clips, cost.seconds) == (1, 1.0)
    assert cost.bytes("flat") == 80
    with pytest.raises(DataError, match=r"none of 1 clip can be decoded.*b\.wav"):
        plan.sample(tmp_path, ["b.wav"], {})


def test_epochs_count_trials_folds_and_the_last_fit():
    candidate = Candidate(architecture="time", feature="mel", task="genre")
    given = SimpleNamespace(tune=Tune(n_trials=4, max_epochs=3), train=Train(max_epochs=10), split=Splitting(folds=5))
    assert training_cost.epochs(candidate, {"trials": 4}, given) == (0, 60)  # several folds are not searched
    own = candidate.model_copy(update={"n_trials": 1, "train": {"max_epochs": 2}})
    given.split = Splitting(folds=0)
    assert training_cost.epochs(own, {"trials": 1}, given) == (2 + 8, 2)  # twice two thirds on each of three parts
    assert training_cost.epochs(own, {"trainings": 1.5}, given) == (3 + 8, 2)
    assert training_cost.epochs(own, {"minutes": 2.0}, given) == (8, 2)
    assert training_cost.epochs(own, {"trials": 0}, given) == (0, 2)


def test_training_is_timed_on_a_batch_of_the_shape_it_will_have(monkeypatch):
    shapes = []

    class Network(torch.nn.Linear):
        def __init__(self, inputs, n_classes, *, width):
            super().__init__(width, n_classes)
            self.inputs = inputs

        def forward(self, x):
            shapes.append((self.inputs, tuple(x.shape)))
            return super().forward(x)

    monkeypatch.setattr(training_cost.registry, "load", lambda package, name: SimpleNamespace(Network=Network))
    candidate = Candidate(
        architecture="any", feature="mel", task="genre", network={"width": 33}, train={"batch_size": 7}
    )
    cost = plan.Cost(1, 1.0, 0.0, 0.0, {}, {"mel": 20.0}, {"mel": 40})
    assert training_cost.step_seconds(candidate, cost, 3, Train(chunk_frames=33), 1) > 0
    assert set(map(str, shapes)) == {str(({"mel": (1, 40, 33)}, (7, 1, 40, 33)))}


def test_a_front_end_costs_what_the_feature_of_its_batch_costs(monkeypatch):
    monkeypatch.setattr(
        training_cost.registry, "load", lambda *_: SimpleNamespace(Network=lambda *_: torch.nn.Linear(50, 3))
    )
    monkeypatch.setattr(training_cost, "time_call", lambda *_: (None, 1.0))
    cost = plan.Cost(1, 1.0, 0.0, 0.0, {"mel": 0.5}, {"mel": 25.0}, {"mel": 40})
    seconds = [
        training_cost.step_seconds(
            Candidate(architecture="any", feature="mel", task="genre", train={"batch_size": 4, "front_end": front_end}),
            cost, 3, Train(chunk_frames=50), 1,
        )
        for front_end in ("cache", "waveform")
    ]  # fmt: skip
    assert seconds == [1.0, 1.0 + 4 * 2.0 * 0.5]


def test_a_candidate_whose_task_the_dataset_lacks_costs_nothing(paths, monkeypatch):
    monkeypatch.setattr(training_cost, "step_seconds", lambda *arguments: 2.0)
    given = params(mfcc={})
    given.candidates = {t: Candidate(architecture="any", feature="mfcc", task=t) for t in COLUMNS}
    estimated = plan.estimate(paths, given)
    assert set(estimated.stages) == {"ingest", "featurize", "tune genre", "train genre"}
    n_steps = -(-6 * Train().count_chunks(6) // Train().batch_size)
    assert estimated.stages["train genre"] == 2.0 * n_steps * Train().max_epochs
    assert estimated.untimed == {t: f"the dataset has no {t}" for t in ("tags", "artist_embedding")}
    assert "tags is not counted: the dataset has no tags" in estimated.table()


def test_a_dataset_without_audio_has_a_plan_too(tmp_path):
    (tmp_path / "table.csv").write_text("genre,track_id,energy,tempo\n" + "rock,a,1,90\njazz,b,0,80\n")
    given = params()
    given.dataset = Dataset(name="spotify_attributes", path=str(tmp_path), table="table.csv")
    given.candidates = {"time_mel": Candidate(architecture="time", feature="mel", task="genre")}
    estimated = plan.estimate(Paths(tmp_path), given)
    assert (estimated.n_tracks, estimated.seconds, estimated.cache) == (2, 0, {})
    assert estimated.stages == {"ingest": 0, "featurize": 0}
    assert estimated.untimed == {"time_mel": "the dataset has no audio"}
    estimated.check()


def test_only_what_would_run_is_counted(paths, monkeypatch):
    monkeypatch.setattr(training_cost, "step_seconds", lambda *arguments: 2.0)
    given = params(mfcc={})
    given.candidates = {n: Candidate(architecture="any", feature="mfcc", task="genre") for n in ("a", "b")}
    given.candidates["c"] = Candidate(architecture="any", feature="lyrics", task="genre")
    estimated = plan.estimate(paths, given, ["train@b", "evaluate@b"])
    assert set(estimated.stages) == {"train b"}
    assert (estimated.cache, estimated.untimed) == ({}, {})
    estimated = plan.estimate(paths, given, ["featurize", "tune@c"])
    assert (set(estimated.stages), set(estimated.cache)) == ({"featurize"}, {"mfcc"})
    assert estimated.untimed == {"c": "lyrics is not computed from audio"}


def test_a_finished_project_is_told_so(paths, monkeypatch, capsys):
    ingest.run(paths, params())
    (paths.root / "dvc.yaml").touch()
    graph = {"ingest": frozenset(), "train@a": frozenset({"ingest"})}
    monkeypatch.setattr(plan.graph, "read_cached", lambda root, kept: (graph, {"ingest": ["always changed"]}))
    plan.command(paths, params())
    shown = capsys.readouterr().out
    assert shown.endswith("nothing would run: all 2 stages are done, and the collection is unchanged\n")
    assert shown.startswith("genre: 2 classes: a 3, b 3\n")
    monkeypatch.setattr(plan.graph, "read_cached", lambda root, kept: (graph, {"ingest": [{"changed deps": {}}]}))
    plan.command(paths, params(mfcc={}))
    assert "\nwould run: 2 of 2 stages" in capsys.readouterr().out


@pytest.fixture
def up_to_date(paths, monkeypatch):
    """Make a project whose stages DVC holds for done."""
    ingest.run(paths, params())
    (paths.root / "dvc.yaml").touch()
    graph = {"ingest": frozenset(), "train@a": frozenset({"ingest"})}
    monkeypatch.setattr(plan.graph, "read_cached", lambda root, kept: (graph, {"ingest": ["always changed"]}))
    return paths


def add(music, given):
    shutil.copy(music / "a/0.wav", music / "b/new.wav")


def remove(music, given):
    (music / "a/0.wav").unlink()


def relabel(music, given):
    (music / "a/0.wav").rename(music / "a/moved.wav")


def alter(music, given):
    shutil.copy(music / "b/5.wav", music / "a/0.wav")


def tell(music, given):
    rows = "".join(f"{'ab'[i % 2]}/{i}.wav,{'x' if i else 'y'}\n" for i in range(6))
    (music.parent / "t.csv").write_text("path,artist\n" + rows)
    given.dataset = Dataset(name="folder", table=str(music.parent / "t.csv"))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (add, "new since the last run: 1 track, such as b/new.wav"),
        (remove, "gone since the last run: 1 track, such as a/0.wav"),
        (relabel, "gone since the last run: 1 track, such as a/0.wav"),
        (alter, "changed since the last run: 1 track, such as a/0.wav"),
        (tell, "relabelled since the last run: 6 tracks, such as a/0.wav"),
    ],
)
@pytest.mark.parametrize("cloned", [False, True])
def test_what_changed_since_the_last_run_is_seen_without_decoding(
    up_to_date, monkeypatch, capsys, change, line, cloned
):
    given, decoded = params(mfcc={}), []
    change(up_to_date.raw("folder"), given)
    if cloned:
        shutil.rmtree(up_to_date.state)
    monkeypatch.setattr(plan, "estimate", lambda *_: decoded.append("sampled") or SimpleNamespace(table=str, check=str))
    monkeypatch.setattr(plan.inventory, "measure", lambda *_: decoded.append("measured"))
    plan.command(up_to_date, given)
    shown = capsys.readouterr().out
    assert line in shown
    assert "would run: 2 of 2 stages" in shown
    assert decoded == ["sampled"]


def test_what_ingest_would_refuse_the_plan_refuses(up_to_date):
    given = params()
    (up_to_date.root / "t.csv").write_text("path,year\na/0.wav,early\n")
    given.dataset = Dataset(name="folder", table=str(up_to_date.root / "t.csv"))
    with pytest.raises(DataError, match="1 cells cannot be read"):
        plan.command(up_to_date, given)
    given.dataset = Dataset(name="folder", path="elsewhere")
    with pytest.raises(DataError, match="is not a folder"):
        plan.command(up_to_date, given)
    shutil.rmtree(up_to_date.raw("folder") / "a")
    with pytest.raises(DataError, match="3 of 6 known tracks are gone"):
        plan.command(up_to_date, params())


def test_classes_and_what_fits_nothing_are_shown_before_the_first_run(paths, capsys):
    rows = "".join(f"{'ab'[i % 2]}/{i}.wav,{'Rock' if i < 4 else 'Jazz; Pop'}\n" for i in range(5))
    (paths.root / "t.csv").write_text("path,genre\n" + rows + "gone.wav,Rock\n")
    given = params(mfcc={})
    given.dataset = Dataset(name="folder", table=str(paths.root / "t.csv"))
    plan.command(paths, given)
    shown = capsys.readouterr().out.splitlines()
    assert shown[:5] == [
        "genre: 2 classes: Rock 4, Jazz 1",
        "without a genre: 1 of 6 tracks",
        "1 of 6 rows of t.csv whose file does not exist, such as row 7: 'gone.wav'",
        "1 of 6 files without a row in t.csv, such as b/5.wav",
        "1 of 6 files with several genres, of which the first is the class, such as a/4.wav: Jazz + Pop",
    ]


def test_members_and_stacks_are_counted(paths, monkeypatch):
    monkeypatch.setattr(training_cost, "step_seconds", lambda *arguments: 2.0)
    monkeypatch.setattr(training_cost, "time_head", lambda stack, widths, *_: 0.001 * sum(widths.values()))
    given = params(mfcc={}, place={})
    given.candidates = {n: Candidate(architecture="any", feature="mfcc", task="genre", n_trials=0) for n in "xy"}
    given.stacked = {"s": Stacked(architecture="timefreq", task="genre", n_trials=0, train={"max_epochs": 5})}
    given.stacked["t"] = Stacked(architecture="timefreq_avg", task="tags", n_trials=0)
    given.members = {f"s.{n}": Member(of="s", member=n) for n in "xy"}
    given.numbers = {"s.place": Number(of="s", feature="place")}
    given.stacking = Stacking(folds=4)
    estimated = plan.estimate(paths, given)
    n_steps = -(-6 * Train().count_chunks(6) // Train().batch_size)
    # three of four parts of the training tracks, four times
    assert estimated.stages["member s.x"] == 3 * 2.0 * n_steps * Train().max_epochs
    assert estimated.stages["train s"] == pytest.approx(0.001 * (2 + 2 + 2) * n_steps * 5)
    assert estimated.untimed["t"] == "the dataset has no tags"
    given.stacked["u"] = Stacked(architecture="timefreq", task="genre", n_trials=0)
    given.members["u.x"] = Member(of="u", member="x")
    shared = plan.estimate(paths, given).stages
    assert "member u.x" not in shared  # s trains it
    given.stacking = Stacking(in_sample=["timefreq"])
    assert "member s.x" not in plan.estimate(paths, given).stages
    assert set(plan.estimate(paths, given, ["train_stacked@s"]).stages) == {"train s"}


def test_a_head_is_timed_on_the_numbers_it_reads():
    stack = Stacked(architecture="timefreq", task="genre")
    assert training_cost.count_numbers("place", {"place": {}}) == 2
    given = SimpleNamespace(compute=Compute(threads=1), train=Train())
    assert training_cost.time_head(stack, {"x": 3, "y": 3}, 3, given) > 0
    mean = Stacked(architecture="timefreq_avg", task="genre")
    assert training_cost.time_head(mean, {"x": 3, "y": 3}, 3, given) == 0


def test_near_spellings_are_named_with_their_counts_before_anything_runs(paths, capsys):
    for genre in ("Hip-Hop", "hiphop", "HIPHOP"):
        shutil.copytree(paths.raw("folder") / "a", paths.raw("folder") / genre)
    plan.command(paths, params())
    shown = capsys.readouterr().out
    assert "\ngenre: hiphop (6), Hip-Hop (3) may be the same; if so, dataset.rename: {Hip-Hop: hiphop}\n" in shown
    wanted = params()
    wanted.dataset = Dataset(name="folder", rename={"hiphop": "Hip-Hop"})
    plan.command(paths, wanted)
    shown = capsys.readouterr().out
    assert shown.startswith("genre: 3 classes: Hip-Hop 9, a 3, b 3\n")
    assert "may be the same" not in shown


def test_more_folds_than_groups_are_refused_before_anything_runs(paths):
    given = params(mfcc={})
    given.split = Splitting(folds=50)
    with pytest.raises(DataError, match=r"split\.folds: 50 needs .* 6 tracks are in 6; set split\.folds: 6 or less"):
        plan.command(paths, given)
