"""What spaces are asked, and the table of their answers, on tracks whose right order is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from memory import trace_peak
from ostinato.evaluation.similarity import queries
from ostinato.evaluation.similarity.artist_embedding import evaluate_vectors
from ostinato.evaluation.similarity.leaderboard import evaluate_spaces
from ostinato.evaluation.similarity.queries import build_queries, unit

ARTISTS, TRACKS = 12, 3


def world(rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, set[str]], np.ndarray]:
    """Return artists on a circle, three tracks each, two genres, related to both neighbours, and where they stand."""
    angle = np.repeat(2 * np.pi * np.arange(ARTISTS) / ARTISTS, TRACKS)
    angle = angle + rng.normal(0, 0.01, len(angle))
    tracks = pd.DataFrame(
        {
            "track_id": [f"t{i:02d}" for i in range(ARTISTS * TRACKS)],
            "artist": np.repeat([f"a{i:02d}" for i in range(ARTISTS)], TRACKS),
            "genre": np.where(np.sin(angle) > 0.01, "up", "down"),
            "tags": [["x", "y"] if i % 2 else ["x"] for i in range(ARTISTS * TRACKS)],
            "split": np.repeat(np.where(np.arange(ARTISTS) % 3 == 0, "test", "train"), TRACKS),
        }
    )
    near = {f"a{i:02d}": {f"a{(i + s) % ARTISTS:02d}" for s in (-1, 1)} for i in range(ARTISTS)}
    return tracks, near, np.stack([np.cos(angle), np.sin(angle)], axis=1)


def list_queries(tracks: pd.DataFrame, near: dict[str, set[str]] | None) -> dict[tuple[str, str], object]:
    split = tracks["split"].to_numpy()
    found = build_queries(tracks, near, cold=split == "test", known=split == "train", seed=0)
    return {(q.name, q.split): q for q in found}


def test_cold_and_known_seeds_are_apart(rng):
    tracks, near, _ = world(rng)
    found = list_queries(tracks, near)
    assert set(found) == {(n, s) for n in ("related", "genre", "tags") for s in ("cold", "known")}
    assert found["related", "cold"].seeds.tolist() == [0, 3, 6, 9]
    assert set(found["genre", "cold"].seeds) | set(found["genre", "known"].seeds) == set(range(36))


def test_the_seed_s_own_artist_is_no_answer(rng):
    tracks, near, places = world(rng)
    question = list_queries(tracks, near)["genre", "known"]
    items = question.embed_items(places)
    preds = question.rank(items[question.seeds] @ items.T, 36)
    artist = tracks["artist"].to_numpy()
    assert not (artist[np.maximum(preds, 0)] == artist[question.seeds][:, None])[preds >= 0].any()
    assert ((preds >= 0).sum(axis=1) == 33).all()
    assert not question.target[question.is_excluded].any()


def test_tags_are_graded_by_how_many_are_shared(rng):
    tracks, near, _ = world(rng)
    question = list_queries(tracks, near)["tags", "known"]
    other = {s: i for i, s in enumerate(question.seeds)}
    assert question.target[other[5], 7] == 2  # x and y
    assert question.target[other[5], 8] == 1


def test_without_relations_only_labels_are_asked(rng):
    tracks, _, _ = world(rng)
    assert {name for name, _ in list_queries(tracks, None)} == {"genre", "tags"}


def test_an_artist_is_the_mean_direction_of_its_tracks(rng):
    tracks, near, places = world(rng)
    items = list_queries(tracks, near)["related", "cold"].embed_items(places * rng.uniform(1, 9, (36, 1)))
    expected = unit(np.stack([places[3 * i : 3 * i + 3].mean(axis=0) for i in range(ARTISTS)]))
    np.testing.assert_allclose(items, expected, atol=1e-9)


def test_the_true_space_beats_chance_and_popularity(rng):
    tracks, near, places = world(rng)
    spaces = {"true": places, "mfcc": rng.normal(size=places.shape)}
    table = evaluate_spaces(
        spaces,
        list(list_queries(tracks, near).values()),
        popularity=np.ones(36),
        baseline="mfcc",
        k=2,
        confidence=0.95,
        seed=0,
    )
    assert set(table) == {"true", "mfcc", "random", "popular"}
    related = {name: figures["related_cold"] for name, figures in table.items()}
    assert (related["true"]["map"]["value"], related["true"]["map"]["high"]) == (1.0, 1.0)
    assert related["true"]["jaccard"]["value"] == 1.0
    assert related["true"]["map_above_mfcc"]["low"] > 0
    assert max(related[n]["map"]["value"] for n in ("random", "popular")) < 0.7
    assert related["true"]["far_off"]["value"] == 0.0
    assert sum(related["popular"]["strata"]["recommended"]) == pytest.approx(1)
    assert related["popular"]["coverage"] < related["true"]["coverage"]


def test_a_candidate_of_the_artist_space_is_judged_by_direction_and_by_neighbours(rng):
    tracks, near, places = world(rng)
    artists = pd.DataFrame(
        {
            "artist": list(near),
            "related": [sorted(n) for n in near.values()],
            "vector": [*unit(places[::3])[:-1], None],
        }
    )
    found = evaluate_vectors(tracks.assign(logits=list(7 * places)), artists, confidence=0.95, seed=0)
    assert found["test"]["cosine"]["value"] == pytest.approx(1, abs=1e-3)
    # 20 ranks for 11 others: both relatives stand first
    assert found["test"]["map"]["value"] == 1.0
    assert found["baseline"]["mean"]["cosine"]["value"] < 0.5
    assert found["split"] == {"n_tracks": 36, "n_test": 12, "n_groups": 4}
    turned = evaluate_vectors(tracks.assign(logits=list(-places)), artists, confidence=0.95, seed=0)
    assert turned["test"]["cosine"]["value"] == pytest.approx(-1, abs=1e-3)


def test_spaces_of_tables_are_judged_by_distance(rng):
    """Genres lie on one ray, near and far: directions tell nothing of them, distances all."""
    tracks = pd.DataFrame({"artist": [f"a{i}" for i in range(24)], "genre": ["near", "far"] * 12, "tags": None})
    points = np.outer(np.where(tracks["genre"] == "near", 1.0, 9.0), [3.0, 4.0])
    spaces = {"table": points + 0.01 * rng.normal(size=points.shape), "mfcc": rng.normal(size=(24, 5))}
    half = np.arange(24) < 12
    every = list(build_queries(tracks, None, cold=half, known=~half, seed=0))
    limits = {"popularity": np.ones(24), "baseline": "mfcc", "k": 5, "confidence": 0.95, "seed": 0}
    by_distance = evaluate_spaces(spaces, every, by_distance={"table"}, **limits)["table"]["genre_cold"]
    by_cosine = evaluate_spaces(spaces, every, **limits)["table"]["genre_cold"]
    assert by_distance["map"]["value"] == 1
    assert by_cosine["map"]["value"] < 0.9


def crowd(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, dict[str, set[str]]]:
    """Return tracks with labels at random, and artists related at random."""
    artists = [f"a{i}" for i in range(n // 4)]
    tracks = pd.DataFrame(
        {
            "artist": rng.choice(artists, n),
            "genre": rng.choice(["x", "y", "z"], n),
            "tags": [list(rng.choice(["p", "q", "r"], rng.integers(0, 3), replace=False)) for _ in range(n)],
            "split": rng.choice(["test", "train"], n),
        }
    )
    return tracks, {artist: set(rng.choice(artists, 3)) for artist in artists}


def judge(tracks: pd.DataFrame, near: dict[str, set[str]] | None, spaces: dict[str, np.ndarray]) -> dict[str, object]:
    limits = {"popularity": np.ones(len(tracks)), "baseline": "grid", "k": 10, "confidence": 0.95, "seed": 0}
    return evaluate_spaces(spaces, list(list_queries(tracks, near).values()), by_distance={"grid"}, **limits)


def test_figures_do_not_depend_on_how_many_seeds_are_looked_at_together(monkeypatch, rng):
    tracks, near = crowd(rng, 160)
    spaces = {"drawn": rng.normal(size=(160, 6)), "grid": rng.integers(0, 3, (160, 2)).astype(float)}  # with ties
    whole = judge(tracks, near, spaces)
    monkeypatch.setattr(queries, "CELLS", 1)
    assert judge(tracks, near, spaces) == whole


def judge_by_small_blocks(tracks, spaces):
    queries.CELLS = 1 << 16
    judge(tracks, None, spaces)


def test_memory_does_not_grow_with_seeds_times_items(rng):
    """A table of 600 seeds and 2,400 tracks takes 12 MB, and six were held for each question."""
    tracks, _ = crowd(rng, 2_400)
    tracks["split"] = np.where(rng.random(2_400) < 0.25, "test", "train")
    spaces = {"drawn": rng.normal(size=(2_400, 6)), "grid": rng.normal(size=(2_400, 2))}
    assert trace_peak(judge_by_small_blocks, tracks, spaces) < 20e6


@settings(max_examples=50, deadline=None)
@given(data=st.data(), k=st.integers(1, 9), levels=st.integers(1, 4))
def test_items_that_are_equally_near_keep_their_order(data, k, levels):
    """As a stable sort of all of them has it."""
    tracks = pd.DataFrame({"artist": [f"a{i // 2}" for i in range(8)], "genre": ["x", "y"] * 4, "tags": None})
    every = np.ones(8, bool)
    question = next(queries.build_queries(tracks, None, cold=every, known=~every, seed=0))
    similarity = data.draw(arrays.arrays(np.float64, (8, 8), elements=st.integers(0, levels - 1)))
    order = np.argsort(np.where(question.is_excluded, np.inf, -similarity), axis=1, kind="stable")[:, :k]
    expected = np.full((8, k), -1)
    expected[:, : order.shape[1]] = np.where(np.take_along_axis(question.is_excluded, order, axis=1), -1, order)
    assert question.rank(similarity, k).tolist() == expected.tolist()
