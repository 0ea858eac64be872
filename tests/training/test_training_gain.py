"""What a choice gains: the estimate, its interval, and who may see which track."""

import numpy as np
import pytest

import tiny_project
from ostinato.stages import _candidate
from ostinato.training import gain
from ostinato.training.settings import resolve

CHOICE = {"network": {}, "train": {"lr": 0.05}}


def test_the_gain_is_the_mean_over_tracks():
    found = gain.estimate_gain(np.array([1.0, 1.0, 2.0, 4.0]), np.array(["a", "a", "b", "c"]))
    assert (found.mean, found.n_tracks, found.n_groups) == (2.0, 4, 3)
    assert found.low < found.mean < found.high


def test_one_track_a_group_gives_the_interval_of_students_t():
    rng = np.random.default_rng(0)
    values = rng.normal(size=20)
    found = gain.estimate_gain(values, np.arange(20))
    reach = 2.093024 * values.std(ddof=1) / np.sqrt(20)  # the 97.5 % quantile of t with 19 degrees of freedom
    assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=1e-5)


def test_tracks_that_repeat_their_group_do_not_narrow_the_interval():
    rng = np.random.default_rng(1)
    values = rng.normal(size=12)
    once = gain.estimate_gain(values, np.arange(12))
    often = gain.estimate_gain(np.repeat(values, 9), np.repeat(np.arange(12), 9))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_intervals_hold_what_they_promise():
    """Of 15 groups of 3 alike tracks the interval holds the truth in 95 of 100 draws; 1,000 draws, three deviations."""
    rng = np.random.default_rng(2)
    groups, held = np.repeat(np.arange(15), 3), 0
    for _ in range(1000):
        values = rng.normal(size=15)[groups] + 0.5 * rng.normal(size=45)
        found = gain.estimate_gain(values, groups)
        held += found.low <= 0 <= found.high
    assert 0.93 <= held / 1000 <= 0.97


@pytest.mark.parametrize("name", ["tiny_mel", "svm_mel"])
def test_no_fit_learns_from_the_group_it_is_judged_by(tmp_path, monkeypatch, name):
    """Nor do test tracks have a part; each training track is judged once."""
    paths = tiny_project.make(tmp_path / "project")
    settings = resolve(tiny_project.settings(), name)
    opened = _candidate.open_candidate(paths, settings)
    x = _candidate.load_summaries(paths, "mel", opened.labelled.track_ids) if name == "svm_mel" else None
    calls, compute = [], gain.compute_losses

    def record(chosen, labelled, source, x, train, held, **rest):
        calls.append((train, held))
        return compute(chosen, labelled, source, x, train, held, **rest)

    monkeypatch.setattr(gain, "compute_losses", record)
    choice = CHOICE if x is None else {"network": {"C": 1.0}, "train": {}}
    found = gain.compute_gain(settings, choice, opened.labelled, opened.sources, x, folds=3)
    parts, groups = opened.labelled.folds[0], opened.labelled.groups
    assert len(calls) == 6
    for train, held in calls:
        assert not set(groups[train]) & set(groups[held])
        assert set(np.concatenate([train, held])) == set(parts["train"])
    assert sorted(np.concatenate([held for _, held in calls[::2]])) == sorted(parts["train"])
    assert (found.n_tracks, found.n_groups) == (len(parts["train"]), len(set(groups[parts["train"]])))


def test_the_same_settings_gain_nothing(tmp_path):
    """The defaults against themselves: the same seeds, the same losses."""
    settings, opened = tiny_project.open_candidate(tmp_path / "project")
    nothing = {"network": {}, "train": {}}
    found = gain.compute_gain(settings, nothing, opened.labelled, opened.sources, None, folds=3)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_track_losses_are_what_training_monitors():
    logits, target = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    settings = resolve(tiny_project.settings(), "tiny_mel")
    cross = gain.track_losses(logits, target, settings, "single")
    np.testing.assert_allclose(cross, [np.log1p(np.exp(-2.0)), np.log1p(np.exp(1.0))])
    by_score = settings.with_overrides({"train": {"monitor": "val_score"}})
    assert gain.track_losses(logits, target, by_score, "single").tolist() == [0.0, 1.0]
    tags = gain.track_losses(logits, target, settings, "multi")
    np.testing.assert_allclose(tags[1], (np.log(2.0) + np.log1p(np.exp(1.0))) / 2)
