"""Clips held against whole tracks: a model that hears how much of a clip is loud has known answers."""

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.inference import clips
from ostinato.inference.model import Prediction

RATE = 8_000


class Loudness:
    """Says loud where more than half of a clip is."""

    def predict(self, context):
        loud = float(np.mean(np.abs(context.y) > 0.1))
        return Prediction(np.array([1 - loud, loud]), np.array([1 - loud, loud], np.float32))

    def label(self, scores):
        return ("quiet", "loud")[int(scores.argmax())]


def track(path, seconds, quiet):
    """Write a square wave of which so large a share at the beginning is quiet."""
    y = np.full(round(seconds * RATE), 0.5, np.float32)
    y[: round(quiet * len(y))] = 0.01
    soundfile.write(path, y, RATE)


@pytest.fixture
def folder(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    track(music / "a slow start.wav", 10, 0.4)
    track(music / "b loud.wav", 10, 0.0)
    track(music / "c short.wav", 2, 0.0)
    (music / "d broken.wav").write_text("no audio")
    return music


def test_a_clip_that_differs_from_the_whole_is_told(folder):
    slow, loud, short, broken = clips.compare(Loudness(), [folder], 2.0)
    assert slow.labels == {"first": "quiet", "middle": "loud", "whole": "loud"}
    assert slow.differences == pytest.approx({"first": 0.6, "middle": 0.4})
    assert slow.similarity["first"] == pytest.approx(0.4 / np.hypot(0.4, 0.6), abs=1e-5)
    assert loud.labels["first"] == "loud"
    assert loud.similarity == {"first": 1.0, "middle": 1.0}
    assert short == (str(folder / "c short.wav"), "is 2.0 s long: no longer than a clip")
    assert broken[0] == str(folder / "d broken.wav")


def test_the_summary_counts_tracks_whose_clip_says_the_same(folder):
    told = clips.summary(list(clips.compare(Loudness(), [folder], 2.0))[:2])
    assert told["n_tracks"] == 2
    assert (told["first"]["same_label"], told["middle"]["same_label"]) == (0.5, 1.0)
    assert told["first"]["difference"] == pytest.approx(0.3)


def test_the_command_compares_what_it_can_and_names_what_it_cannot(copy_prepared, folder, tmp_path):
    project = copy_prepared(tmp_path / "project", lambda p: p.make_candidates(good=0.9))
    from ostinato.release import release

    assert release.release(project.paths, project.params)["genre"]["answer"] == "released"
    words = ["clips", str(folder), "--seconds", "4", "--models", str(project.paths.releases)]
    as_text, as_json = (CliRunner().invoke(app, [*words, *more]) for more in ([], ["--json"]))
    assert as_text.exit_code == as_json.exit_code == 1
    assert "no longer than a clip" in as_text.stderr
    found = json.loads(as_json.stdout)
    assert [t["path"].rpartition("/")[2] for t in found["tracks"]] == ["a slow start.wav", "b loud.wav"]
    assert found["summary"]["n_tracks"] == 2
    assert as_text.stdout.count("\n") == 4
