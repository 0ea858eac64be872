"""`ostinato recommend` on a catalog of a network whose embedding can be worked out by hand."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from finished_project import description, write_network
from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.errors import CatalogError
from ostinato.features import mel
from ostinato.inference import predict
from ostinato.inference.answers import answer_file, audio_warnings
from ostinato.inference.formats import Json
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import write_json
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.command import Request, make_neighbour_lookup, run

PARAMETERS = {"sample_rate": 8000, "n_mels": 8, "n_fft": 512, "hop_length": 256}
TONES = {"low": 220.0, "middle": 900.0, "high": 3000.0}


def play(path: Path, frequency: float) -> Path:
    t = np.arange(3 * 22050) / 22050
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * frequency * t), 22050)
    return path


def embed_file(folder: Path, file: Path) -> np.ndarray:
    rows = np.asarray(mel.compute(AudioContext(*audio.load(file)), **PARAMETERS), np.float16)
    return ReleasedModel(folder).embedding({"mel": rows.astype(np.float32)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a catalog of three tones."""
    (tmp_path / "catalog").mkdir()
    write_network(tmp_path / "catalog", ["a", "b"], 1.0)
    about = description("tiny", "genre", ["a", "b"], "folder")
    about["inputs"]["mel"]["parameters"] = PARAMETERS
    write_json(tmp_path / "catalog" / "model.json", about)
    files = [play(tmp_path / f"{name}.wav", hertz) for name, hertz in TONES.items()]
    version = hashlib.sha256((tmp_path / "catalog" / "network.onnx").read_bytes()).hexdigest()
    known = [{"artist": f"the {n}s", "title": n, "path": f"{n}.wav", "duration": 3.0, "genre": "tone"} for n in TONES]
    vectors = np.stack([embed_file(tmp_path / "catalog", f) for f in files])
    Catalog(list(TONES), vectors, known, version=version).save(tmp_path / "catalog")
    return tmp_path


def run_recommend(
    folder: Path, *seeds: str, as_json: bool = True, playlist: Path | None = None, err=None, **options
) -> str:
    out = io.StringIO()
    where = {"playlist": playlist, "root": folder, "out": out, "err": err}
    run(seeds, folder / "catalog", Request(**options), as_json=as_json, **where)
    return out.getvalue()


def test_json_names_seeds_model_tracks_and_scores(folder):
    answer = json.loads(run_recommend(folder, "low", k=5))
    assert list(answer) == ["seeds", "model", "track_ids", "scores", "reasons"]
    assert answer["reasons"] == {}
    assert (answer["seeds"], answer["model"], sorted(answer["track_ids"])) == (["low"], "tiny", ["high", "middle"])
    assert answer["scores"] == sorted(answer["scores"], reverse=True)


def test_a_file_outside_the_catalog_is_placed_by_the_network(folder):
    """A tone a little higher than a track's is nearest to that track."""
    other = play(folder / "unknown.wav", 1.02 * TONES["middle"])
    answer = json.loads(run_recommend(folder, str(other), k=3))
    assert answer["track_ids"][0] == "middle"
    assert len(answer["track_ids"]) == 3
    catalog = Catalog.load(folder / "catalog")
    unit = catalog.units(embed_file(folder / "catalog", other)[np.newaxis], version=catalog.version)[0]
    np.testing.assert_allclose(answer["scores"][0], catalog.vectors[catalog.row("middle")] @ unit, atol=1e-6)


def test_a_file_that_no_network_can_place_well_is_said_to_be_so(folder):
    """Silence, channels that cancel each other, and a file that is cut off: as `ostinato predict` says."""
    bounds = {"max_silence_share": 0.5, "max_mono_loss_db": 6.0}
    write_json(folder / "catalog" / "reference.json", {"bounds": bounds})
    tone = audio.load(folder / "low.wav")[0]
    silent, opposite, cut = (folder / f"{name}.wav" for name in ("silent", "opposite", "cut"))
    soundfile.write(silent, np.concatenate([0.01 * tone[:99], 0 * tone]), 22050)
    soundfile.write(opposite, np.stack([tone, -0.99 * tone], axis=1), 22050)
    cut.write_bytes((folder / "low.wav").read_bytes()[:60_000])
    err = io.StringIO()
    for file, words in ((silent, "silent: "), (opposite, "channels in opposite phase: "), (cut, "is cut off: ")):
        answer = json.loads(run_recommend(folder, str(file), k=2, err=err))
        (expected,) = answer_file(file, [ReleasedModel(folder / "catalog")])
        assert answer["reasons"] == {str(file): audio_warnings(expected)}
        assert answer["reasons"][str(file)][0].startswith(words)
        assert f"{file}: its neighbours are unreliable: {words}" in err.getvalue()


def test_a_file_of_the_catalog_is_answered_as_its_track_is(folder):
    """By either way the recording itself is left out, and so is its artist; under another name, too."""
    copy = shutil.copy(folder / "middle.wav", folder / "copy.wav")
    for level in ("track", "artist"):
        by_id = json.loads(run_recommend(folder, "middle", k=3, level=level))
        by_file = json.loads(run_recommend(folder, str(copy), k=3, level=level))
        assert by_file["track_ids"] == by_id["track_ids"]
        np.testing.assert_allclose(by_file["scores"], by_id["scores"], atol=1e-5)
        assert len(by_file["track_ids"]) == 2
    near = make_neighbour_lookup(folder / "catalog", 3).find(str(copy), None)
    assert [n["track_id"] for n in near] == json.loads(run_recommend(folder, str(copy), k=3))["track_ids"]


def test_a_path_is_made_between_tracks_called_by_their_names(folder):
    by_id = json.loads(run_recommend(folder, "low", "high", k=3, smooth=True))["track_ids"]
    assert by_id == ["low", "middle", "high"]
    assert json.loads(run_recommend(folder, "The Lows - low", "High", k=3, smooth=True))["track_ids"] == by_id


def test_text_tells_who_plays(folder):
    lines = run_recommend(folder, "low", as_json=False, k=2).splitlines()
    assert len(lines) == 2
    assert all("the " in line and "(tone)" in line for line in lines)


def test_artists_as_answers(folder):
    assert json.loads(run_recommend(folder, "low", level="artist", k=1))["track_ids"][0] in ("the middles", "the highs")
    assert json.loads(run_recommend(folder, "the lows", level="artist", k=2)) != []


def test_a_playlist_names_the_files(folder):
    run_recommend(folder, "low", "high", k=3, smooth=True, playlist=folder / "list.m3u")
    lines = (folder / "list.m3u").read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[1] == "#EXTINF:3,the lows - low"
    assert [line for line in lines if not line.startswith("#")] == [
        str(folder / f"{n}.wav") for n in ("low", "middle", "high")
    ]


def test_a_network_exchanged_under_the_catalog_is_refused(folder):
    write_network(folder / "catalog", ["a", "b"], 2.0)
    with pytest.raises(CatalogError, match="do not belong in a catalog of network"):
        run_recommend(folder, str(folder / "low.wav"))


def test_neither_a_track_nor_a_file(folder):
    with pytest.raises(CatalogError, match="'lo' is not in the catalog of 3 tracks; do you mean low"):
        run_recommend(folder, "lo")


def test_a_folder_is_no_seed(folder):
    with pytest.raises(CatalogError, match="catalog: is a folder; give files in it"):
        run_recommend(folder, str(folder / "catalog"))


@pytest.mark.parametrize("name", ["nowhere.mp3", "music/nowhere"])
def test_a_file_that_is_not_there_is_spoken_of(folder, name):
    with pytest.raises(CatalogError, match=f"{name}: no such file, and no track in the catalog has this name"):
        run_recommend(folder, name)


def test_a_track_may_be_called_by_its_name(folder):
    by_id = json.loads(run_recommend(folder, "low", k=2))["track_ids"]
    assert json.loads(run_recommend(folder, "The Lows - LOW", k=2))["track_ids"] == by_id


def test_a_name_of_several_tracks_names_them():
    known = [{"title": "Intro", "artist": "a"}, {"title": "intro", "artist": "b"}, {"title": "Outro"}]
    catalog = Catalog(["x", "y", "z"], np.eye(3), known, version="v")
    assert (catalog.find_by_title("a - intro"), catalog.find_by_title("outro"), catalog.find_by_title("none")) == (
        "x",
        "z",
        None,
    )
    with pytest.raises(CatalogError, match=r"'intro' is the title of 2 tracks: x a - Intro; y b - intro; give an id"):
        catalog.find_by_title("intro")


def test_a_playlist_of_artists_is_refused(folder):
    with pytest.raises(CatalogError, match="remove --of"):
        run_recommend(folder, "low", level="artist", playlist=folder / "x.m3u")


def test_the_command_imports_neither_torch_nor_pandas(folder):
    (folder / "params.yaml").write_text("dataset: {name: folder}\nfeatures: {kinds: {mel: {}}}\n")
    (folder / "models" / "released").mkdir(parents=True)
    (folder / "catalog").rename(folder / "models" / "released" / "catalog")
    code = (
        "import sys\nfrom ostinato.cli import app\n"
        f"app(['recommend', {str(folder / 'low.wav')!r}, '-k', '2', '--json'], standalone_mode=False)\n"
        "print(sorted({'torch', 'pandas', 'pytorch_lightning', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer, modules = done.stdout.strip().splitlines()
    assert sorted(json.loads(answer)["track_ids"]) == ["high", "middle"]
    assert modules == "[]"


def test_filters_weights_and_a_history_reach_the_answer(folder, monkeypatch):
    """By the command line itself, on a catalog of three tones of one genre."""
    from typer.testing import CliRunner

    from ostinato.cli import app

    def call(*options: str) -> list[str]:
        result = CliRunner().invoke(app, ["recommend", *options, "--catalog", str(folder / "catalog"), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["track_ids"]

    monkeypatch.chdir(folder)
    monkeypatch.setattr("ostinato.cli.models._find_catalog", lambda catalog: (catalog, folder))
    (folder / "history.csv").write_text("track_id,plays\nlow,3\n")
    assert call("low", "--genre", "tone") == call("low")
    assert call("low", "--genre", "noise") == []
    assert call("low", "--years", "1990-2000") == []
    assert call("--history", str(folder / "history.csv")) == call("low")
    assert call("low", "high", "--weight", "1", "--weight", "2") == ["middle"]
    wrong = CliRunner().invoke(
        app, ["recommend", "low", "--weight", "1", "--weight", "2", "--catalog", str(folder / "catalog")]
    )
    assert "one above 0 for each seed, 1 in all" in str(wrong.exception)


def test_a_path_between_two_tracks_takes_no_filter(folder):
    from ostinato.recommendation.filters import Filter

    with pytest.raises(CatalogError, match="remove --smooth"):
        run_recommend(folder, "low", "high", smooth=True, keep=Filter(genres=frozenset({"tone"})))


def test_answers_from_another_catalog_are_made_anew(folder):
    """The catalog gains a track, then more neighbours are wanted; a model asked alone takes the lines as they are."""
    file, out, catalog = play(folder / "mine.wav", 500.0), folder / "out", folder / "catalog"
    shutil.copytree(catalog, folder / "released" / "genre")

    def go_on(k):
        err = io.StringIO()
        near = make_neighbour_lookup(catalog, k) if k else None
        assert predict.run([file], folder / "released", form=Json(), out=out, near=near, err=err) == 0
        (answer,) = map(json.loads, out.read_text().splitlines())
        return err.getvalue(), [n["track_id"] for n in answer["neighbours"]]

    assert go_on(5)[1] == json.loads(run_recommend(folder, str(file), k=5))["track_ids"]
    same, again = "out: 0 new, 1 already there", "out: 1 new (1 of them again: the file, the model or the catalog"
    assert same in go_on(5)[0]
    grown, new = Catalog.load(catalog), embed_file(catalog, play(folder / "new.wav", 600.0))
    grown.add(["new"], new[np.newaxis], version=grown.version)
    grown.save(catalog)
    said, neighbours = go_on(5)
    assert again in said
    assert "new" in neighbours
    said, neighbours = go_on(2)
    assert again in said
    assert len(neighbours) == 2
    assert same in go_on(None)[0]
