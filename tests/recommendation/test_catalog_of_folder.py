"""`ostinato catalog --of`: a catalog of any folder, brought up to date file by file."""

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from inference.test_predict import put
from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.core.params.schema import Dataset, Serve
from ostinato.core.paths import Paths
from ostinato.datasets import folder as files_of_audio
from ostinato.errors import CatalogError, OstinatoError
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import write_json
from ostinato.recommendation import folder
from ostinato.recommendation.catalog import Catalog, find_root
from ostinato.recommendation.command import Request, make_neighbour_lookup, run
from ostinato.serving import run as serving
from ostinato.serving.app import application as serve_application

PITCHES = {"ada/one/a.wav": 220.0, "ada/one/b.flac": 700.0, "bob/c.wav": 1500.0, "bob/d.wav": 2900.0}


def play(path: Path, frequency: float, **tags: str) -> Path:
    """Write a tone, with tags if the suffix can bear them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(2 * 22050) / 22050
    with soundfile.SoundFile(path, "w", 22050, 1) as file:
        for key, value in tags.items():
            setattr(file, key, value)
        file.write(0.3 * np.sin(2 * np.pi * frequency * time))
    return path


@pytest.fixture
def model(tmp_path) -> Path:
    return put(tmp_path / "released" / "genre", weight=0.05)


@pytest.fixture
def music(tmp_path) -> Path:
    for name, frequency in PITCHES.items():
        tags = {"title": "the b", "artist": "Ada"} if name.endswith("flac") else {}
        play(tmp_path / "music" / name, frequency, **tags)
    return tmp_path / "music"


@pytest.fixture
def decoded_names(monkeypatch) -> list[str]:
    """Count the files that are opened to be read."""
    names, decode, read_tags = list[str](), folder.decode_and_measure, files_of_audio.read_file_tags
    monkeypatch.setattr(
        folder, "decode_and_measure", lambda path, rates: names.append(path.name) or decode(path, rates)
    )
    monkeypatch.setattr(
        files_of_audio, "read_file_tags", lambda path: names.append(f"tags of {path.name}") or read_tags(path)
    )
    return names


def build(model: Path, music: Path, out: Path, **options) -> tuple[folder.Summary, str]:
    err = io.StringIO()
    return folder.build(model, music, out, err=err, **options), err.getvalue()


def contents(out: Path) -> dict[str, bytes]:
    names = ("catalog.json", "vectors.npy", "model.json", "network.onnx", "source.json")
    return {name: (out / name).read_bytes() for name in names}


def test_tracks_stand_where_the_network_places_them(model, music, tmp_path):
    summary, told = build(model, music, tmp_path / "out")
    assert (summary.n_tracks, summary.n_read, summary.n_removed, summary.unreadable, told) == (4, 4, 0, {}, "")
    catalog, network = Catalog.load(tmp_path / "out"), ReleasedModel(model)
    assert catalog.ids == list(PITCHES)
    assert catalog.version == hashlib.sha256((model / "network.onnx").read_bytes()).hexdigest()
    embeddings = np.stack(
        [network.embedding(network.compute_inputs(AudioContext(*audio.load(music / name)))) for name in PITCHES]
    )
    centred = embeddings - embeddings.mean(axis=0)
    np.testing.assert_allclose(catalog.vectors, centred / np.linalg.norm(centred, axis=1, keepdims=True), atol=1e-5)


def test_what_is_known_comes_from_tags_directories_and_a_table(model, music, tmp_path):
    build(model, music, tmp_path / "out")
    known = Catalog.load(tmp_path / "out").metadata
    assert known[0] == {"genre": "ada", "path": "ada/one/a.wav", "duration": 2.0, "tags": []}
    assert (known[1]["artist"], known[1]["title"], known[1]["genre"]) == ("Ada", "the b", "ada")
    (music / "table.csv").write_text("path,artist,album,genre\nbob/c.wav,Bob,Sea,polka\nada/one/b.flac,Eve,,waltz\n")
    summary, _ = build(model, music, tmp_path / "out", table="table.csv")
    assert summary.n_read == 0  # names change without a file being read again
    rows = {row["path"]: row for row in Catalog.load(tmp_path / "out").metadata}
    assert (rows["bob/c.wav"]["artist"], rows["bob/c.wav"]["album"], rows["bob/c.wav"]["genre"]) == (
        "Bob",
        "Sea",
        "polka",
    )
    assert (rows["ada/one/b.flac"]["artist"], rows["ada/one/b.flac"]["title"]) == ("Eve", "the b")


def test_a_second_run_reads_new_files_alone_and_equals_a_first_run(model, music, tmp_path, decoded_names):
    build(model, music, tmp_path / "out")
    decoded_names.clear()
    summary, _ = build(model, music, tmp_path / "out")
    assert (decoded_names, summary.n_read) == ([], 0)
    play(music / "eve" / "new.wav", 400.0)
    play(music / "bob" / "c.wav", 1000.0)  # another sound of the same length
    os.utime(music / "bob" / "c.wav", ns=(1, 1))
    (music / "bob" / "d.wav").unlink()
    summary, _ = build(model, music, tmp_path / "out")
    assert sorted(n for n in decoded_names if "tags" not in n) == ["c.wav", "new.wav"]
    assert (summary.n_tracks, summary.n_read, summary.n_removed) == (4, 2, 1)
    build(model, music, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_workers_change_nothing(model, music, tmp_path):
    build(model, music, tmp_path / "one")
    build(model, music, tmp_path / "many", workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_a_bad_file_is_listed_with_its_reason_and_tried_again(model, music, tmp_path):
    (music / "bob" / "bad.mp3").write_bytes(b"no sound at all")
    (music / "bob" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    summary, told = build(model, music, tmp_path / "out", workers=2)
    assert summary.n_tracks == 4
    assert sorted(summary.unreadable) == ["bob/bad.mp3", "bob/gone.wav"]
    assert "bob/bad.mp3: cannot be decoded" in told
    assert json.loads((tmp_path / "out" / "source.json").read_text())["unreadable"] == summary.unreadable
    (music / "bob" / "bad.mp3").unlink()
    play(music / "bob" / "bad.wav", 300.0).rename(music / "bob" / "bad.mp3")
    summary, _ = build(model, music, tmp_path / "out")
    assert (summary.n_tracks, summary.n_read, list(summary.unreadable)) == (5, 1, ["bob/gone.wav"])


def test_a_track_that_no_network_can_place_well_is_said_to_be_so_every_time(model, music, tmp_path):
    write_json(model / "reference.json", {"bounds": {"max_silence_share": 0.5}})
    tone = 0.3 * np.sin(np.arange(4_000))
    soundfile.write(music / "bob" / "silent.wav", np.concatenate([tone, np.zeros(40_000)]), 22050)
    summary, told = build(model, music, tmp_path / "out")
    assert list(summary.doubtful) == ["bob/silent.wav"]
    assert "bob/silent.wav: its neighbours are unreliable: silent: silence share 0.9" in told
    assert str(summary) == "5 tracks, 5 read now, 0 gone, 0 unreadable, 1 doubtful"
    again, told = build(model, music, tmp_path / "out")
    assert (again.n_read, again.doubtful) == (0, summary.doubtful)
    assert "bob/silent.wav: its neighbours are unreliable" in told
    about = json.loads((tmp_path / "out" / "source.json").read_text())
    assert about["doubtful"] == summary.doubtful
    assert (tmp_path / "out" / "reference.json").read_bytes() == (model / "reference.json").read_bytes()


def test_nothing_readable_is_an_error(model, tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "bad.mp3").write_bytes(b"no sound")
    with pytest.raises(CatalogError, match="none of 1 file can be read"):
        build(model, tmp_path / "music", tmp_path / "out")


def test_a_single_track_makes_a_catalog(model, tmp_path):
    play(tmp_path / "music" / "a.wav", 300.0)
    build(model, tmp_path / "music", tmp_path / "out")
    other = play(tmp_path / "other.wav", 900.0)
    assert [n["track_id"] for n in make_neighbour_lookup(tmp_path / "out", 3).find(str(other), None)] == ["a.wav"]


def test_another_network_reads_all_files_again(model, music, tmp_path):
    build(model, music, tmp_path / "out")
    put(model, weight=0.07)
    summary, _ = build(model, music, tmp_path / "out")
    assert summary.n_read == 4
    assert Catalog.load(tmp_path / "out").version == hashlib.sha256((model / "network.onnx").read_bytes()).hexdigest()


def test_a_run_that_breaks_off_goes_on_where_it_stopped(model, music, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        embed = folder._embed

        def break_off(network: ReleasedModel, path: Path) -> folder.File:
            if path.name == "c.wav":
                raise KeyboardInterrupt
            return embed(network, path)

        patched.setattr(folder, "_embed", break_off)
        with pytest.raises(KeyboardInterrupt):
            build(model, music, tmp_path / "out")
    summary, _ = build(model, music, tmp_path / "out")
    assert (summary.n_tracks, summary.n_read) == (4, 2)


def test_a_damaged_store_of_files_is_read_anew(model, music, tmp_path, capsys):
    build(model, music, tmp_path / "out")
    (tmp_path / "out" / "files.npz").write_bytes(b"PK\3\4 broken")
    summary, _ = build(model, music, tmp_path / "out")
    assert summary.n_read == 4
    assert "is damaged" in capsys.readouterr().err


def test_other_folders_are_not_overwritten(model, music, tmp_path):
    with pytest.raises(CatalogError, match="is not empty and is not the catalog of a folder"):
        build(model, music, music)
    build(model, music, tmp_path / "out")
    play(tmp_path / "other" / "a.wav", 200.0)
    with pytest.raises(CatalogError, match=r"holds the catalog of \.\./music"):
        build(model, tmp_path / "other", tmp_path / "out")


def test_folder_and_catalog_move_together(model, music, tmp_path):
    build(model, music, tmp_path / "out")
    (tmp_path / "moved").mkdir()
    for name in ("music", "out"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert find_root(tmp_path / "moved" / "out") == tmp_path / "moved" / "music"
    assert str(tmp_path) not in (tmp_path / "moved" / "out" / "source.json").read_text()
    out = io.StringIO()
    run(["ada/one/a.wav"], tmp_path / "moved" / "out", Request(k=2), as_json=True, out=out)
    assert len(json.loads(out.getvalue())["track_ids"]) == 2


def test_the_network_is_that_of_the_task(tmp_path):
    with pytest.raises(OstinatoError, match="no model is released"):
        folder.find_network(tmp_path / "released", tmp_path / "catalog", None)
    genre, tags = put(tmp_path / "released" / "genre"), put(tmp_path / "released" / "tags", task="tags")
    assert folder.find_network(tmp_path / "released", tmp_path / "catalog", None) == genre
    assert folder.find_network(tmp_path / "released", tmp_path / "catalog", "tags") == tags
    with pytest.raises(CatalogError, match="holds no network of artist_embedding"):
        folder.find_network(tmp_path / "released", tmp_path / "catalog", "artist_embedding")
    space = put(tmp_path / "catalog", task="artist_embedding")
    assert folder.find_network(tmp_path / "released", tmp_path / "catalog", "artist_embedding") == space


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ostinato", *words], cwd=root, capture_output=True, text=True)


def test_the_commands_need_no_project_and_no_torch(model, music, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "released").rename(tmp_path / "models" / "released")
    code = (
        "import sys\nfrom ostinato.cli import app\n"
        "app(['catalog', '--of', 'music', '--out', 'out', '--task', 'genre'], standalone_mode=False)\n"
        "print(sorted({'torch', 'lightning', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["out: 4 tracks, 4 read now, 0 gone, 0 unreadable", "[]"]
    done = command(tmp_path, "recommend", "music/bob/c.wav", "--catalog", "out", "-k", "9", "--json", "--m3u", "x.m3u")
    assert sorted(json.loads(done.stdout)["track_ids"]) == sorted(PITCHES.keys() - {"bob/c.wav"})
    assert str(music / "bob" / "d.wav") in (tmp_path / "x.m3u").read_text()
    done = command(tmp_path, "predict", "music/bob/c.wav", "--recommend", "--catalog", "out", "--json")
    assert {n["track_id"] for n in json.loads(done.stdout)["neighbours"]} == PITCHES.keys() - {"bob/c.wav"}
    (music / "bad.mp3").write_bytes(b"no sound")
    done = command(tmp_path, "catalog", "--of", "music", "--out", "out", "--workers", "2")
    assert (done.returncode, done.stdout) == (1, "out: 4 tracks, 0 read now, 0 gone, 1 unreadable\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--of", "."], "--of needs --out"),
        (["--out", "x"], "require --of"),
        (["--of", "nowhere", "--out", "x"], "does not exist"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, words, reason):
    done = command(tmp_path, "catalog", *words)
    assert done.returncode == 2
    assert reason in done.stderr


@pytest.mark.parametrize("by", ["option", "params"])
def test_the_service_takes_the_catalog_and_its_folder(model, music, tmp_path, monkeypatch, by):
    build(model, music, tmp_path / "out")
    made: dict[str, Path] = {}

    class Stop(Exception):
        """Instead of listening."""

    def application(releases: Path, catalog: Path, sounds: Path, *rest: object) -> None:
        made.update(catalog=catalog, sounds=sounds)
        raise Stop

    monkeypatch.setattr(serving, "application", application)
    given = SimpleNamespace(serve=Serve(catalog="out" if by == "params" else None), dataset=Dataset(name="synthetic"))
    option = tmp_path / "out" if by == "option" else None
    with pytest.raises(Stop):
        serving.serve(Paths(tmp_path), given, catalog=option)
    assert made == {"catalog": tmp_path / "out", "sounds": music}
    client = TestClient(serve_application(tmp_path / "released", made["catalog"], made["sounds"]), "http://localhost")
    assert client.get("/v1/tracks").json()["n_tracks"] == 4
    assert client.get("/v1/audio", params={"track": "bob/c.wav"}).content == (music / "bob" / "c.wav").read_bytes()
    with pytest.raises(CatalogError, match="holds no catalog"):
        serving.serve(Paths(tmp_path), given, catalog=tmp_path / "released")
