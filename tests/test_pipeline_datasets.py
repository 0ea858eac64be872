"""The chain on other kinds of dataset, with nothing changed but `dataset.name`: what one cannot serve is skipped."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from ostinato.cli.stages import run_stage
from ostinato.core import params
from ostinato.core.paths import Paths
from ostinato.pipeline import plan
from ostinato.release import release

RATE = 22_050
GENRES = ("blues", "jazz", "rock")
CANDIDATE = ("tune", "train", "infer", "evaluate")
GIVEN = {
    "seed": 3,
    "compute": {"workers": 1, "threads": 1},
    "validate": {"min_seconds": 1.0},
    "split": {"min_tag_tracks": 2},
    "features": {"kinds": {"mfcc": {}, "lyrics": {}, "attributes": {}}},
    "tune": {"n_trials": 0},
    "candidates": {"words": {"architecture": "lyrics", "feature": "lyrics", "task": "genre"}},
    "estimators": {
        "svm": {"estimator": "mfcc_svm", "feature": "mfcc", "task": "genre"},
        "most": {"estimator": "majority", "feature": "mfcc", "task": "genre"},
        "told": {"estimator": "knn", "feature": "attributes", "task": "genre", "options": {"n_neighbors": 3}},
    },
    "gate": {"genre": {"accuracy": {"min": 0.0}}, "space": {"map": {"min": 0.0}}},
}
NETWORK = {"time": {"architecture": "time", "feature": "mel", "task": "genre", "train": {"max_epochs": 2}}}
SERVED = {"svm", "most"}


def clip(path: Path, genre: int, seed: int, **kwargs) -> None:
    """Write two seconds of notes; a genre has its own register."""
    rng, t = np.random.default_rng(seed), np.arange(2 * RATE) / RATE
    notes = 200 * 2.0 ** (genre + rng.uniform(0, 1, (4, 1)))
    y = 0.1 * (np.sin(2 * np.pi * notes * t) * (np.sin(2 * np.pi * rng.uniform(1, 4, (4, 1)) * t) > 0)).sum(axis=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y + 0.001 * rng.normal(size=len(t)), RATE, **kwargs)


def gtzan(root: Path) -> dict:
    for i in range(24):
        clip(root / f"genres/{GENRES[i % 3]}/{GENRES[i % 3]}.{i:05d}.wav", i % 3, i)
    return {}


def folder(root: Path) -> dict:
    for i in range(24):
        clip(root / f"{GENRES[i % 3]}/an odd näme's {i}.flac", i % 3, i)
    return {}


def fma(root: Path) -> dict:
    """Write the metadata as published, two rows of names and one for the index."""
    columns = {
        ("set", "split"): "training",
        ("set", "subset"): "small",
        ("track", "genre_top"): "",
        ("track", "genres_all"): "",
    }
    columns |= {("track", "title"): "a title", ("artist", "name"): "", ("album", "title"): ""}
    columns |= {
        ("artist", "latitude"): "40.1",
        ("artist", "longitude"): "-74.4",
        ("album", "date_released"): "2009-01-05",
    }
    (root / "fma_metadata").mkdir(parents=True)
    with open(root / "fma_metadata/tracks.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerows(
            [["", *(c[0] for c in columns)], ["", *(c[1] for c in columns)], ["track_id", *[""] * len(columns)]]
        )
        for i in range(24):
            told = {"genre_top": GENRES[i % 3], "genres_all": f"[{i % 3}]", "name": f"Artist {i // 2}"}
            told["title"] = f"a title of artist {i // 2}"  # of the track, and of the album
            out.writerow([i, *(told.get(c[1], value) for c, value in columns.items())])
            clip(root / f"fma_small/000/{i:06d}.mp3", i % 3, i)
    rows = [f"{i},8,0,{genre},{i}" for i, genre in enumerate(GENRES)]
    (root / "fma_metadata/genres.csv").write_text("\n".join(["genre_id,#tracks,parent,title,top_level", *rows]))
    (root / "fma_small/000/000023.mp3").write_bytes(b"cut off")
    return {"subset": "small"}


def spotify_attributes(root: Path) -> dict:
    from ostinato.curation.attributes import NUMBERS

    rng = np.random.default_rng(0)
    rows = [
        f"{GENRES[i % 3]},Artist {i // 2},t{i},{i % 12},1,4,{1990 + i % 5},"
        + ",".join(f"{x:.4f}" for x in rng.uniform(size=10) + i % 3)
        for i in range(60)
    ]
    head = f"genre,artist,track_id,key,mode,time_signature,year,{','.join(NUMBERS)}"
    root.mkdir(parents=True)
    (root / "tracks.csv").write_text("\n".join([head, *rows]))
    return {}


def chain(root: Path, name: str, options: dict, **changes: dict) -> Paths:
    """Run all stages in this process, in the graph's order."""
    given = {**GIVEN, **changes, "dataset": {"name": name, **options}}
    (root / "params.yaml").write_text(yaml.safe_dump(given))
    entries = [*given["candidates"], *given["estimators"]]
    for stage in ("ingest", "validate", "split", "artists", "featurize"):
        run_stage(stage, root=root)
    for entry in entries:
        for stage in CANDIDATE:
            run_stage(stage, entry, root)
    run_stage("gate", root=root)
    for entry in entries:
        run_stage("export", entry, root)
    for stage in ("rank", "catalog", "report"):
        run_stage(stage, root=root)
    return Paths(root)


def outcome(paths: Paths, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, str], str]:
    """Return what the gate says of who was skipped, after checks that hold of every dataset."""
    gate, page = json.loads(paths.gate.read_text()), (paths.report / "index.html").read_text()
    given = params.load(paths.params)
    plan.command(paths, params.only(given, plan.SECTIONS))
    assert "total time" in capsys.readouterr().out
    assert release.release(paths, params.only(given, release.SECTIONS))["genre"]["answer"] == "released"
    skipped = {n: v["reasons"][0].removeprefix("skipped: ") for n, v in gate.items() if "skipped" in v["reasons"][0]}
    for name, reason in skipped.items():
        assert name in page
        assert reason in page
    assert all(gate[n]["accepted"] for n in set(gate) - set(skipped))
    return skipped, page


def test_a_table_of_attributes_serves_estimators_of_attributes(tmp_path, capsys):
    paths = chain(tmp_path, "spotify_attributes", spotify_attributes(tmp_path / "data/raw/spotify_attributes"))
    skipped, page = outcome(paths, capsys)
    assert set(skipped) == {"words", *SERVED}
    assert skipped["svm"] == "the dataset has no audio"
    assert json.loads(paths.metrics("told").read_text())["test"]["accuracy"]["value"] > 0.6
    assert 'id="attributes"' in page


def test_an_archive_of_mp3_is_served_as_published(tmp_path, capsys):
    paths = chain(tmp_path, "fma", fma(tmp_path / "data/raw/fma"))
    skipped, page = outcome(paths, capsys)
    assert set(skipped) == {"words", "told"}
    assert "000023.mp3" in page
    assert 'id="people"' in page


@pytest.mark.slow
@pytest.mark.parametrize("write", [gtzan, folder, fma], ids=lambda write: write.__name__)
def test_datasets_with_audio_serve_networks_too(tmp_path, capsys, write):
    changes = {
        "candidates": GIVEN["candidates"] | NETWORK,
        "features": {"kinds": {**GIVEN["features"]["kinds"], "mel": {}}},
    }
    paths = chain(tmp_path, write.__name__, write(tmp_path / f"data/raw/{write.__name__}"), **changes)
    assert set(outcome(paths, capsys)[0]) == {"words", "told"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gtzan", "folder", "spotify_attributes"])
def test_real_files_go_through_too(tmp_path, capsys, shared_data, name):
    options = {
        "gtzan": {"path": "gtzan_mini", "artists": str(shared_data / "splits/gtzan_tracks.csv")},
        "folder": {"path": "fma_000", "table": "labels.csv"},
        "spotify_attributes": {"table": "table.csv"},
    }[name]
    if name == "folder":
        rows = (shared_data / "fma_000_labels.csv").read_text().split()
        padded = [f"{int(row.split(',')[0]):06d},{row.split(',')[1]}" for row in rows]
        (tmp_path / "labels.csv").write_text("\n".join(["track_id,genre", *padded]))
        options["table"] = str(tmp_path / "labels.csv")
    if name == "spotify_attributes":
        lines = (shared_data / "tables/spotify_genres_v2_42896.csv").read_text(encoding="utf-8").splitlines()
        (tmp_path / "table.csv").write_text("\n".join([lines[0], *lines[1::40]]), encoding="utf-8")
        options["table"] = str(tmp_path / "table.csv")
    if "path" in options:
        options["path"] = str(shared_data / options["path"])
    skipped, _ = outcome(chain(tmp_path, name, options), capsys)
    assert set(skipped) == ({"words", *SERVED} if name == "spotify_attributes" else {"words", "told"})
