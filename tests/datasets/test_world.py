import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ostinato.datasets._synthesis.world import DIMENSIONS, artist, relate


@pytest.mark.parametrize(("n", "k"), [(1, 3), (4, 8), (40, 5)])
def test_relations_go_both_ways_and_hold_the_nearest(rng, n, k):
    points = rng.standard_normal((n, DIMENSIONS))
    links = relate(points, k)
    assert np.array_equal(links, links.T)
    assert not links.diagonal().any()
    order = np.argsort(cdist(points, points), axis=1)[:, 1 : k + 1]
    assert all(links[i, near].all() for i, near in enumerate(order))


def test_a_relation_is_named_by_at_least_one_of_its_two(rng):
    points = rng.standard_normal((60, DIMENSIONS))
    near = np.argsort(cdist(points, points), axis=1)[:, 1:6]
    named = np.zeros((60, 60), bool)
    np.put_along_axis(named, near, True, axis=1)
    assert np.array_equal(relate(points, 5), named | named.T)


def test_artists_of_a_genre_lie_closer_than_others():
    people = [artist(0, i, 10) for i in range(200)]
    habits = np.stack([p.style[:5] for p in people])
    same = np.array([p.genre for p in people])[:, None] == np.array([p.genre for p in people])[None]
    distance = cdist(habits, habits)
    assert distance[same & ~np.eye(200, dtype=bool)].mean() < 0.7 * distance[~same].mean()


def test_colours_of_sound_do_not_tell_the_genre():
    people = [artist(0, i, 10) for i in range(1000)]
    colours = np.stack([p.style[5:] for p in people])
    means = np.stack([colours[g::10].mean(axis=0) for g in range(10)])
    assert np.abs(means).max() < 0.4
