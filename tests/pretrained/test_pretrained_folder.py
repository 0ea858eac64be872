"""A published tagger answers like a released model: files, stretches, a catalog and the service, without training."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.cli import app
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.features import encoder
from ostinato.pretrained import folder, wheel
from ostinato.serving.app import application

RATE = 16000


@pytest.fixture
def cache(tmp_path, monkeypatch, musicnn_wheel) -> Path:
    """Return an empty cache folder; nothing can be fetched, so that what is used must have been given."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(wheel, "download", lambda _: pytest.fail("fetched"))
    return tmp_path / "cache" / "ostinato" / "encoders"


@pytest.fixture
def song(tmp_path) -> Path:
    return write_song(tmp_path / "music" / "song.wav", seed=0)


def write_song(path: Path, *, seed: int, seconds: float = 10.0) -> Path:
    """Write chords over a beat."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng, time = np.random.default_rng(seed), np.arange(int(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * f * time) for f in 110 * 2 ** (rng.integers(0, 24, 3) / 12))
    beat = rng.standard_normal(len(time)) * (np.modf(time * 2)[0] < 0.1)
    soundfile.write(path, 0.1 * chord + 0.1 * beat, RATE)
    return path


def ask(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_song_gets_the_scores_of_the_original_tags(cache, song, musicnn_wheel):
    answer = json.loads(ask("predict", song, "--model", "musicnn", "--weights", musicnn_wheel, "--json", "--over-time"))
    (file,) = cache.glob("*/tags/encoder.onnx")
    said = {
        "kind": "encoder",
        "model": str(file),
        "sha256": wheel.import_network(musicnn_wheel, wheel.NETWORKS["musicnn"], file),
    }
    given = features.parameters("musicnn", {**said, "output": "tags"}, RATE)
    patches = encoder.compute(AudioContext(soundfile.read(song)[0], RATE), **given)
    expected = dict(zip(wheel.NETWORKS["musicnn"].tags, patches.mean(axis=0), strict=True))
    assert answer["scores"] == pytest.approx(expected, abs=2e-3)
    assert answer["label"] == [tag for tag, score in answer["scores"].items() if score >= folder.SURE_FROM]
    assert answer["over_time"]["starts"] == pytest.approx([0, 2.992, 5.984], abs=0.01)
    assert len(answer["over_time"]["scores"]["jazz"]) == len(patches) == 3


def test_the_weights_are_fetched_once_and_their_licence_is_shown_each_time(cache, monkeypatch, musicnn_wheel, capsys):
    fetched = []
    monkeypatch.setattr(wheel, "download", lambda to: fetched.append(to) or musicnn_wheel)
    for _ in range(2):
        made = folder.prepare("musicnn-mtt")
        assert "licence of the weights: ISC, Music Technology Group" in capsys.readouterr().err
    assert fetched == [cache]
    assert made == cache / "MTT_musicnn"


def test_what_is_damaged_is_made_again(cache, musicnn_wheel):
    made = folder.prepare("musicnn", musicnn_wheel) / "tags"
    whole = {file: (made / file).read_bytes() for file in ("encoder.onnx", "network.onnx", "model.json")}
    for file, content in whole.items():
        (made / file).write_bytes(content[:-9])
        folder.prepare("musicnn", musicnn_wheel)
        assert (made / file).read_bytes() == content


def test_a_file_of_import_weights_serves_as_well_as_the_wheel(cache, tmp_path, song, musicnn_wheel):
    target = tmp_path / "own.onnx"
    ask("import-weights", musicnn_wheel, target, "--model", "MSD_musicnn")
    answers = [ask("predict", song, "--model", "musicnn", "--weights", w, "--csv") for w in (target, musicnn_wheel)]
    assert answers[0] == answers[1]


def test_a_file_of_another_network_is_refused_by_both_names(cache, tmp_path, musicnn_wheel):
    ask("import-weights", musicnn_wheel, target := tmp_path / "own.onnx", "--model", "MTT_vgg")
    with pytest.raises(OstinatoError, match=r"own\.onnx: contains musicnn .*MTT_vgg, not musicnn .*MSD_musicnn"):
        folder.prepare("musicnn", target)


def test_a_wheel_of_any_name_becomes_an_onnx_file_and_no_other(tmp_path, musicnn_wheel):
    renamed = tmp_path / "weights.zip"
    renamed.write_bytes(musicnn_wheel.read_bytes())
    refused = CliRunner().invoke(app, ["import-weights", str(renamed), str(tmp_path / "own.safetensors")])
    assert refused.exit_code == 2
    assert ".onnx" in refused.output
    assert "MSD_musicnn of musicnn" in ask("import-weights", renamed, tmp_path / "own.onnx")


def test_other_files_are_refused_and_leave_nothing(cache, tmp_path):
    for name in ("other.onnx", "other.whl"):
        (tmp_path / name).write_bytes(b"something else")
        with pytest.raises(OstinatoError, match=rf"{name}: is (not musicnn|neither the wheel)"):
            folder.prepare("musicnn", tmp_path / name)
    assert not [file for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock"]


def test_a_catalog_without_training_knows_neighbours(cache, tmp_path, musicnn_wheel):
    for seed in range(3):
        for version in ("a", "b"):
            write_song(tmp_path / "music" / f"{seed}{version}.wav", seed=seed, seconds=7 + 3 * (version == "b"))
    options = ("--encoder", "musicnn", "--weights", musicnn_wheel, "--out", tmp_path / "catalog", "--workers", 1)
    ask("catalog", "--of", tmp_path / "music", *options)
    for seed in range(3):
        near = json.loads(ask("recommend", f"{seed}a.wav", "--catalog", tmp_path / "catalog", "-k", 1, "--json"))
        assert f"{seed}b.wav" in json.dumps(near)
    song = write_song(tmp_path / "new.wav", seed=1)
    nearest = json.loads(ask("recommend", song, "--catalog", tmp_path / "catalog", "-k", 1, "--json"))
    assert "1a.wav" in json.dumps(nearest) or "1b.wav" in json.dumps(nearest)


def test_the_service_answers_with_fifty_tags(cache, tmp_path, song, musicnn_wheel):
    releases = folder.prepare("musicnn", musicnn_wheel)
    service = application(releases, Paths(tmp_path).catalog, tmp_path, None, None, ["testserver"])
    with TestClient(service) as client:
        answer = client.post("/v1/predict?task=tags&over_time=true", content=song.read_bytes())
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["predictions"]
    assert len(prediction["scores"]) == 50
    assert len(prediction["over_time"]["starts"]) == 3


def test_weights_alone_and_two_models_are_refused(tmp_path, song):
    own = tmp_path / "own.onnx"
    own.write_bytes(b"")
    for options in (["--weights", own], ["--model", "musicnn", "--models", tmp_path]):
        result = CliRunner().invoke(app, ["predict", str(song), *map(str, options)])
        assert result.exit_code == 2


@pytest.mark.parametrize("home", ["none", "read-only"])
def test_a_user_without_a_home_is_told_where_weights_can_be_kept(tmp_path, monkeypatch, home):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if home == "none":

        def refuse():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", refuse)
    else:
        monkeypatch.setenv("HOME", "/proc/1")
    (tmp_path / "a.wav").touch()
    refused = CliRunner().invoke(app, ["predict", str(tmp_path / "a.wav"), "--model", "musicnn"])
    assert isinstance(refused.exception, OstinatoError)
    assert "set XDG_CACHE_HOME to one that can be written to" in str(refused.exception)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert folder.cache_folder() == tmp_path / "cache" / "ostinato" / "encoders"
