"""A released model on another folder: the figures are those of its answers, strangers are left out and counted."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from inference.test_predict import play, put
from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.cli import app
from ostinato.core.params import yaml_io
from ostinato.core.params.schema import Compute
from ostinato.core.paths import Paths
from ostinato.curation import inventory
from ostinato.errors import DataError
from ostinato.evaluation import external, overlap
from ostinato.inference.model import ReleasedModel
from ostinato.io import tables
from ostinato.io.files import write_json


@pytest.fixture
def model(tmp_path):
    return ReleasedModel(put(tmp_path / "released" / "genre", weight=0.5))


@pytest.fixture
def music(tmp_path, model):
    """Return a folder whose directories name what the model says of their files, but for one file."""
    for i, frequency in enumerate((120.0, 300.0, 700.0, 1400.0, 2500.0)):
        path = play(tmp_path / f"{i}.wav", seconds=1.0, frequency=frequency)
        said = model.label(model.scores(AudioContext(*audio.load(path))))
        target = tmp_path / "music" / (said if i else "hip-hop") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    return tmp_path / "music"


def test_right_answers_count_as_right_and_strange_classes_are_left_out(model, music):
    found = external.evaluate(model, music, confidence=0.95)
    assert found["figures"]["accuracy"]["value"] == 1.0
    assert (found["n_tracks"], found["left_out"], found["unreadable"]) == (4, {"hip-hop": 1}, {})
    assert "left out: 1 of 'hip-hop', which the model does not know" in external.format_markdown(found)


def test_files_unlike_those_of_training_are_counted_with_the_reasons(model, music):
    assert external.evaluate(model, music)["reasons"] == {}
    model.reference = {"sound": {"duration": [5.0, 30.0]}, "bounds": {"min_seconds": 0.5}}
    found = external.evaluate(model, music)
    assert len(found["reasons"]) == found["n_tracks"] == 4
    assert {r for reasons in found["reasons"].values() for r in reasons} == {
        "duration 1.0 s, trained on 5.0 to 30.0 s",
    }
    assert "unlike the training tracks: 4 of 4 files, such as " in external.format_markdown(found)


def test_files_that_cannot_be_used_are_in_no_figure(model, music):
    """A silent file of a wrong class, one that is cut off, and one that is no sound at all."""
    before = external.evaluate(model, music)
    wrong = model.classes[0]
    (music / wrong).mkdir(exist_ok=True)
    soundfile.write(music / wrong / "silent.wav", np.r_[0.1 * np.ones(9), np.zeros(22_000)], 22050)
    whole = next(music.rglob("1.wav")).read_bytes()
    (music / wrong / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (music / wrong / "none.wav").write_text("no sound")
    model.reference = {"bounds": {"max_silence_share": 0.5}}
    found = external.evaluate(model, music)
    assert (found["n_tracks"], found["figures"]) == (before["n_tracks"], before["figures"])
    assert {Path(p).name: r[0].partition(":")[0] for p, r in found["unusable"].items()} == {
        "silent.wav": "silent",
        "cut.wav": "is cut off",
    }
    assert [Path(p).name for p in found["unreadable"]] == ["none.wav"]
    told = external.format_markdown(found)
    assert "silent.wav (silent: silence share" in told
    assert "none.wav cannot be read (cannot be decoded" in told


def test_a_folder_with_an_unreadable_file_ends_in_exit_status_1(model, music, tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "released").rename(tmp_path / "models" / "released")
    yaml_io.write(tmp_path / "params.yaml", {"dataset": {"name": "folder"}, "features": {"kinds": {"mel": {}}}})
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["evaluate", "--on", "music"]).exit_code == 0
    next(music.rglob("1.wav")).with_name("none.wav").write_text("no sound")
    done = CliRunner().invoke(app, ["evaluate", "--on", "music"])
    assert (done.exit_code, "none.wav cannot be read" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    ("renamed", "words"),
    [
        ({"polka": "rock"}, "--rename polka=rock: no track has 'polka'; there are "),
        ({"hip-hop": "rokc"}, "has no class 'rokc'; there are blues, jazz, rock; did you mean 'rock'?"),
    ],
)
def test_a_renaming_that_changes_nothing_is_refused(model, music, renamed, words):
    with pytest.raises(DataError, match=re.escape(words)):
        external.evaluate(model, music, renaming=renamed, confidence=0.95)


def test_a_renamed_class_counts(model, music):
    (file,) = (music / "hip-hop").iterdir()
    right = model.label(model.scores(AudioContext(*audio.load(file))))
    wrong = next(c for c in model.classes if c != right)
    accuracy = [
        external.evaluate(model, music, renaming={"hip-hop": c}, confidence=0.95)["figures"]["accuracy"]["value"]
        for c in (right, wrong)
    ]
    np.testing.assert_allclose(accuracy, [1.0, 0.8])


def test_a_bad_file_is_named_and_passed_over(model, music):
    (music / model.classes[0]).mkdir(exist_ok=True)
    (music / model.classes[0] / "broken.mp3").write_text("this is no music")
    found = external.evaluate(model, music, confidence=0.95)
    assert [p.rsplit("/", 1)[1] for p in found["unreadable"]] == ["broken.mp3"]
    assert found["n_tracks"] == 4


def test_a_folder_of_strangers_is_refused(model, tmp_path):
    play(tmp_path / "other" / "polka" / "a.wav", seconds=0.5)
    with pytest.raises(DataError, match=r"\(polka\) is one of tiny's \(.*\); say which is which by --rename"):
        external.evaluate(model, tmp_path / "other")
    with pytest.raises(DataError, match="write theirs=ours"):
        external.parse_renaming(["polka"])


def test_classes_are_the_model_s_in_any_spelling(model, music):
    for name in model.classes:
        if (music / name).is_dir():
            (music / name).rename(music / f" {name.upper()}")
    found = external.evaluate(model, music, renaming={"HIP-hop": model.classes[0].title()})
    assert (found["n_tracks"], found["left_out"]) == (5, {})


RATE = 11_025


def melody(seed: int, seconds: float = 8.0) -> np.ndarray:
    """Render tones that no other seed has."""
    rng, time = np.random.default_rng(seed), np.arange(int(0.2 * RATE)) / RATE
    tones = [
        np.sin(2 * np.pi * rng.uniform(300, 1900, (4, 1)) * time + rng.uniform(0, 6, (4, 1))).sum(axis=0)
        for _ in range(int(seconds / 0.2))
    ]
    return (np.concatenate(tones) * 0.1).astype(np.float32)


@pytest.fixture
def trained_project(tmp_path, model):
    """Return a project whose released model learned from one track, stopped by another and was tested on a third."""
    paths, root = Paths(tmp_path / "project"), tmp_path / "training"
    root.mkdir()
    splits = pd.DataFrame({"track_id": ["one", "two", "three"], "fold": 0, "split": ["train", "validation", "test"]})
    for seed, name in enumerate(splits["track_id"]):
        soundfile.write(root / f"{name}.wav", melody(seed), RATE)
    tracks = splits[["track_id"]].assign(path=splits["track_id"] + ".wav")
    measured = inventory.measure_files(root, tracks, tmp_path / "a.parquet", Compute(workers=1))
    tables.write(paths.files, measured, tables.FILES)
    tables.write(paths.splits, splits.assign(group="", evaluable=True), tables.SPLITS)
    write_json(paths.classes, {"hash": model.metadata.get("hashes", {}).get("data")})
    return paths


@pytest.fixture
def other(tmp_path, model):
    """Return a folder with a copy of each of those tracks, one of them in other samples, and with new ones."""
    root = tmp_path / "other" / model.classes[0]
    root.mkdir(parents=True)
    soundfile.write(root / "exact.flac", melody(0), RATE)
    soundfile.write(root / "quieter.wav", 0.5 * melody(1)[int(0.7 * RATE) :], RATE)
    soundfile.write(root / "tested.wav", melody(2), RATE)
    soundfile.write(root / "new.wav", melody(3), RATE)
    return tmp_path / "other"


def test_copies_of_training_tracks_are_left_out_and_counted(model, trained_project, other, tmp_path):
    training = overlap.read_training_files(trained_project, model)
    assert (training.files["track_id"].tolist(), training.note) == (["one", "two"], None)
    find = partial(
        overlap.find_training_copies,
        other,
        training=training.files,
        cache=tmp_path / "b.parquet",
        settings=Compute(workers=1),
    )
    found = external.evaluate(model, other, find_copies=find, note=training.note)
    name = model.classes[0]
    assert found["copies"] == {f"{name}/exact.flac": "one", f"{name}/quieter.wav": "two"}
    assert found["n_tracks"] == 2
    text = external.format_markdown(found)
    assert f"left out: 2 files that repeat training tracks, such as {name}/exact.flac (of one)" in text
    for file in ("tested.wav", "new.wav"):
        (other / name / file).unlink()
    with pytest.raises(DataError, match="every file is a copy of a training track of tiny; use others"):
        external.evaluate(model, other, find_copies=find)


def test_it_is_told_where_the_training_tracks_are_not_at_hand(model, trained_project):
    model.metadata["hashes"] = {"data": "another"}
    found = overlap.read_training_files(trained_project, model)
    assert found.files["track_id"].tolist() == ["one", "two"]
    assert found.note == "searched for among the tracks of the present split; tiny was trained on another"
    trained_project.files.unlink()
    found = overlap.read_training_files(trained_project, model)
    assert found.files.empty
    assert found.note == (
        "not searched for, since data/interim/files.parquet does not exist; run this in the project that trained tiny"
    )


def test_the_note_stands_beside_the_figures(model, music):
    found = external.evaluate(model, music, note="not searched for, since x does not exist")
    assert "copies of training tracks: not searched for, since x does not exist" in external.format_markdown(found)
