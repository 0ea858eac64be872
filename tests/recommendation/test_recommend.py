"""Recommendations whose right answer is known: two clusters on a circle, and laws on random vectors."""

import numpy as np
import pytest

from ostinato.errors import CatalogError
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.filters import Filter
from ostinato.recommendation.playlist import m3u, order_greedily, path
from ostinato.recommendation.recommend import find_recordings, recommend

VERSION = "v"
DEGREES = {"a": (0, 1, 2, 4, 8), "b": (90, 91, 92, 94, 98)}
"""Cluster a lies about the first axis, b about the second; gaps grow, so that no two distances are alike."""


def circle() -> Catalog:
    """Return ten tracks, five a cluster, called after cluster and degree."""
    places = [(c, d) for c, degrees in DEGREES.items() for d in degrees]
    angle = np.radians([d for _, d in places])
    known = [
        {
            "artist": f"artist {c}{i // 2}",
            "genre": c,
            "tags": ["calm"] if d % 2 == 0 else ["calm", "loud"],
            "year": 1990 + d if c == "a" else None,
            "latitude": 0.0,
            "longitude": float(d),
            "path": f"{c}{d}.flac",
            "title": f"title {d}",
            "duration": 12.4,
        }
        for i, (c, d) in enumerate(places)
    ]
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Catalog([f"{c}{d}" for c, d in places], vectors, known, version=VERSION)


def random_catalog(n: int = 80) -> Catalog:
    """Return tracks in random directions, four of each artist."""
    vectors = np.random.default_rng(3).normal(size=(n, 6))
    known = [{"artist": f"artist {i // 4}", "genre": "ab"[i % 2]} for i in range(n)]
    return Catalog([f"t{i}" for i in range(n)], vectors, known, version=VERSION)


def test_neighbours_on_a_circle_come_by_angle():
    ids, scores = recommend(circle(), ["a0"], k=6)
    assert ids.tolist() == ["a1", "a2", "a4", "a8", "b90", "b91"]
    np.testing.assert_allclose(scores, np.cos(np.radians([1, 2, 4, 8, 90, 91])), atol=1e-6)


def test_two_seeds_meet_in_the_middle_and_weights_pull():
    catalog = circle()
    assert recommend(catalog, ["a0", "a8"], k=1)[0].tolist() == ["a4"]
    assert recommend(catalog, ["a0", "a8"], weights=[3, 1], k=1)[0].tolist() == ["a2"]
    assert recommend(catalog, ["a0", "a8"], weights=[8, 1], k=1)[0].tolist() == ["a1"]


def test_a_dislike_turns_the_taste_away():
    """A taste of 53 degrees less an eighth of 94 degrees points to 45; what is near the seed stays near."""
    catalog = circle()
    assert recommend(catalog, ["a8", "b98"], k=1)[0].tolist() == ["b90"]
    assert recommend(catalog, ["a8", "b98"], dislikes=["b94"], k=3)[0].tolist() == ["a4", "a2", "a1"]
    found, scores = recommend(catalog, ["a8"], dislikes=["a4"], k=3)
    assert found.tolist() == ["a2", "a1", "a0"]
    assert min(scores) > 0.9


def test_a_vector_is_moved_as_the_catalog_was():
    """Seeds by name and by vector are alike, also for artists; an artist may be a seed too."""
    raw, offset = random_catalog().vectors + 5.0, np.full(6, 5.0)
    catalog = Catalog(random_catalog().ids, raw, random_catalog().metadata, version=VERSION, offset=offset)
    for level in ("track", "artist"):
        by_name = recommend(catalog, ["t1", "t9"], k=5, level=level, exclude=["artist 0", "artist 2"])
        by_vector = recommend(catalog, [raw[1], raw[9]], k=5, level=level, exclude=["t1", "t9", "artist 0", "artist 2"])
        assert by_name[0].tolist() == by_vector[0].tolist()
        np.testing.assert_allclose(by_name[1], by_vector[1], atol=1e-5)
    artists = catalog.by("artist")
    row, _ = artists.search(artists.vectors[3], 2)
    assert recommend(catalog, ["artist 3"], k=1, level="artist")[0].tolist() == [artists.ids[row[1]]]


def test_a_vector_is_a_seed_as_its_track_is():
    catalog = circle()
    by_vector, _ = recommend(catalog, [catalog.vectors[2] * 7], k=3)
    assert by_vector.tolist() == ["a1", "a4", "a0"]
    assert recommend(catalog, ["a2"], k=3)[0].tolist() == by_vector.tolist()


def test_every_copy_of_the_recording_is_left_out(rng):
    """More copies than are looked at first, and by the artist's name at the level of artists."""
    vectors = rng.normal(size=(40, 8))
    vectors[:25] = vectors[0]
    known = [{"artist": "copied" if i < 25 else "other"} for i in range(40)]
    catalog = Catalog([f"t{i}" for i in range(40)], vectors, known, version="v")
    assert find_recordings(catalog, 3 * vectors[0]) == {f"t{i}" for i in range(25)}
    assert find_recordings(catalog, rng.normal(size=8)) == set()
    assert set(recommend(catalog, [vectors[0]], k=40)[0]) == {f"t{i}" for i in range(25, 40)}
    assert recommend(catalog, [vectors[0]], level="artist")[0].tolist() == ["other"]
    liked = rng.normal(size=8)
    assert "t0" not in recommend(catalog, [liked], dislikes=[vectors[0]], k=40)[0]


@pytest.mark.parametrize("diversity", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("per_artist", [None, 1])
def test_seeds_dislikes_and_exclusions_are_never_answered(diversity, per_artist):
    catalog = random_catalog()
    ids, _ = recommend(
        catalog, ["t1", "t2"], dislikes=["t3"], exclude=["t4", "not there"], k=80, diversity=diversity,
        per_artist=per_artist,
    )  # fmt: skip
    assert not {"t1", "t2", "t3", "t4"} & set(ids)
    assert len(set(ids)) == len(ids) == (76 if per_artist is None else 20)


def test_no_diversity_is_the_plain_ranking():
    catalog = random_catalog()
    plain, scores = recommend(catalog, ["t1"], k=20)
    row, cosines = catalog.search(catalog.vectors[1], 21)
    assert plain.tolist() == [catalog.ids[r] for r in row[1:]]
    assert scores.tolist() == cosines[1:].tolist()
    capped, _ = recommend(catalog, ["t1"], k=20, per_artist=4)
    assert capped.tolist() == plain.tolist()


def test_diversity_changes_what_follows_not_what_leads():
    """On the circle the best of cluster a comes first, then one of b that is least like it."""
    ids, _ = recommend(circle(), ["a0"], k=3, diversity=0.8)
    assert ids.tolist()[:2] == ["a1", "b98"]


def test_more_diversity_makes_lists_more_unlike():
    catalog = random_catalog()

    def similarity(diversity: float) -> float:
        ids, _ = recommend(catalog, ["t1"], k=8, diversity=diversity)
        vectors = catalog.vectors[[catalog.row(i) for i in ids]]
        return float((vectors @ vectors.T)[np.triu_indices(8, 1)].mean())

    assert similarity(0.0) > similarity(0.5) > similarity(0.9)


def test_at_most_so_many_of_an_artist():
    catalog = random_catalog()
    ids, _ = recommend(catalog, ["t0"], k=30, per_artist=2)
    artists = [catalog.metadata[catalog.row(i)]["artist"] for i in ids]
    assert len(ids) == 30
    assert max(map(artists.count, artists)) == 2


FILTERS = {
    "years": (Filter(years=(1991, 1994)), ["a1", "a2", "a4"]),
    "a place": (Filter(near=(0, 91, 120)), ["b90", "b91", "b92"]),
    "all tags": (Filter(tags=frozenset({"calm", "loud"})), ["a1", "b91"]),
    "a genre": (Filter(genres=frozenset({"b"})), ["b90", "b91", "b92", "b94", "b98"]),
    "two wishes": (Filter(genres=frozenset({"b"}), tags=frozenset({"loud"})), ["b91"]),
    "what nobody keeps": (Filter(tags=frozenset({"new"})), []),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_kept(name):
    keep, expected = FILTERS[name]
    assert recommend(circle(), ["a0"], k=10, keep=keep)[0].tolist() == expected


def test_artists_may_be_asked_for():
    """Of two tracks each, but one that has one; the seed's own artist is left out."""
    catalog = circle()
    ids, scores = recommend(catalog, ["a0"], k=9, level="artist")
    assert ids.tolist() == ["artist a1", "artist a2", "artist b2", "artist b3", "artist b4"]
    assert scores[0] == pytest.approx(np.cos(np.radians(3)), abs=1e-6)
    assert recommend(catalog, ["artist b4"], k=1, level="artist")[0].tolist() == ["artist b3"]


def test_a_smooth_path_goes_through_the_middle():
    catalog = circle()
    assert path(catalog, "a0", "a8", 5) == [
        "a0",
        "a2",
        "a4",
        "a1",
        "a8",
    ]  # 2, 4 and 6 degrees; 4 is nearest to 6 but taken
    assert path(catalog, "a0", "b98", 2) == ["a0", "b98"]


def test_a_chain_goes_to_the_nearest_that_is_left():
    assert order_greedily(circle(), ["a4", "b90", "a8", "a0", "a1"]) == ["a4", "a1", "a0", "a8", "b90"]


def test_a_playlist_as_a_file():
    text = m3u(circle(), ["a1", "b98"])
    assert text.splitlines() == [
        "#EXTM3U", "#EXTINF:12,artist a0 - title 1", "a1.flac", "#EXTINF:12,artist b4 - title 98", "b98.flac",
    ]  # fmt: skip


REFUSED = {
    "no seed": ({"seeds": []}, "there is no seed"),
    "an unknown seed": ({"seeds": ["a00"]}, "'a00' is not in the catalog of 10 tracks; do you mean a0"),
    "a seed that is disliked": ({"dislikes": ["a0"]}, "is both a seed and a dislike; remove one"),
    "an unknown dislike": ({"dislikes": ["z"]}, "'z' is not in the catalog"),
    "a seed of another dimension": ({"seeds": [np.ones(3)]}, "shape .3,. does not fit a catalog of dimension 2"),
    "a seed of NaN": ({"seeds": [np.array([np.nan, 1])]}, "not finite"),
    "seeds that cancel": ({"seeds": [np.array([1.0, 0]), np.array([-1.0, 0])]}, "cancel each other out"),
    "weights for others": ({"weights": [1.0, 2.0]}, "one above 0 for each seed, 1 in all"),
    "a weight of 0": ({"weights": [0.0]}, "one above 0"),
    "k of 0": ({"k": 0}, "ask for 1 track"),
    "diversity above 1": ({"diversity": 1.5}, "from 0 to 1"),
    "no artist's track": ({"per_artist": 0}, "1 or more"),
    "another level": ({"level": "label"}, "artist, album"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused(fault):
    given, message = REFUSED[fault]
    with pytest.raises(CatalogError, match=message):
        recommend(circle(), **{"seeds": ["a0"], **given})


@pytest.mark.parametrize("wish", [{"years": (2000, 1990)}, {"near": (91, 0, 5)}, {"near": (0, 0, 0)}])
def test_wishes_that_cannot_be(wish):
    with pytest.raises(CatalogError, match=r"years|near"):
        Filter(**wish)


@pytest.mark.parametrize(("start", "end", "n"), [("a0", "a0", 3), ("a0", "a8", 1), ("a0", "a8", 11)])
def test_paths_that_cannot_be(start, end, n):
    with pytest.raises(CatalogError, match="a path needs two ends and 2 to 10 tracks"):
        path(circle(), start, end, n)


def test_no_shortest_path_to_the_opposite():
    catalog = Catalog(["n", "s", "e"], np.array([[0.0, 1], [0, -1], [1, 0]]), version=VERSION)
    with pytest.raises(CatalogError, match="opposite"):
        path(catalog, "n", "s", 3)
