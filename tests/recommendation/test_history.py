"""A listener's history as part of a taste, on ten tracks about a circle."""

from pathlib import Path

import numpy as np
import pytest
from test_recommend import circle, random_catalog

from ostinato.errors import CatalogError, DataError
from ostinato.recommendation.filters import Filter
from ostinato.recommendation.history import Listen, read_history, summarize
from ostinato.recommendation.recommend import recommend


def degrees(vector: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(vector[1], vector[0])))


def test_a_history_alone_is_a_taste_and_is_not_answered():
    ids, _ = recommend(circle(), [], history=[Listen("a0"), Listen("a2")], k=3)
    assert ids.tolist() == ["a1", "a4", "a8"]


def test_a_history_weighs_half_as_much_as_the_seeds():
    """A seed at 0 degrees and a history at 90: the taste lies at 26.6, whose tangent is a half."""
    ids, scores = recommend(circle(), ["a0"], history=[Listen("b90", 1)], k=1)
    assert ids.tolist() == ["a8"]
    assert scores[0] == pytest.approx(np.cos(np.arctan(0.5) - np.radians(8)), abs=1e-6)


def test_repeated_tracks_weigh_by_the_logarithm_of_their_plays():
    one = summarize(circle(), [Listen("a0", 1), Listen("b90", 1)])
    many = summarize(circle(), [Listen("a0", 1), Listen("b90", 7)])
    assert degrees(one.vector) == pytest.approx(45)
    assert degrees(many.vector) == pytest.approx(np.degrees(np.arctan(3)), abs=1e-4)


def test_counts_of_a_track_add_up_and_unknown_tracks_are_passed_over():
    apart = [Listen("a0", 1), Listen("a0", 2, 1), Listen("gone", 9)]
    together = [Listen("a0", 3, 1)]
    np.testing.assert_array_equal(summarize(circle(), apart).vector, summarize(circle(), together).vector)
    assert summarize(circle(), apart).tracks == {"a0"}


def test_a_skip_never_raises_what_is_like_the_track():
    """Over all pairs of a seed and another track: with a skip of the other, its neighbours are no more similar."""
    catalog = random_catalog()
    for seed, other in zip(catalog.ids[:20], catalog.ids[20:40], strict=True):
        neighbours = recommend(catalog, [other], k=3, exclude=[seed])[0].tolist()
        before = dict(zip(*recommend(catalog, [seed], k=len(catalog)), strict=True))
        after = dict(zip(*recommend(catalog, [seed], history=[Listen(other, 0, 1)], k=len(catalog)), strict=True))
        assert other not in after
        own = catalog.vectors[catalog.row(other)]
        near = [n for n in neighbours if catalog.vectors[catalog.row(n)] @ own > before[n]]
        assert all(after[n] <= before[n] + 1e-6 for n in near)


def test_artists_of_a_history_are_left_out():
    ids, _ = recommend(circle(), [], history=[Listen("a0")], k=9, level="artist")
    assert ids.tolist() == ["artist a1", "artist a2", "artist b2", "artist b3", "artist b4"]


def test_an_artist_passes_a_filter_by_any_of_its_tracks():
    """Artist a1 made a track in 1992 and one in 1994."""
    ids, _ = recommend(circle(), ["a8"], k=9, level="artist", keep=Filter(years=(1994, 1994)))
    assert ids.tolist() == ["artist a1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plays\n1\n", "history has columns track_id, plays, skips; this file has plays"),
        ("track_id,rating\na0,5\n", "this file has track_id, rating"),
        ("track_id,plays\na0,often\n", "line 2: .*often.*whole numbers"),
        ("track_id,skips\na0,0\na1,-1\n", "line 3: .*'a1' has a count below 0"),
    ],
)
def test_a_history_that_cannot_be_read(tmp_path: Path, text: str, message: str):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_history(tmp_path / "history.csv")


def test_a_history_from_a_table(tmp_path: Path):
    (tmp_path / "history.csv").write_text("track_id;plays;skips\na0;3;\na1;;2\n")
    assert read_history(tmp_path / "history.csv") == [Listen("a0", 3, 0), Listen("a1", 1, 2)]


def test_only_skips_are_no_taste():
    with pytest.raises(CatalogError, match="a history with plays"):
        recommend(circle(), [], history=[Listen("a0", 0, 1)])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, None),
        ({"years": "1970"}, Filter(years=(1970, 1970))),
        ({"years": " 1970 - 1989 "}, Filter(years=(1970, 1989))),
        ({"near": "48.2, 16.4,50"}, Filter(near=(48.2, 16.4, 50.0))),
        ({"tags": ["calm"], "genres": ["a", "b"]}, Filter(tags=frozenset({"calm"}), genres=frozenset({"a", "b"}))),
    ],
)
def test_filters_are_parsed(texts: dict, expected: Filter | None):
    assert Filter.parse(**texts) == expected


@pytest.mark.parametrize(
    "texts", [{"years": "the seventies"}, {"years": "1989-1970"}, {"near": "Vienna"}, {"near": "1,2"}]
)
def test_filters_that_cannot_be_parsed(texts: dict):
    with pytest.raises(CatalogError, match=r"such as|after the last"):
        Filter.parse(**texts)
