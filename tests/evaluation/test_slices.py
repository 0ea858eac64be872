"""Figures of parts of the test tracks."""

import numpy as np
import pandas as pd
import pytest

from ostinato.curation import strata
from ostinato.evaluation import slices
from ostinato.evaluation.predictions import ScoredTracks


def problem():
    """Return 24 test tracks of six artists, right on rock and wrong on jazz, and what is known of them."""
    n = 24
    ids = np.array([f"t{i:02d}" for i in range(n)], object)
    genre = np.array(["rock", "jazz"])[np.arange(n) % 2]
    target = np.eye(2, dtype=np.float32)[np.arange(n) % 2]
    scores = np.tile([0.9, 0.1], (n, 1))
    artist = np.array([f"artist {i // 4}" for i in range(n)], object)
    rows = ScoredTracks(ids, scores, target, artist, ids, np.zeros(n, np.int64))
    tracks = pd.DataFrame(
        {
            "track_id": [*ids, "x"],
            "genre": [*genre, "rock"],
            "artist": [*artist, "artist 0"],
            "duration": [*np.linspace(10, 33, n), 5.0],
            "year": [*np.where(np.arange(n) < 6, 1968.0, np.where(np.arange(n) < 20, 1971.0, np.nan)), 1999.0],
            "latitude": [*np.where(np.arange(n) < 12, 48.2, -33.9), 0.0],
            "longitude": [*np.where(np.arange(n) < 12, 16.4, 151.2), 0.0],
        }
    )
    splits = pd.DataFrame({"track_id": tracks["track_id"], "fold": 0, "split": ["test"] * n + ["train"]})
    files = pd.DataFrame({"track_id": tracks["track_id"], "rms_db": np.nan})
    return rows, tracks, files, splits


def compute_slices(kind="single"):
    rows, tracks, files, splits = problem()
    ways = slices.describe(tracks, files, splits, rows)
    return slices.evaluate_slices(rows, ways, kind, 0.5, 0.95)


def count_tracks(found, way):
    return {s["slice"]: (s["n_tracks"], s["n_groups"]) for s in found["by"][way]}


def test_each_way_tiles_the_test_tracks():
    found = compute_slices()
    assert list(found["by"]) == ["genre", "artist", "duration", "year", "place"]  # loudness is nowhere known
    for way in found["by"]:
        assert sum(n for n, _ in count_tracks(found, way).values()) == 24


def test_figures_are_those_of_the_slice_alone():
    found = {s["slice"]: s for s in compute_slices()["by"]["genre"]}
    assert (found["rock"]["value"], found["jazz"]["value"]) == (1.0, 0.0)
    assert 0 < found["rock"]["low"] < found["rock"]["high"] == 1.0


def test_an_artist_is_seen_if_a_training_track_is_theirs():
    assert count_tracks(compute_slices(), "artist") == {"seen": (4, 1), "unseen": (20, 5)}


def test_decades_thirds_and_cells_of_the_map():
    found = compute_slices()
    assert count_tracks(found, "year") == {"1960s": (6, 2), "1970s": (14, 4), "unknown": (4, 1)}
    assert [n for n, _ in count_tracks(found, "duration").values()] == [8, 8, 8]
    assert [name.split(",")[0] for name in count_tracks(found, "duration")] == ["less", "middle", "more"]
    assert set(count_tracks(found, "place")) == {"30 to 60 N, 0 to 60 E", "30 to 60 S, 120 to 180 E"}


def test_one_artist_has_no_interval():
    seen = compute_slices()["by"]["artist"][0]
    assert (seen["low"], seen["high"]) == (None, None)
    assert seen["value"] == 0.5


def test_tags_are_ranked():
    assert compute_slices("multi")["figure"] == "map_samples"


@pytest.mark.parametrize(
    ("point", "cell"),
    [((90.0, 180.0), "60 to 90 N, 120 to 180 E"), ((-89.9, -180.0), "60 to 90 S, 120 to 180 W")],
)
def test_the_ends_of_the_map_have_a_cell(point, cell):
    assert strata.places(pd.DataFrame([point], columns=["latitude", "longitude"])) == [cell]
