"""Drift: false alarms stay below the level, and what moved is found."""

import numpy as np
import pytest
from scipy import stats

from ostinato.errors import DataError, OstinatoError
from ostinato.inference import drift_profile
from ostinato.inference.drift import SHIFT_BOUND, changes, compute_chi_square_tail, profile


def tracks(rng, n=120, shift=0.0, scale=1.0):
    """Draw tracks whose 24 numbers hang together, as bins of a spectrum do."""
    common = rng.normal(size=(n, 1))
    values = {name: common + rng.gamma(2.0, size=(n, 24)) for name in ("mean", "spread")}
    values["embedding"] = rng.normal(size=(n, 16))
    return {**values, "mean": shift + scale * values["mean"]}


@pytest.fixture(scope="module")
def reference():
    return profile(tracks(np.random.default_rng(0), n=400))


@pytest.mark.parametrize("level", [0.05, 0.2])
def test_false_alarms_are_no_more_than_the_level(level):
    rng, alarms, n = np.random.default_rng(1), 0, 150
    for _ in range(n):
        kept = profile(tracks(rng, n=200))
        alarms += any(change.drifted for change in changes(kept, tracks(rng), level=level))
    assert alarms / n <= level + 2 * np.sqrt(level * (1 - level) / n)


@pytest.mark.parametrize("moved", [{"shift": 1.5}, {"scale": 2.0}])
def test_only_the_group_that_moved_is_named(reference, moved):
    found = {c.group: c for c in changes(reference, tracks(np.random.default_rng(2), **moved))}
    assert [name for name, change in found.items() if change.drifted] == ["mean"]
    assert found["mean"].stability > SHIFT_BOUND
    assert abs(found["spread"].stability) < SHIFT_BOUND / 2


def test_one_number_of_many_is_found_and_named(reference):
    new = tracks(np.random.default_rng(3))
    new["embedding"][:, 11] += 2
    (change,) = [c for c in changes(reference, new) if c.drifted]
    assert (change.group, change.worst, change.n_numbers) == ("embedding", 11, 16)


def test_numbers_that_never_change_do_not_alarm():
    flat = {"mean": np.zeros((50, 3))}
    (change,) = changes(profile(flat), flat)
    assert (change.p, change.drifted) == (1.0, False)


@pytest.mark.parametrize("new", [{}, {"mean": np.zeros((50, 4))}, {"mean": np.zeros((19, 3))}])
def test_tracks_that_cannot_be_compared_are_refused(new):
    kept = profile({"mean": np.zeros((50, 3))})
    with pytest.raises(DataError, match="drift"):
        changes(kept, new)


@pytest.mark.parametrize("freedom", range(1, 12))
def test_the_tail_of_chi_square_is_scipys(freedom):
    x = np.concatenate([[0.0], np.geomspace(1e-6, 500, 200)])
    ours = [compute_chi_square_tail(value, freedom) for value in x]
    np.testing.assert_allclose(ours, stats.chi2.sf(x, freedom), rtol=1e-10)


def test_drift_without_a_release_says_so(tmp_path):
    with pytest.raises(
        OstinatoError, match=r"genre: nothing is released there; run `dvc repro` and `ostinato release`"
    ):
        drift_profile.compare(tmp_path / "genre", [tmp_path], level=0.01)
