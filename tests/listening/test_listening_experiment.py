"""Planted listeners: the hybrid finds what they hear later, and nothing where histories say nothing."""

import numpy as np
import pandas as pd
import pytest

from listening.listeners_world import OPTIONS, ListenersWorld, make_world
from ostinato.errors import DataError, ParamsError
from ostinato.listening.evaluation import SYSTEMS, get_estimate
from ostinato.listening.experiment import choose_date, find_obstacle
from ostinato.listening.factors import FactorSettings
from ostinato.listening.planted import Habits, plant_plays

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module", params=SEEDS)
def world(request):
    return make_world(request.param)


@pytest.fixture(scope="module")
def outcome(world):
    return world.run()


@pytest.fixture(scope="module")
def small():
    return make_world(5, n_listeners=60, n_artists=40, plays=30)


def gain(outcome, over: str, tracks: str = "warm", listeners: str = "warm"):
    return get_estimate(outcome.figures, "hybrid", f"map_above_{over}", tracks, listeners)


def test_on_tracks_with_plays_the_hybrid_is_as_good_as_factors_and_surely_better_than_content(outcome):
    assert gain(outcome, "factors")["high"] >= 0
    assert gain(outcome, "factors")["low"] > -0.01
    for other in ("content", "similar", "popular", "random"):
        assert gain(outcome, other)["low"] > 0


def test_on_tracks_without_plays_the_hybrid_is_content_and_finds_more_than_chance(outcome):
    assert gain(outcome, "content", "cold") == {"value": 0, "low": 0, "high": 0}
    assert (outcome.hybrid.n_plays == 0).sum() > 50
    assert gain(outcome, "random", "cold")["low"] > 0


def test_shuffled_histories_tell_nothing(world):
    shuffled = world.shuffle(7).run()
    for tracks in ("warm", "all"):
        estimate = gain(shuffled, "content", tracks)
        assert estimate["low"] <= 0 <= estimate["high"]


def test_listeners_without_a_history_get_what_is_popular(outcome):
    figures = outcome.figures
    popular, hybrid = (get_estimate(figures, name, "map", "warm", "new")["value"] for name in ("popular", "hybrid"))
    assert hybrid == pytest.approx(popular, abs=1e-3)


def test_figures_cover_every_system_and_bias_to_popular_tracks_is_seen(outcome):
    figures = outcome.figures
    assert set(figures["system"]) == set(SYSTEMS)
    lift = {s: get_estimate(figures, s, "popularity_lift", "all", "all")["value"] for s in SYSTEMS}
    assert lift["popular"] > lift["factors"] > lift["content"]
    assert lift["random"] == pytest.approx(1, abs=0.05)
    coverage = {s: get_estimate(figures, s, "coverage", "all", "all")["value"] for s in SYSTEMS}
    assert coverage["popular"] < coverage["factors"] < coverage["random"] <= 1


def test_the_same_plays_give_the_same_figures(small):
    first, second = small.run(OPTIONS[:1]), small.run(OPTIONS[:1])
    pd.testing.assert_frame_equal(first.figures, second.figures, check_exact=True)
    np.testing.assert_array_equal(first.hybrid.factors.tracks, second.hybrid.factors.tracks)


def test_bpr_is_chosen_if_it_is_the_only_option_and_finds_more_than_chance(small):
    outcome = small.run([FactorSettings("bpr", 8)])
    assert outcome.choice.settings.method == "bpr"
    assert gain(outcome, "random", "all", "all")["low"] > 0


def test_held_out_plays_choose_nothing(small):
    """Settings and factors depend only on plays before the date."""
    plays = small.plays
    date = choose_date(plays, None, 0.2)
    late = plays["at"] >= date
    rng = np.random.default_rng(0)
    mixed = plays["track_id"].mask(late, pd.Series(rng.permutation(plays["track_id"].to_numpy()), index=plays.index))
    one, other = small.run(), ListenersWorld(plays.assign(track_id=mixed), small.vectors).run()
    assert one.choice == other.choice
    np.testing.assert_array_equal(one.hybrid.content.tracks, other.hybrid.content.tracks)
    assert not one.figures.equals(other.figures)


def test_a_date_splits_plays(small):
    plays = small.plays
    chosen = choose_date(plays, "2024-03-01", 0.2)
    assert chosen == pd.Timestamp("2024-03-01", tz="UTC")
    share = (plays["at"] >= choose_date(plays, None, 0.3)).mean()
    assert share == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("date", ["1999-01-01", "2199-01-01", "someday"])
def test_a_date_that_splits_nothing_is_refused(small, date):
    with pytest.raises(ParamsError, match=r"listeners\.date"):
        choose_date(small.plays, date, 0.2)


def test_one_listener_is_too_few(small):
    one = small.plays[small.plays["listener"] == small.plays["listener"].iloc[0]]
    assert "2 listeners or more; there are plays of 1" in find_obstacle(one, small.vectors)
    with pytest.raises(DataError, match="2 listeners or more"):
        ListenersWorld(one, small.vectors).run()


def test_two_listeners_are_enough_but_have_no_interval():
    two = make_world(6, n_listeners=2, n_artists=20)
    estimate = get_estimate(two.run(OPTIONS[:1]).figures, "hybrid", "map", "all", "all")
    assert estimate["value"] is not None
    assert estimate["low"] is None


def test_plays_without_skips_fit(small):
    plays = small.plays.assign(skipped=False)
    assert ListenersWorld(plays, small.vectors).run(OPTIONS[:1]).choice.blend.aversion == 0


def test_planted_plays_follow_style_popularity_and_skips():
    world = make_world(8, n_listeners=100)
    plays, ids = world.plays, list(world.vectors.index)
    assert plays["at"].is_monotonic_increasing
    counts = plays["track_id"].value_counts()
    assert counts.iloc[: len(counts) // 10].sum() > 2 * counts.sum() / 10
    assert plays.loc[plays["skipped"], "seconds"].max() < 30 < plays.loc[~plays["skipped"], "seconds"].min()
    artist_of = {track: i // 4 for i, track in enumerate(ids)}
    own = plays.assign(artist=plays["track_id"].map(artist_of)).groupby("listener")["artist"]
    shuffled = own.transform(lambda x: x).sample(frac=1, random_state=0).to_numpy()
    by_chance = pd.Series(shuffled).groupby(plays["listener"]).nunique()
    assert own.nunique().mean() < by_chance.mean()
    styles = np.zeros((len(ids), 3))
    assert plant_plays(ids, styles, Habits(n_listeners=3), 1).equals(plant_plays(ids, styles, Habits(n_listeners=3), 1))
