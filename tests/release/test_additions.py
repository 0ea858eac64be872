"""`ostinato catalog --add`: new tracks in the catalog in service, without training and without a stage."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

import tiny_project
from inference.test_predict import put
from ostinato.core import params as parameters
from ostinato.core.params import yaml_io
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io import versions
from ostinato.io.files import read_json
from ostinato.recommendation import folder
from ostinato.recommendation.catalog import Catalog
from ostinato.release import additions
from ostinato.release.release import release, rollback
from ostinato.serving import models as serving_models
from ostinato.serving.app import application

RATE, SECONDS = 22050, 8
OLD = ("ada/a", "ada/b", "bob/c", "bob/d")


def play(path: Path, seed: int, seconds: float = SECONDS) -> Path:
    """Write noise that no other seed's is a copy of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * RATE)) / RATE
    level = np.interp(times, np.arange(8 * SECONDS) / 8, rng.random(8 * SECONDS))
    soundfile.write(path, 0.3 * level * rng.uniform(-1, 1, len(times)), RATE)
    return path


@pytest.fixture
def paths(tmp_path) -> Paths:
    """Return a project whose catalog of four tracks is in service."""
    paths = Paths(tmp_path / "project")
    music = paths.root / "music"
    for seed, name in enumerate(OLD):
        play(music / f"{name}.wav", seed)
    sections = {**tiny_project.PARAMS, "dataset": {"name": "folder", "path": "music"}}
    for name in ("candidates", "estimators", "stacked", "members", "gate"):
        sections[name] = {}
    yaml_io.write(paths.params, sections)
    model = put(tmp_path / "model", weight=0.05)
    folder.build(model, music, paths.catalog)
    for name in (folder.CACHE, "source.json", ".catalog.lock"):
        (paths.catalog / name).unlink(missing_ok=True)
    release_catalog(paths)
    return paths


def release_catalog(paths: Paths) -> dict:
    return release(paths, parameters.load(paths.params), tasks=["catalog"])["catalog"]


def add(paths: Paths, *wanted: Path) -> additions.Additions:
    return additions.add_tracks(paths, parameters.load(paths.params), wanted)


def load_served(paths: Paths) -> Catalog:
    return Catalog.load(paths.current_release("catalog"))


def command(paths: Paths, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ostinato", "catalog", *words], cwd=paths.root, capture_output=True, text=True
    )


def read_reasons(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Read tracks and reasons off standard error, which bears progress bars, too."""
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("measuring: ")]
    return dict(line.split(": ", 1) for line in lines)


def test_the_command_adds_new_tracks_where_the_network_in_service_places_them(paths, tmp_path):
    before, version = load_served(paths), paths.current_release("catalog")
    play(paths.root / "music" / "eve" / "new.wav", 10)
    play(paths.root / "music" / "eve" / "more.wav", 11)
    done = command(paths, "--add", "music/eve/new.wav")
    assert (done.returncode, read_reasons(done)) == (0, {})
    assert done.stdout == "1 track added; version 2 of 5 tracks is in service\n"
    after = load_served(paths)
    assert after.ids == [*before.ids, "eve/new.wav"]
    np.testing.assert_array_equal(after.vectors[:4], before.vectors)
    whole = Catalog.load(build_catalog(paths, tmp_path, [*OLD, "eve/new"]))
    embedding = read_embedding(tmp_path / "alone", "eve/new.wav")
    np.testing.assert_array_equal(after.vectors[4], before.units(embedding[None], version=before.version)[0])
    assert after.metadata[4] == {**whole.metadata[whole.row("eve/new.wav")]}
    assert version.is_dir()  # the version before stays for a rollback
    done = command(paths, "--add")
    assert done.stdout == "1 track added, 5 there already; version 3 of 6 tracks is in service\n"


def build_catalog(paths: Paths, tmp_path: Path, names: list[str]) -> Path:
    """Make the catalog of some files as a first run over them does."""
    for name in names:
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths.root / "music" / f"{name}.wav", tmp_path / "copy" / f"{name}.wav")
    folder.build(tmp_path / "model", tmp_path / "copy", tmp_path / "alone")
    return tmp_path / "alone"


def read_embedding(catalog: Path, path: str) -> np.ndarray:
    with np.load(catalog / folder.CACHE) as columns:
        names = json.loads(columns["about"].tobytes())["paths"]
        return columns["embedding"][names.index(path)]


def test_a_second_time_nothing_is_added_and_no_version_is_made(paths):
    play(paths.root / "music" / "new.wav", 10)
    first = add(paths)
    again = add(paths)
    assert (first.added, first.version) == (["new.wav"], 2)
    assert (again.added, again.version, again.n_present) == ([], 2, 5)
    assert versions.list_versions(paths.releases / "catalog") == [1, 2]


def test_copies_and_what_cannot_be_heard_are_refused_and_the_rest_is_added(paths):
    music = paths.root / "music"
    shutil.copyfile(music / "ada" / "a.wav", music / "same.wav")
    sound, rate = soundfile.read(music / "bob" / "c.wav")
    soundfile.write(music / "softer.flac", 0.5 * sound, rate)
    play(music / "short.wav", 20, seconds=0.5)
    (music / "bad.mp3").write_bytes(b"no sound")
    play(music / "new.wav", 21)
    shutil.copyfile(music / "new.wav", music / "new again.wav")
    done = command(paths, "--add")
    assert done.returncode == 1
    refused = read_reasons(done)
    assert refused["same.wav"] == "is a copy of ada/a.wav: the samples of ada/a.wav"
    assert refused["softer.flac"].startswith("is a copy of bob/c.wav")
    assert "less than validate.min_seconds" in refused["short.wav"]
    assert {"bad.mp3"} < set(refused)
    assert len({"new.wav", "new again.wav"} & set(refused)) == 1
    assert len(load_served(paths)) == 5
    # what was added is known to the next additions, too
    shutil.copyfile(music / "new.wav", music / "third.wav")
    assert add(paths, music / "third.wav").refused["third.wav"].startswith("is a copy of new")


def test_a_service_that_runs_takes_the_new_tracks(paths, monkeypatch):
    monkeypatch.setattr(serving_models, "LOOK_SECONDS", 0)
    client = TestClient(
        application(paths.releases, paths.releases / "catalog", paths.root / "music"), "http://localhost"
    )
    ask = lambda *tracks: client.post("/v1/recommend", json={"tracks": list(tracks), "k": 9})  # noqa: E731
    assert {r["id"] for r in ask("ada/a.wav").json()["recommendations"]} == {f"{n}.wav" for n in OLD[1:]}
    play(paths.root / "music" / "new.wav", 10)
    add(paths)
    assert "new.wav" in {r["id"] for r in ask("ada/a.wav").json()["recommendations"]}
    assert {r["id"] for r in ask("new.wav").json()["recommendations"]} == {f"{n}.wav" for n in OLD}
    assert client.get("/v1/audio", params={"track": "new.wav"}).status_code == 200


def test_a_release_of_the_same_catalog_keeps_what_was_added_and_a_rollback_takes_it_away(paths):
    play(paths.root / "music" / "new.wav", 10)
    add(paths)
    said = release_catalog(paths)
    assert said["answer"] == "unchanged"
    assert said["reasons"] == ["4 tracks, which others were added to since"]
    assert len(load_served(paths)) == 5
    rollback(paths, ["catalog"])
    assert len(load_served(paths)) == 4
    with pytest.raises(OstinatoError, match="version 1 is held after a rollback; run `ostinato release --resume"):
        add(paths)


def test_what_breaks_off_leaves_the_version_in_service(paths, monkeypatch):
    play(paths.root / "music" / "new.wav", 10)
    monkeypatch.setattr(versions, "add_version", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        add(paths)
    monkeypatch.undo()
    assert len(load_served(paths)) == 4
    assert add(paths).version == 2
    assert len(load_served(paths)) == 5


def test_what_cannot_be_added_to_or_from_is_refused_in_words(paths, tmp_path):
    play(tmp_path / "elsewhere.wav", 30)
    with pytest.raises(OstinatoError, match=r"elsewhere\.wav: lies outside the dataset's folder"):
        add(paths, tmp_path / "elsewhere.wav")
    with pytest.raises(OstinatoError, match=r"nowhere: is no track of the dataset"):
        add(paths, paths.root / "music" / "nowhere")
    current = paths.current_release("catalog")
    put(tmp_path / "other", weight=0.2)
    network = (current / "network.onnx").read_bytes()
    shutil.copyfile(tmp_path / "other" / "network.onnx", current / "network.onnx")
    with pytest.raises(OstinatoError, match=r"network\.onnx: is not the file that was released"):
        add(paths)
    (current / "network.onnx").write_bytes(network)
    shutil.rmtree(paths.releases)
    with pytest.raises(OstinatoError, match="no catalog is in service"):
        add(paths)
    assert not read_json(paths.catalog / "catalog.json")["ids"][4:]


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["x.wav"], "files require --add"), (["--add", "--of", "music"], "choose one of --add and --of")],
)
def test_options_that_do_not_go_together_are_refused(paths, words, reason):
    done = command(paths, *words)
    assert done.returncode == 2
    assert reason in done.stderr
