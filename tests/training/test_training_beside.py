"""Words, pictures and numbers as inputs; what is fitted knows training tracks alone."""

import numpy as np
import pytest

from ostinato.errors import DataError
from ostinato.features import lyrics
from ostinato.training.data.text import Images, Scalars, Text

TEXTS = ["b a a c", "a b d", "e e e e e e e", "", "a a a a"]
TRAIN = np.array([0, 1, 3])


def text(words):
    return lyrics.compute(words, min_characters=1)


def words(texts=TEXTS, vocabulary=2, tokens=4, subsample=None):
    return Text("lyrics", [text(t) for t in texts], vocabulary, tokens, subsample)


def test_ids_follow_how_often_words_occur_in_training():
    fitted = words().fit(TRAIN)
    assert fitted.statistics["lyrics"] == {"words": ["a", "b"], "shares": [3 / 7, 2 / 7]}
    np.testing.assert_array_equal(fitted.chunks(0)[0], [[2, 1, 1, 3]])
    np.testing.assert_array_equal(fitted.chunks(1)[0], [[0, 1, 2, 3]])
    assert fitted.inputs == {"lyrics": (1, 4, 4)}


def test_an_instrumental_is_padding():
    np.testing.assert_array_equal(words().fit(TRAIN).chunks(3)[0], [[0, 0, 0, 0]])


def test_chunks_cover_long_lyrics():
    fitted = words(tokens=3).fit(TRAIN)
    assert fitted.n_chunks(2) == 3
    np.testing.assert_array_equal(fitted.chunks(2)[0], np.full((3, 3), 3))
    assert fitted.chunks(2, 5)[0].shape == (5, 3)
    assert fitted.chunks(0)[0].dtype == np.int64


def test_a_test_track_changes_no_vocabulary():
    changed = [*TEXTS[:2], "b b b b b b b b z z", TEXTS[3], "zz zz"]
    assert words(changed).fit(TRAIN).statistics == words().fit(TRAIN).statistics
    assert words(["z z z z", *TEXTS[1:]]).fit(TRAIN).statistics != words().fit(TRAIN).statistics


def test_a_vocabulary_is_restored():
    fitted = words().fit(TRAIN)
    again = words().restore(fitted.statistics)
    for track in range(len(TEXTS)):
        np.testing.assert_array_equal(again.chunks(track)[0], fitted.chunks(track)[0])
    with pytest.raises(DataError, match="no vocabulary was fitted"):
        words().chunks(0)


def test_common_words_are_thinned_out_while_training_by_their_share():
    long = ["common " * 900 + " ".join(f"w{i}" for i in range(100))]
    fitted = words(long, vocabulary=200, tokens=1000, subsample=0.01).fit(np.array([0]))
    seen = [fitted.crops(np.array([0]), np.array([where]))[0][0] for where in np.linspace(0, 0.99, 20)]
    common, seldom = (np.mean([f(ids) for ids in seen]) for f in (lambda i: (i == 1).sum(), lambda i: (i > 1).sum()))
    assert common == pytest.approx(900 * np.sqrt(0.01 / 0.9), rel=0.1)
    assert seldom == 100
    np.testing.assert_array_equal(seen[3], fitted.crops(np.array([0]), np.array([np.linspace(0, 0.99, 20)[3]]))[0][0])
    assert (fitted.chunks(0)[0] == 1).sum() == 900


def test_pictures_are_channels_first_from_0_to_1(rng):
    rows = [rng.integers(0, 256, (4, 4, 3), np.uint8) for _ in range(3)]
    source = Images("cover", rows)
    (x,) = source.crops(np.array([2, 0]), np.zeros(2))
    assert source.inputs == {"cover": (3, 4, 4)}
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[0], rows[2].transpose(2, 0, 1) / 255, rtol=1e-6)
    assert source.chunks(1, 4)[0].shape == (4, 3, 4, 4)


PLACES = [[[10.0, 0.0]], [[20.0, np.nan]], [[90.0, 5.0]], [[np.nan, 4.0]]]


def numbers(places=PLACES):
    return Scalars("place", [np.array(p) for p in places]).fit(np.array([0, 1, 3]))


def test_numbers_lie_between_0_and_1_on_training_tracks():
    source = numbers()
    assert source.inputs == {"place": (1, 2, 1)}
    np.testing.assert_allclose(source.crops(np.arange(2), np.zeros(2))[0][:, 0, :, 0], [[0, 0], [1, 0.5]])
    np.testing.assert_allclose(source.chunks(2)[0][0, 0, :, 0], [8, 1.25])
    np.testing.assert_allclose(source.chunks(3)[0][0, 0, :, 0], [0.5, 1])


def test_a_test_track_changes_no_scale():
    changed = [*PLACES[:2], [[-500.0, 77.0]], PLACES[3]]
    assert numbers(changed).statistics == numbers().statistics
    assert numbers([[[-500.0, 77.0]], *PLACES[1:]]).statistics != numbers().statistics


def test_a_scale_is_restored_and_numbers_that_nobody_knows_are_0():
    fitted = numbers()
    again = Scalars("place", fitted.rows).restore(fitted.statistics)
    np.testing.assert_array_equal(again.chunks(1)[0], fitted.chunks(1)[0])
    unknown = Scalars("year", [np.array([[np.nan]])] * 2).fit(np.array([0]))
    np.testing.assert_array_equal(unknown.chunks(1)[0], [[[[0.0]]]])
