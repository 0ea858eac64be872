"""Estimators and summaries: laws that all keep, and hand-worked cases."""

from functools import cache

import numpy as np
import onnxruntime
import optuna
import pytest

from ostinato.core import registry
from ostinato.core.summary import summary
from ostinato.errors import OstinatoError
from ostinato.training import estimator
from score_laws import CASES, N_TRAIN, check_scores, draw_tracks

NAMES = registry.names("ostinato.estimators")
WIDTH = 8


@pytest.fixture
def x(rng):
    centre = rng.uniform(-300, 300, WIDTH)
    return (rng.normal(size=(90, WIDTH)) * rng.uniform(0.5, 30, WIDTH) + centre).astype(np.float32)


@pytest.fixture
def genre(x):
    z = (x - x.mean(0)) / x.std(0)
    return np.eye(5, dtype=np.float32)[np.where(z[:, 0] > 0, 1, 0) + np.where(z[:, 1] > 0, 2, 0)]


@pytest.fixture
def tags(x, genre):
    return np.column_stack([genre[:, 1], genre[:, 2:].sum(1), np.zeros(len(x)), np.ones(len(x))]).astype(np.float32)


def load(name):
    return registry.load("ostinato.estimators", name)


def scores_of(content, x):
    return onnxruntime.InferenceSession(content).run(["scores"], {"features": x})[0]


@pytest.mark.parametrize(("kind", "labels"), [("single", "genre"), ("single", "pair"), ("multi", "tags")])
@pytest.mark.parametrize("name", NAMES)
def test_onnx_gives_what_the_estimator_gives(name, kind, labels, x, genre, tags, rng):
    target = {"genre": genre, "pair": genre[:, :2] + genre[:, 2:4], "tags": tags}[labels]
    fitted = estimator.fit(load(name), x, target, 3, {}, kind)
    content = estimator.to_onnx(fitted, WIDTH, kind, target.shape[1])
    unseen = (x + rng.normal(size=x.shape) * x.std(0)).astype(np.float32)
    np.testing.assert_allclose(scores_of(content, unseen), fitted.scores(unseen), atol=1e-5)
    again = estimator.fit(load(name), x, target, 3, {}, kind)
    assert estimator.to_onnx(again, WIDTH, kind, target.shape[1]) == content


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_genres_sum_to_one_and_an_absent_one_has_none(name, x, genre):
    scores = estimator.fit(load(name), x, genre, 3, {}).scores(x)
    assert genre[:, 4].sum() == 0
    np.testing.assert_array_equal(scores[:, 4], 0)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_tags_that_all_or_none_carry_are_certain(name, x, tags):
    scores = estimator.fit(load(name), x, tags, 3, {}, "multi").scores(x)
    np.testing.assert_array_equal(scores[:, 2], 0)
    np.testing.assert_array_equal(scores[:, 3], 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_single_class_is_certain(name, x):
    target = np.eye(3, dtype=np.float32)[np.ones(len(x), int)]
    fitted = estimator.fit(load(name), x, target, 3, {}, "single")
    assert fitted.scores(x[:2]).tolist() == [[0, 1, 0]] * 2
    np.testing.assert_array_equal(scores_of(estimator.to_onnx(fitted, WIDTH, "single", 3), x[:2]), [[0, 1, 0]] * 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_genre_of_one_track_is_learned(name, x, genre):
    genre = genre.copy()
    genre[0] = [0, 0, 0, 0, 1]
    scores = estimator.fit(load(name), x, genre, 3, {}).scores(x)
    assert scores[0, 4] > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_search_space_makes_estimators(name, x, genre):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(3):
        space = load(name).search_space(study.ask())
        assert set(space) == {"network", "train"}
        estimator.fit(load(name), x, genre, 0, space["network"])


def test_majority_gives_the_shares(x, genre, tags):
    assert estimator.fit(load("majority"), x, genre, 0, {}).scores(x[:1])[0] == pytest.approx(genre.mean(0))
    assert estimator.fit(load("majority"), x, tags, 0, {}, "multi").scores(x[:1])[0] == pytest.approx(tags.mean(0))


def test_the_machine_learns_what_majority_cannot(x, genre):
    machine, majority = (estimator.fit(load(n), x[:60], genre[:60], 0, {}) for n in ("mfcc_svm", "majority"))
    right, common = ((e.scores(x[60:]).argmax(1) == genre[60:].argmax(1)).mean() for e in (machine, majority))
    assert right > common + 0.2
    assert estimator.loss(machine, x[60:], genre[60:]) < estimator.loss(majority, x[60:], genre[60:])


def test_the_loss_is_the_mean_negative_logarithm(x):
    target = np.eye(2, dtype=np.float32)[np.arange(len(x)) % 3 // 2]
    shares = target.mean(0)
    expected = -(target * np.log(shares)).sum(1).mean()
    assert estimator.loss(estimator.fit(load("majority"), x, target, 0, {}), x, target) == pytest.approx(expected)
    assert estimator.loss(estimator.fit(load("majority"), x, target, 0, {}, "multi"), x, target) == pytest.approx(
        expected
    )


def test_what_cannot_be_fitted_is_refused(x, genre):
    with pytest.raises(OstinatoError, match="no track to fit on"):
        estimator.fit(load("majority"), x[:0], genre[:0], 0, {})
    with pytest.raises(OstinatoError, match=r"mfcc_svm: options: .*'c'"):
        estimator.fit(load("mfcc_svm"), x, genre, 0, {"c": 1})
    x[3, 2] = np.nan
    with pytest.raises(OstinatoError, match="1 values of the features are not finite"):
        estimator.fit(load("majority"), x, genre, 0, {})


def test_another_task_is_refused(x, genre):
    fitted = estimator.fit(load("majority"), x, genre, 0, {})
    with pytest.raises(OstinatoError, match="fitted for 5 classes of kind single, not for 4 of kind multi"):
        estimator.to_onnx(fitted, WIDTH, "multi", 4)


def test_a_summary_is_means_and_deviations_of_bins_and_changes(rng):
    rows = rng.normal(size=(50, 3)).astype(np.float16)
    x, changes = rows.astype(float), np.diff(rows.astype(float), axis=0)
    expected = np.concatenate([x.mean(0), x.std(0), changes.mean(0), changes.std(0)])
    np.testing.assert_allclose(summary(rows), expected, rtol=1e-5)
    assert summary(rows).dtype == np.float32
    assert summary(rows[:1]).tolist() == pytest.approx([*x[0], *[0] * 9])


def test_calibration_changes_no_label(x):
    target = np.eye(6, dtype=np.float32)[np.arange(len(x)) * 7 % 6]
    plain = load("mfcc_svm").pipeline(0).classifier.fit(x, target.argmax(1))
    scores = estimator.fit(load("mfcc_svm"), x, target, 0, {}).scores(x)
    np.testing.assert_array_equal(scores.argmax(1), plain.predict(x))
    assert 1 / 6 < scores.max(1).mean() < 0.99


CONSTANT = "majority"
"""The estimator that looks at nothing, whose confidence says nothing."""


QUICK = {"hist_gradient_boosting": {"learning_rate": 0.3, "max_iter": 30}}
"""Fewer trees, so that the laws take seconds."""


@pytest.fixture(scope="module")
def make_scores():
    """Return the scores of test tracks by an estimator fitted on the others; each is fitted once."""

    @cache
    def make(name, n_classes, kind, absent=None):
        x, target = draw_tracks(n_classes, kind)
        rows = slice(None) if absent is None else target[:, absent] == 0
        x, target = x[rows], target[rows]
        fitted = estimator.fit(load(name), x[:N_TRAIN], target[:N_TRAIN], 3, QUICK.get(name, {}), kind)
        return fitted.scores(x[N_TRAIN:]), target[N_TRAIN:]

    return make


@pytest.mark.parametrize(("n_classes", "kind"), CASES)
@pytest.mark.parametrize("name", sorted(set(NAMES) - {CONSTANT}))
def test_scores_mean_something(name, n_classes, kind, make_scores):
    check_scores(*make_scores(name, n_classes, kind), kind)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {CONSTANT}))
@pytest.mark.parametrize("absent", [0, 4])
def test_a_class_absent_from_training_leaves_the_others_in_their_columns(name, absent, make_scores):
    scores, target = make_scores(name, 10, "single", absent)
    np.testing.assert_array_equal(scores[:, absent], 0)
    assert (scores.argmax(axis=1) == target.argmax(axis=1)).mean() > 0.4
    check_scores(scores, target, "single")


def test_calibration_keeps_groups_apart(rng):
    """Copies in other folds would make a machine that remembers look sure: groups of copies keep it humble."""
    centres = rng.normal(size=(60, 8))
    x = (np.repeat(centres, 5, axis=0) + rng.normal(0, 0.01, (300, 8))).astype(np.float32)
    target = np.eye(2, dtype=np.float32)[np.repeat(rng.integers(0, 2, 60), 5)]
    groups = np.repeat(np.arange(60), 5)
    told = [
        estimator.fit(load("mfcc_svm"), x, target, 0, {}, "single", given).scores(rng.normal(size=(200, 8)))
        for given in (None, groups)
    ]
    assert told[0].max(axis=1).mean() > told[1].max(axis=1).mean() + 0.1


def test_rows_of_a_length_are_alike_if_asked(x, genre):
    plain, scaled = (
        estimator.fit(load("logistic"), x - x.mean(0), genre, 0, {"row_norm": norm}) for norm in (None, "l2")
    )
    given = (x - x.mean(0))[:20]
    np.testing.assert_allclose(scaled.scores(given), scaled.scores(7 * given), atol=1e-6)
    assert np.abs(plain.scores(given) - plain.scores(7 * given)).max() > 0.01
    content = estimator.to_onnx(scaled, WIDTH, "single", 5)
    np.testing.assert_allclose(scores_of(content, given), scaled.scores(given), atol=1e-5)


@pytest.mark.parametrize("name", ["logistic", "linear_svm", "mlp_probe"])
def test_a_head_may_read_the_means_alone(name, x, genre):
    fitted = estimator.fit(load(name), x, genre, 3, {"statistics": "mean"}, "single")
    rest = x.copy()
    rest[:, WIDTH // 4 :] += 100
    np.testing.assert_array_equal(fitted.scores(rest), fitted.scores(x))
    content = estimator.to_onnx(fitted, WIDTH, "single", genre.shape[1])
    np.testing.assert_allclose(scores_of(content, x), fitted.scores(x), atol=1e-5)


def test_a_probe_learns_what_no_line_parts(rng):
    x = rng.uniform(-1, 1, (200, 4)).astype(np.float32)
    target = np.eye(2, dtype=np.float32)[((x[:, 0] > 0) ^ (x[:, 1] > 0)).astype(int)]
    probe, line = (estimator.fit(load(n), x[:150], target[:150], 0, {}) for n in ("mlp_probe", "logistic"))
    right, lined = ((e.scores(x[150:]).argmax(1) == target[150:].argmax(1)).mean() for e in (probe, line))
    assert right > lined + 0.2
