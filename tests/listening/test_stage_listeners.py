"""The stages plays and listeners on a small project: files, skips with a reason, the gate, and nobody's name."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from ostinato.cli.stages import run_stage
from ostinato.core.paths import Paths
from ostinato.errors import DataError, ParamsError
from ostinato.io.files import write_json
from ostinato.listening.planted import Habits, place_tracks, plant_plays
from tiny_project import write_cache

IDS = [f"a{i:05d}-t{t:03d}" for i in range(30) for t in range(2)]
GIVEN = {
    "seed": 3,
    "dataset": {"name": "synthetic"},
    "features": {"kinds": {"mfcc": {}}},
    "recommend": {"k": 10},
    "gate": {"listeners": {"sure_gain": {"min": -1.0}}},
}


@pytest.fixture
def project(tmp_path):
    """Return a project with tracks and a feature, whose frames are about the tracks' style."""
    paths = Paths(tmp_path)
    paths.tracks.parent.mkdir(parents=True)
    table = {"ordinal": range(len(IDS)), "track_id": IDS, "artist": [i[:6] for i in IDS], "title": IDS}
    pd.DataFrame(table).to_parquet(paths.tracks)
    rng = np.random.default_rng(0)
    rows = [(s + 0.1 * rng.normal(size=(20, 10))).astype(np.float16) for s in place_tracks(IDS, 10, 3)]
    write_cache(paths.feature("mfcc"), IDS, rows)
    return paths


def run(paths: Paths, *stages: str, **changes) -> dict:
    given = {**GIVEN, **{k: {**GIVEN.get(k, {}), **v} for k, v in changes.items()}}
    paths.params.write_text(yaml.safe_dump(given))
    for stage in stages or ("plays", "listeners"):
        run_stage(stage, root=paths.root)
    return json.loads(paths.listeners.read_text()) if paths.listeners.exists() else {}


def bring(paths: Paths, name: str = "plays.parquet", n_listeners: int = 40) -> pd.DataFrame:
    plays = plant_plays(IDS, place_tracks(IDS, 10, 3), Habits(n_listeners=n_listeners, plays=30), 1)
    folder = paths.raw("synthetic")
    folder.mkdir(parents=True, exist_ok=True)
    plays.to_parquet(folder / name)
    return plays


def test_planted_listeners_go_through_both_stages_with_the_same_bytes(project):
    summary = run(project, listeners={"planted": 60, "n_factors": [4, 8]})
    assert summary["counts"]["n_listeners"] == 60
    assert summary["gate"]["accepted"]
    assert len(summary["tried"]) == 2
    first = [path.read_bytes() for path in outputs(project)]
    assert len(first) == 6
    run(project, listeners={"planted": 60, "n_factors": [4, 8]})
    assert [path.read_bytes() for path in outputs(project)] == first


def outputs(paths: Paths) -> list:
    about = sorted(paths.listening.iterdir())
    return [paths.plays, paths.receipt("plays"), paths.listeners, paths.listeners_table, *about]


def test_plays_beside_the_dataset_are_found_and_no_output_names_a_listener(project):
    plays = bring(project)
    summary = run(project)
    assert summary["counts"]["n_plays"] == len(plays)
    written = b"".join(path.read_bytes() for path in outputs(project)[1:])
    assert b"listener000" not in written
    tracks = pd.read_parquet(project.listening / "tracks.parquet")
    assert tracks["track_id"].tolist() == IDS
    assert (tracks.loc[tracks["n_plays"] == 0, "weight"] == 0).all()


def test_a_dataset_without_plays_is_skipped_with_the_reason(project):
    summary = run(project)
    assert "put plays.parquet beside the dataset" in summary["skipped"]
    assert len(pd.read_parquet(project.plays)) == 0
    assert len(pd.read_parquet(project.listeners_table)) == 0


def test_named_plays_that_are_not_there_are_an_error(project):
    with pytest.raises(DataError, match=r"history\.csv: is not there"):
        run(project, listeners={"plays": "history.csv"})


def test_one_listener_is_skipped_with_the_reason(project):
    bring(project, n_listeners=1)
    assert "2 listeners or more" in run(project)["skipped"]


def test_a_space_that_the_dataset_lacks_is_a_reason_and_an_unknown_one_an_error(project):
    bring(project)
    project.feature("lyrics").mkdir(parents=True)
    write_json(project.feature("lyrics") / "meta.json", {"lacking": "no track has lyrics"})
    assert "lyrics: " in run(project, listeners={"spaces": ["lyrics"]})["skipped"]
    with pytest.raises(ParamsError, match="'chroma' is neither"):
        run(project, listeners={"spaces": ["chroma"]})


def test_the_gate_rejects_what_gains_too_little(project):
    bring(project)
    verdict = run(project, gate={"listeners": {"sure_gain": {"min": 0.9}}})["gate"]
    assert not verdict["accepted"]
    assert "sure_gain" in verdict["reasons"][0]


def test_several_spaces_are_joined(project):
    bring(project)
    rng = np.random.default_rng(1)
    write_cache(project.feature("chroma"), IDS[1:], [rng.normal(size=(5, 3)).astype(np.float16) for _ in IDS[1:]])
    assert run(project, listeners={"spaces": ["mfcc", "chroma"]})["counts"]["n_tracks"] == len(IDS) - 1
