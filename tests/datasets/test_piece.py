from collections import Counter
from dataclasses import astuple
from itertools import combinations

import numpy as np
import pytest

from ostinato.datasets._synthesis import patterns
from ostinato.datasets._synthesis.genres import GENRES, LOOPS, MODES
from ostinato.datasets._synthesis.piece import TAGS, compose, habits, play, tags
from ostinato.datasets._synthesis.world import artist, generator


def test_no_habit_belongs_to_one_genre_alone():
    for column in zip(*(astuple(idiom)[:-1] for idiom in GENRES.values()), strict=True):
        assert min(Counter(column).values()) >= 2


def test_any_two_genres_differ_in_three_of_five_layers():
    for a, b in combinations(GENRES.values(), 2):
        assert sum(x != y for x, y in zip(astuple(a)[:5], astuple(b)[:5], strict=True)) >= 3


def test_every_idiom_is_playable_and_every_note_lies_in_its_bar():
    rng = np.random.default_rng(0)
    for idiom in GENRES.values():
        scale = np.arange(40, 60)
        notes = [
            *patterns.drums(idiom.groove, idiom.metre),
            *patterns.hats(idiom.hats, idiom.metre),
            *patterns.bass(idiom.bass, idiom.metre, 40.0, scale),
            *patterns.chords(idiom.chords, idiom.metre, np.array([60, 64, 67])),
            *patterns.lead(idiom.lead, idiom.metre, np.arange(70, 80), rng),
        ]
        assert idiom.mode in MODES
        assert idiom.loop in LOOPS
        assert all(0 <= n.start < idiom.metre and n.length > 0 for n in notes)


def test_paired_habits_play_the_same_notes_in_another_order():
    tones = np.array([60, 64, 67])
    up, down = (patterns.chords(h, 4, tones) for h in ("up", "down"))
    assert Counter(n.pitch for n in up) == Counter(n.pitch for n in down)
    assert [n.pitch for n in up[:6]] == [n.pitch for n in down[:6]][::-1]
    rise, sink = (patterns.hats(h, 4) for h in ("rise", "sink"))
    assert sorted(n.loudness for n in rise) == pytest.approx(sorted(n.loudness for n in sink))
    assert rise[0].loudness < rise[-1].loudness
    assert sink[0].loudness > sink[-1].loudness


def test_without_difficulty_nothing_is_borrowed_and_with_it_about_six_tenths():
    own = artist(0, 0, 10)
    rng = np.random.default_rng(5)
    assert habits(own, 10, 0.0, rng) == GENRES[own.genre]
    five = [astuple(habits(own, 10, 1.0, rng))[:5] for _ in range(400)]
    kept = np.mean([[a == b for a, b in zip(f, astuple(GENRES[own.genre])[:5], strict=True)] for f in five])
    assert 0.35 < kept < 0.5


def test_tempi_of_all_genres_overlap():
    spans = []
    for g in range(10):
        people = [artist(0, g + 10 * i, 10) for i in range(5)]
        tempi = [compose(0, a, t, seconds=1, n_genres=10, difficulty=0).tempo for a in people for t in range(6)]
        spans.append((min(tempi), max(tempi)))
    assert max(low for low, _ in spans) < min(high for _, high in spans)


def test_tags_follow_what_is_played():
    who = artist(0, 2, 10)
    piece = compose(0, who, 0, seconds=1, n_genres=10, difficulty=0)
    found = tags(0, who, piece, 1979)
    assert set(found) <= set(TAGS)
    assert "until 1979" in found
    assert ("fast" in found) == (piece.tempo >= 120)


def test_a_longer_rendering_is_the_same_music():
    who = artist(0, 1, 10)
    short = compose(0, who, 0, seconds=2, n_genres=10, difficulty=0.5)
    long = compose(0, who, 0, seconds=8, n_genres=10, difficulty=0.5)
    assert short.idiom == long.idiom
    assert long.layers["chords"][: len(short.layers["chords"])] == short.layers["chords"]


def test_sound_is_finite_and_as_long_as_asked():
    who = artist(0, 4, 10)
    piece = compose(0, who, 0, seconds=1.5, n_genres=10, difficulty=0.2)
    y = play(0, who, 0, piece, 1.5)
    assert y.shape == (int(1.5 * 22050),)
    assert np.isfinite(y).all()


def test_generators_of_two_places_differ_and_of_one_place_agree():
    assert generator(1, "track", 2, 3).random() == generator(1, "track", 2, 3).random()
    assert generator(1, "track", 2, 3).random() != generator(1, "track", 3, 2).random()
