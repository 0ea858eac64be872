"""The graph of artists, and how well a space agrees with it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ostinato.curation.artist_graph import Relations, build_relations, from_pairs
from ostinato.errors import GraphError
from ostinato.evaluation.similarity.artist_graph import compare_neighbourhoods, score_held_out


def make_ring(n: int) -> Relations:
    """Relate everyone to both neighbours on a circle."""
    return from_pairs(tuple(f"a{i}" for i in range(n)), np.array([[i, (i + 1) % n] for i in range(n)]))


def place_on_circle(n: int) -> np.ndarray:
    """Place artists on a circle, evenly."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_a_relation_holds_both_ways_and_counts_once():
    graph = build_relations(["a", "b", "c", "d"], [("a", "b"), ("b", "a"), ("a", "b"), ("c", "a"), ("c", "c")])
    assert graph.links.toarray().astype(int).tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert graph.pairs.tolist() == [[0, 1], [0, 2]]
    assert graph.degree.tolist() == [2, 1, 1, 0]
    assert graph.neighbours(0).tolist() == [1, 2]


def test_an_isolated_artist_stays():
    assert build_relations(["a", "b", "c"], [("a", "b")]).isolated_artists.tolist() == [2]
    assert build_relations(["a"], []).isolated_artists.tolist() == [0]


@pytest.mark.parametrize(
    ("names", "pairs", "message"),
    [
        (["a", "b"], [("a", "z")], "'a' is related to 'z', but 'z' is not listed"),
        (["a", "b", "a"], [], "'a' is listed twice"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(names, pairs, message):
    with pytest.raises(GraphError, match=message):
        build_relations(names, pairs)


def test_among_some_artists_only_their_own_relations_are_left():
    kept = np.array([True, True, True, False, True])
    assert make_ring(5).restrict(kept).pairs.tolist() == [[0, 1], [0, 4], [1, 2]]
    assert len(make_ring(5).restrict(kept)) == 5


def test_held_out_relations_are_parted_and_nobody_is_left_alone():
    graph = make_ring(40)
    left, taken = graph.hold_out(0.3, seed=1)
    both = np.concatenate([left.pairs, taken])
    assert len(taken) == 12
    assert sorted(both.tolist()) == graph.pairs.tolist()
    assert left.degree.min() >= 1


def test_a_space_that_is_the_graph_agrees_wholly():
    assert compare_neighbourhoods(place_on_circle(12), make_ring(12)).tolist() == [1.0] * 12
    assert compare_neighbourhoods(place_on_circle(12), make_ring(12), by="euclidean").tolist() == [1.0] * 12


def test_counting_the_artist_itself_caps_the_figure():
    """Two neighbours of which one is the artist: 1 of 3."""
    assert compare_neighbourhoods(place_on_circle(12), make_ring(12), with_self=True) == pytest.approx([1 / 3] * 12)


def test_distance_heeds_length_and_the_cosine_does_not():
    graph = from_pairs(("a", "b", "c"), np.array([[0, 1]]))
    vectors = np.array([[1.0, 0], [9.0, 0.1], [1.0, 0.4]])
    assert compare_neighbourhoods(vectors, graph, by="cosine")[0] == 1.0
    assert compare_neighbourhoods(vectors, graph, by="euclidean")[0] == 0.0


def test_artists_of_different_degree_are_each_given_as_many_neighbours():
    graph = from_pairs(tuple("abcde"), np.array([[0, 1], [0, 2], [0, 3]]))
    found = compare_neighbourhoods(np.random.default_rng(0).normal(size=(5, 3)), graph)
    assert len(found) == 4  # e is isolated
    assert set(found[1:]) <= {0.0, 1.0}


def test_links_found_is_the_area_under_the_roc_curve(rng):
    vectors = rng.normal(size=(20, 4))
    left, taken = make_ring(20).hold_out(0.2, seed=0)
    cosine = (vectors @ vectors.T) / np.linalg.norm(vectors, axis=1)[:, None] / np.linalg.norm(vectors, axis=1)
    expected = []
    for here, other in np.concatenate([taken, taken[:, ::-1]]):
        unrelated = np.setdiff1d(np.arange(20), [here, *make_ring(20).neighbours(here)])
        label = np.array([1] + [0] * len(unrelated))
        expected.append(roc_auc_score(label, cosine[here, [other, *unrelated]]))
    assert score_held_out(vectors, left, taken) == pytest.approx(expected, abs=1e-6)


def test_the_published_table_is_read_as_it_is(shared_data):
    artists = pd.read_csv(shared_data / "tables" / "artist_graph_artists.csv")
    edges = pd.read_csv(shared_data / "tables" / "artist_graph_edges.csv")
    graph = build_relations(artists["artist_id"].tolist(), zip(edges["artist_id"], edges["related_id"], strict=True))
    assert (len(graph), len(graph.pairs), len(graph.isolated_artists)) == (3894, 13680, 1098)
