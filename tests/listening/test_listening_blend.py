"""The blend: weights by plays, skips that raise no rank, and listeners found from their plays alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from listening.listeners_world import make_world
from ostinato.listening.blend import Blend, Content, History, Hybrid, count_history, fit_content, fit_hybrid
from ostinato.listening.factors import Factors, FactorSettings, fit_factors, fold_in, weight_plays
from ostinato.listening.sound import join_spaces, learn_factors

SETTINGS = FactorSettings(n_factors=8)


@pytest.fixture(scope="module")
def fitted():
    world = make_world(4, n_listeners=80, n_artists=40, plays=40)
    listeners, tracks = pd.Index(sorted(set(world.plays["listener"]))), world.vectors.index
    history = count_history(world.plays, listeners, tracks)
    content = fit_content(history, world.vectors.to_numpy(), SETTINGS, 0)
    return world, history, fit_hybrid(history, content, SETTINGS, 0, Blend(10.0, 0.05))


def find_rank(scores: np.ndarray, track: int) -> int:
    return int((scores > scores[track]).sum())


def test_a_skip_never_raises_the_rank_of_its_track(fitted):
    _, history, hybrid = fitted
    rng = np.random.default_rng(0)
    skips = history.skips.tolil()
    for _ in range(300):
        listener, track = int(rng.integers(skips.shape[0])), int(rng.integers(skips.shape[1]))
        rows = np.array([listener])
        before = hybrid.score(rows, skips.tocsr())
        skips[listener, track] += 1
        after = hybrid.score(rows, skips.tocsr())
        for name in before:
            assert find_rank(after[name][0], track) >= find_rank(before[name][0], track)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 2))
def test_a_skip_raises_no_rank_whatever_the_factors(seed, aversion):
    rng = np.random.default_rng(seed)
    n, d = 12, 3
    plays = rng.integers(0, 4, n).astype(float)
    factors = Factors(rng.normal(size=(n, d)), rng.normal(size=(1, d)))
    content = Content(rng.normal(size=(n, d)), rng.normal(size=(1, d)))
    hybrid = Hybrid(factors, content, plays, np.array([True]), Blend(2.0, aversion))
    skips = rng.integers(0, 3, (1, n)).astype(float) * (rng.random((1, n)) < 0.4)
    track = int(rng.integers(n))
    more = skips.copy()
    more[0, track] += 1
    before, after = (hybrid.score(np.array([0]), csr_matrix(s))["hybrid"][0] for s in (skips, more))
    assert find_rank(after + 1e-12 * (np.arange(n) != track), track) >= find_rank(before, track)


def test_a_skip_is_no_part_of_the_fit(fitted):
    world, history, hybrid = fitted
    listeners = pd.Index(sorted(set(world.plays["listener"])))
    skip = world.plays.iloc[[0]].assign(track_id=world.plays["track_id"].iloc[-1], skipped=True)
    more = count_history(pd.concat([world.plays, skip]), listeners, world.vectors.index)
    assert more.skips.sum() == history.skips.sum() + 1
    again = fit_hybrid(more, hybrid.content, SETTINGS, 0, hybrid.blend)
    np.testing.assert_array_equal(again.factors.tracks, hybrid.factors.tracks)
    np.testing.assert_array_equal(again.n_plays, hybrid.n_plays)


def test_without_plays_the_hybrid_is_content_and_with_many_it_nears_factors(fitted):
    _, history, hybrid = fitted
    n_plays = np.where(np.arange(len(hybrid.n_plays)) % 2, 0, 1e9)
    scores = replace(hybrid, n_plays=n_plays).score(np.arange(5), history.skips)
    np.testing.assert_array_equal(scores["hybrid"][:, 1::2], scores["content"][:, 1::2])
    np.testing.assert_allclose(scores["hybrid"][:, ::2], scores["factors"][:, ::2], atol=1e-6)


def test_folding_in_agrees_with_the_normal_equations():
    rng = np.random.default_rng(0)
    tracks, counts = rng.normal(size=(30, 4)), csr_matrix(rng.poisson(0.3, (3, 30)).astype(np.float32))
    vectors = fold_in(tracks, counts, SETTINGS)
    for row, weights in zip(vectors, weight_plays(counts).toarray(), strict=True):
        confidence = np.where(weights > 0, SETTINGS.confidence * weights, 1.0)
        matrix = (tracks * confidence[:, None]).T @ tracks + SETTINGS.regularization * np.eye(4)
        np.testing.assert_allclose(matrix @ row, (confidence * (weights > 0)) @ tracks, rtol=1e-6, atol=1e-9)


def test_folding_in_is_the_step_of_als_that_the_library_takes(fitted):
    """Listeners found from tracks alone score as the library's own do."""
    from implicit.cpu.als import AlternatingLeastSquares

    _, history, _ = fitted
    found = fit_factors(history.counts, SETTINGS, 0)
    model = AlternatingLeastSquares(
        factors=8, regularization=SETTINGS.regularization, alpha=SETTINGS.confidence, num_threads=1, use_cg=False
    )
    model.item_factors = found.tracks.astype(np.float32)
    known = np.flatnonzero(np.diff(history.counts.indptr))[:5]
    theirs = model.recalculate_user(np.arange(len(known)), weight_plays(history.counts)[known])
    np.testing.assert_allclose(fold_in(found.tracks, history.counts, SETTINGS)[known], theirs, rtol=1e-3, atol=1e-4)


def test_a_listener_without_plays_is_the_mean_of_the_others():
    tracks = np.eye(3)
    vectors = fold_in(tracks, csr_matrix(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)), SETTINGS)
    np.testing.assert_allclose(vectors[2], vectors[:2].mean(axis=0))


def test_factors_that_follow_from_sound_are_learned_for_tracks_without_plays():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6))
    factors, n_plays = x @ rng.normal(size=(6, 3)), np.where(np.arange(200) < 150, 9, 0)
    learned = learn_factors(x, np.where(n_plays[:, None] > 0, factors, 0), n_plays)
    np.testing.assert_allclose(learned[150:], factors[150:], atol=0.05)


def test_of_one_track_nothing_is_learned_but_its_factors():
    learned = learn_factors(np.eye(3), np.array([[0.0, 0], [1, 2], [0, 0]]), np.array([0, 4, 0]))
    np.testing.assert_array_equal(learned, [[1, 2]] * 3)


def test_joined_spaces_keep_common_tracks_and_weigh_the_same():
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(100 * rng.normal(size=(5, 8)) + 3, index=list("abcde"))
    narrow = pd.DataFrame({"x": [1.0, 2.0, 3.0, 5.0]}, index=list("bcde"))
    joined = join_spaces([wide, narrow], pd.Index(list("edcba")))
    assert list(joined.index) == list("edcb")
    variance = joined.var(ddof=0).to_numpy()
    assert variance[:8].sum() == pytest.approx(1)
    assert variance[8:].sum() == pytest.approx(1)


def test_history_counts_plays_and_skips_apart():
    plays = pd.DataFrame({"listener": list("aaab"), "track_id": list("xxyx"), "skipped": [False, False, True, False]})
    history: History = count_history(plays, pd.Index(["a", "b"]), pd.Index(["x", "y"]))
    assert history.counts.toarray().tolist() == [[2, 0], [1, 0]]
    assert history.skips.toarray().tolist() == [[0, 1], [0, 0]]
