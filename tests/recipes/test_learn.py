"""From labels to a released model: what it is asked, what it refuses, and the whole way once."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from ostinato.core import params
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.labelling.table import Labels
from ostinato.recipes import learn

ROOT = Path(__file__).parents[2]
RATE, SECONDS, N = 22050, 4, 36


def play(rng, timbre):
    """Return a melody of plucked tones whose overtones are those of a timbre, with a little noise."""
    beat = np.arange(RATE // 2) / RATE
    pitches = 220 * 2 ** (rng.integers(0, 12, 2 * SECONDS) / 12)
    weights = [1 / k if timbre else float(k % 2) / k**0.5 for k in range(1, 30)]
    tones = [
        np.exp(-4 * beat) * sum(w * np.sin(2 * np.pi * k * f * beat) for k, w in enumerate(weights, 1)) for f in pitches
    ]
    sound = np.concatenate(tones)
    return 0.5 * sound / np.abs(sound).max() + 0.001 * rng.normal(size=len(sound))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("music"), np.random.default_rng(0)
    for i in range(N):
        (root / f"artist{i % 9}").mkdir(exist_ok=True)
        soundfile.write(root / f"artist{i % 9}" / f"{i:02d}.flac", play(rng, i % 2), RATE)
    return root


@pytest.fixture(scope="module")
def table(folder):
    names = sorted(p.relative_to(folder).as_posix() for p in folder.glob("*/*.flac"))
    rows = pd.DataFrame({"path": names, "sound": ["round" if int(n[-7:-5]) % 2 else "hollow" for n in names]})
    rows["artist"] = [n.split("/")[0] for n in names]
    file = folder.parent / "labels.csv"
    rows.iloc[:28].to_csv(file, index=False)
    return file


def test_the_pool_is_drawn_the_same_again_and_a_label_moves_no_other_file():
    tracks = pd.DataFrame({"path": [f"{i}.mp3" for i in range(60)], "genre": ["a"] * 20 + [None] * 40})
    drawn = learn.choose_tracks(Labels(tracks, []), 10, 7)
    assert drawn["genre"].notna().sum() == 20
    assert len(drawn) == 30
    pool = drawn["path"][drawn["genre"].isna()].tolist()
    tracks.loc[tracks["path"] == pool[0], "genre"] = "b"
    again = learn.choose_tracks(Labels(tracks, []), 10, 7)
    assert set(pool) < set(again["path"])


@pytest.mark.parametrize("kind", ["mfcc", "mel"])
def test_the_params_are_sound(kind, folder, table, tmp_path):
    inside = Paths(tmp_path / "out")
    inside.root.mkdir()
    request = learn.Request(folder, table, inside.root, kind)
    learn._write_params(Paths(ROOT), inside, request, {}, 4, 0.3)
    made = params.load(inside.params)
    assert made.split.folds == 4
    assert made.gate["genre"]["accuracy"].min == 0.3
    assert (inside.root / str(made.dataset.path)).resolve() == folder.resolve()
    assert (folder / made.dataset.options["table"]).resolve() == inside.root.resolve() / "labels.csv"
    assert str(tmp_path) not in inside.params.read_text()
    assert not made.candidates


def test_a_folder_within_the_music_is_refused(folder, table):
    request = learn.Request(folder, table, folder / "out", "mfcc", column="sound")
    with pytest.raises(OstinatoError, match="read-only; set --out to another folder"):
        learn.learn(Paths(ROOT), request)
    assert not (folder / "out").exists()


def test_outside_a_clone_it_says_where_to_go(folder, table, tmp_path):
    request = learn.Request(folder, table, tmp_path / "out", "mfcc", column="sound")
    with pytest.raises(OstinatoError, match=r"no dvc\.yaml, \.dvcignore; run this in a clone of the repository"):
        learn.learn(Paths(tmp_path), request)
    assert not (tmp_path / "out").exists()


def test_an_encoder_lies_in_the_folder_and_its_heads_read_means(folder, table, tmp_path):
    inside, file = Paths(tmp_path / "out"), tmp_path / "some.onnx"
    inside.root.mkdir()
    file.write_bytes(b"weights")
    request = learn.Request(folder, table, inside.root, "some", file)
    kind = learn._copy_encoder(inside, request)
    learn._write_params(Paths(ROOT), inside, request, kind, 5, 0.3)
    made = params.load(inside.params)
    assert (inside.root / made.features.kinds["some"]["model"]).read_bytes() == b"weights"
    assert made.features.kinds["some"]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    read = {name: e.options.get("statistics") for name, e in made.estimators.items() if e.feature == "some"}
    assert read == {"some_logistic": "mean", "some_linear_svm": "mean"}


def test_an_encoder_that_is_not_there_is_named():
    with pytest.raises(OstinatoError, match=r"--encoder no\.onnx: does not exist; use an ONNX file"):
        learn.find_encoder("no.onnx")
    with pytest.raises(OstinatoError, match=r"there is no published encoder 'nonesuch'.*there are musicnn"):
        learn.find_encoder("nonesuch")


@pytest.mark.slow
def test_the_whole_way(folder, table, tmp_path):
    out = tmp_path / "learned"
    command = [sys.executable, "-m", "ostinato", "learn", folder, "--labels", table, "--column", "sound", "--out", out]
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    about = json.loads(done.stdout)
    assert about["verdict"]["answer"] == "released"
    assert about["accuracy"][about["verdict"]["released"]]["value"] > 0.8
    assert about == json.loads((out / "learn.json").read_text())
    following = pd.read_csv(out / "next.csv")
    assert len(following) == N - 28
    assert following["genre"].isna().all()
    splits = pd.read_parquet(out / "data/interim/splits.parquet")
    assert splits["group"].nunique() == 7
    assert splits.groupby(["fold", "group"])["split"].nunique().max() == 1
    path = folder / following["path"][0]
    asked = subprocess.run(
        [sys.executable, "-m", "ostinato", "predict", path, "--models", out / "models/released", "--json"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(asked.stdout)["label"] == following["predicted_genre"][0]
