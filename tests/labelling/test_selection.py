"""What to label next: uncertain tracks that are not all alike."""

import numpy as np

from ostinato.labelling.selection import compute_uncertainty, select_tracks


def test_of_alike_unsure_tracks_one_of_each_kind_is_taken(rng):
    centre = 50 * np.eye(5)
    kind = np.repeat(np.arange(5), [16, 1, 1, 1, 1])
    embeddings = centre[kind] + rng.normal(size=(20, 5))
    scores = np.tile([0.5, 0.5], (20, 1))
    assert sorted(kind[select_tracks(scores, embeddings, 5, factor=4)]) == [0, 1, 2, 3, 4]


def test_certain_tracks_wait(rng):
    scores = np.vstack([np.tile([0.5, 0.4, 0.1], (10, 1)), np.tile([0.9, 0.1, 0.0], (10, 1))])
    assert (select_tracks(scores, rng.normal(size=(20, 3)), 5) < 10).all()


def test_the_least_certain_comes_first_and_no_track_twice(rng):
    scores = rng.dirichlet(np.ones(4), 60)
    chosen = select_tracks(scores, rng.normal(size=(60, 6)), 10, seed=3)
    assert len(set(chosen)) == len(chosen) == 10
    assert (np.diff(compute_uncertainty(scores)[chosen]) <= 0).all()
    assert (compute_uncertainty(scores)[chosen] >= np.sort(compute_uncertainty(scores))[-20]).all()


def test_a_small_pool_is_taken_whole(rng):
    assert sorted(select_tracks(rng.dirichlet(np.ones(2), 3), rng.normal(size=(3, 2)), 20)) == [0, 1, 2]
