"""Metrics against torchmetrics, against worked examples, and their intervals against the plain definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from memory import trace_peak
from ostinato.metrics import multi, probabilities, single, tree
from ostinato.metrics.jackknife import MAX_GROUPS, MIN_GROUPS, jackknife

FAMILIES = {"single": single, "multi": multi}
EVERY = [(kind, name) for kind, module in FAMILIES.items() for name in module.METRICS]


def problem(rng: np.random.Generator, kind: str, n: int = 60, c: int = 5, coarse: bool = False):
    """Return scores with ties if `coarse`, targets with every class, and groups."""
    scores = rng.dirichlet(np.ones(c), n) if kind == "single" else rng.random((n, c))
    if coarse:
        scores = np.round(scores, 1)
    if kind == "single":
        target = np.eye(c, dtype=np.int8)[np.concatenate([np.arange(c), rng.integers(0, c, n - c)])]
    else:
        target = (rng.random((n, c)) < 0.3).astype(np.int8)
        target[:c] = np.eye(c)
    return scores, target, np.array([f"artist {i}" for i in rng.integers(0, 12, n)])


def value(kind: str, name: str, scores: np.ndarray, target: np.ndarray) -> float:
    metric = FAMILIES[kind].METRICS[name]
    return metric.function(preds=metric.prepare(scores, kind, 0.5), target=target)


def reference(kind: str, name: str, scores: np.ndarray, target: np.ndarray) -> float:
    """Compute a metric with torchmetrics, which shares no code with scikit-learn."""
    torch = pytest.importorskip("torch")
    from torchmetrics.functional import classification as tm

    c = target.shape[1]
    p, t = torch.tensor(scores, dtype=torch.float64), torch.tensor(target, dtype=torch.long)
    named = torch.nn.functional.one_hot(p.argmax(1), c) if kind == "single" else (p >= 0.5).long()
    both = {
        "f1_micro": lambda: tm.multilabel_f1_score(named, t, c, average="micro"),
        "f1_macro": lambda: tm.multilabel_f1_score(named, t, c, average="macro"),
        "f1_weighted": lambda: tm.multilabel_f1_score(named, t, c, average="weighted"),
        "accuracy": lambda: tm.multilabel_exact_match(named, t, c),
        "hamming_loss": lambda: tm.multilabel_hamming_distance(named, t, c, average="micro"),
        "map_macro": lambda: tm.multilabel_average_precision(p, t, c, average="macro", thresholds=None),
        "map_samples": lambda: tm.multilabel_ranking_average_precision(p[t.any(1)], t[t.any(1)], c),
        "jaccard": lambda: torch.stack(
            [
                tm.multilabel_jaccard_index(n[None], u[None], c, average="micro")
                if (n | u).any()
                else torch.tensor(1.0)
                for n, u in zip(named, t, strict=True)
            ]
        ).mean(),
        "top_3": lambda: tm.multiclass_accuracy(p, t.argmax(1), c, average="micro", top_k=3),
        "roc_auc_macro": lambda: tm.multilabel_auroc(p, t, c, average="macro", thresholds=None),
        "cosine": lambda: torch.nn.functional.cosine_similarity(p, t.double())[t.any(1)].mean(),
        "calibration_error": lambda: (
            tm.multiclass_calibration_error(p, t.argmax(1), c, n_bins=15)
            if kind == "single"
            else tm.binary_calibration_error(p.ravel(), t.ravel(), n_bins=15)
        ),
        "mse": lambda: torch.nn.functional.mse_loss(p, t.double()),
        "log_loss": lambda: (
            torch.nn.functional.nll_loss(p.log(), t.argmax(1))
            if kind == "single"
            else torch.nn.functional.binary_cross_entropy(p, t.double())
        ),
    }
    return float(both[name]())


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_agrees_with_torchmetrics(kind, name, rng):
    scores, target, _ = problem(rng, kind)
    assert value(kind, name, scores, target) == pytest.approx(reference(kind, name, scores, target), abs=1e-6)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_perfect_scores_are_the_best_value(kind, name, rng):
    _, target, _ = problem(rng, kind)
    best = 1.0 if FAMILIES[kind].METRICS[name].higher_is_better else 0.0
    assert value(kind, name, target.astype(float), target) == best


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        # three tracks of classes a, b, a are named a, a, b
        ("single", "accuracy", 1 / 3),
        ("single", "f1_micro", 1 / 3),
        ("single", "f1_macro", (0.5 + 0.0) / 2),
        ("single", "hamming_loss", 4 / 6),
        ("single", "jaccard", 1 / 3),
        # a: 0.8 true, 0.6 false, 0.3 true -> (1 + 2/3) / 2;   b: 0.7 false, 0.4 true, 0.2 false -> 1/2
        ("single", "map_macro", (5 / 6 + 1 / 2) / 2),
        ("single", "map_samples", (1 + 1 / 2 + 1 / 2) / 3),
        ("single", "log_loss", -(math.log(0.8) + math.log(0.4) + math.log(0.3)) / 3),
    ],
)
def test_worked_example_of_a_single_label(kind, name, expected):
    scores = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    assert value(kind, name, scores, np.array([[1, 0], [0, 1], [1, 0]])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # labels ab, -, b; named a, -, ab
        ("accuracy", 1 / 3),
        ("f1_micro", 2 * 2 / (3 + 3)),
        ("f1_macro", (2 * 1 / (2 + 1) + 2 * 1 / (1 + 2)) / 2),
        ("f1_weighted", (1 * 2 * 1 / (2 + 1) + 2 * 2 * 1 / (1 + 2)) / 3),
        ("hamming_loss", 2 / 6),
        ("jaccard", (1 / 2 + 1 + 1 / 2) / 3),
        ("map_samples", (1 + 1 / 2) / 2),  # the second track has no label: left out
        ("map_macro", (1 + (1 + 2 / 3) / 2) / 2),  # b: 0.6 true, 0.45 false, 0.4 true
        ("mse", (0.1**2 + 0.6**2 + 0.1**2 + 0.45**2 + 0.7**2 + 0.4**2) / 6),
    ],
)
def test_worked_example_of_tags(name, expected):
    scores = np.array([[0.9, 0.4], [0.1, 0.45], [0.7, 0.6]])
    assert value("multi", name, scores, np.array([[1, 1], [0, 0], [0, 1]])) == pytest.approx(expected)


def test_a_class_without_positives_is_left_out_not_counted_as_zero():
    scores, target = np.array([[0.9, 0.8, 0.0], [0.8, 0.1, 0.0]]), np.array([[1, 0, 0], [1, 0, 0]])
    assert value("multi", "map_macro", scores, target) == 1.0
    assert value("multi", "f1_macro", scores, target) == 1.0
    assert np.isnan(probabilities.average_precision(preds=scores, target=target)).tolist() == [False, True, True]


@pytest.mark.parametrize("name", ["map_macro", "map_samples", "f1_macro", "f1_micro", "f1_weighted"])
def test_nothing_to_judge_is_nan(name):
    assert math.isnan(value("multi", name, np.zeros((3, 2)), np.zeros((3, 2), int)))


def from_scikit_learn(kind: str, name: str, scores: np.ndarray, target: np.ndarray) -> float:
    """Compute a metric with scikit-learn, which orders ties in its own way."""
    named = np.eye(target.shape[1])[scores.argmax(1)] if kind == "single" else (scores >= 0.5).astype(int)
    labelled, has_both = target.any(axis=1), target.any(axis=0) & (target == 0).any(axis=0)
    present = target.any(axis=0)
    by_name = {
        "f1_micro": lambda: sk.f1_score(target, named, average="micro", zero_division=np.nan),
        "f1_macro": lambda: np.mean(sk.f1_score(target, named, average=None, zero_division=0.0)[present]),
        "f1_weighted": lambda: sk.f1_score(target, named, average="weighted", zero_division=0.0),
        "accuracy": lambda: sk.accuracy_score(target, named),
        "hamming_loss": lambda: sk.hamming_loss(target, named),
        "jaccard": lambda: sk.jaccard_score(target, named, average="samples", zero_division=1.0),
        "map_macro": lambda: np.mean(
            [sk.average_precision_score(t, p) for t, p in zip(target.T[present], scores.T[present], strict=True)]
        ),
        "map_samples": lambda: sk.label_ranking_average_precision_score(target[labelled], scores[labelled]),
        "roc_auc_macro": lambda: np.mean(
            [sk.roc_auc_score(t, p) for t, p in zip(target.T[has_both], scores.T[has_both], strict=True)]
        ),
        "mse": lambda: sk.mean_squared_error(target, scores),
    }
    return float(by_name[name]())


SCIKIT_LEARN = {
    "f1_micro",
    "f1_macro",
    "f1_weighted",
    "accuracy",
    "hamming_loss",
    "jaccard",
    "map_macro",
    "map_samples",
    "roc_auc_macro",
    "mse",
}


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("kind", "name"), [case for case in EVERY if case[1] in SCIKIT_LEARN])
def test_agrees_with_scikit_learn_with_ties_and_empty_rows(kind, name, coarse, rng):
    scores, target, groups = problem(rng, kind, coarse=coarse)
    if kind == "multi":
        target[groups == "artist 3"], target[:, 2] = 0, 0
    assert value(kind, name, scores, target) == pytest.approx(from_scikit_learn(kind, name, scores, target), abs=1e-9)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_replicate_has_the_figure_of_its_repeated_rows(kind, name, coarse, rng):
    scores, target, groups = problem(rng, kind, coarse=coarse)
    if kind == "multi":  # a group without any tag, nor any that is named
        target[groups == "artist 3"] = 0
        scores[groups == "artist 3"] *= 0.4
    metric = FAMILIES[kind].METRICS[name]
    preds = metric.prepare(scores, kind, 0.5)
    replicates = jackknife(groups, 0.95)
    n_groups = replicates.n_groups
    counts = np.vstack([replicates.counts, rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=20)])
    repeats = (np.repeat(np.arange(len(groups)), times) for times in counts[:, replicates.group].astype(np.int64))
    expected = [metric.function(preds=preds[rows], target=target[rows]) for rows in repeats]
    np.testing.assert_allclose(metric.compute(preds, target, replicates.group, counts), expected, atol=1e-9)
    assert expected[0] == pytest.approx(metric.function(preds=preds, target=target), abs=1e-9)


def test_resampling_rare_classes_is_nan_where_a_draw_misses_them():
    scores, target = np.array([[0.9], [0.2], [0.1]]), np.array([[1], [0], [0]])
    counts = np.array([[1, 1, 1], [0, 2, 1]])
    drawn = multi.METRICS["map_macro"].compute(scores, target, np.arange(3), counts)
    assert drawn[0] == 1.0
    assert math.isnan(drawn[1])


def test_replicates_leave_groups_out_whole():
    groups = np.array(["a"] * 5 + ["b"] * 3)
    replicates = jackknife(groups, 0.95)
    assert replicates.counts[:, replicates.group].sum(axis=1).tolist() == [8, 3, 5]
    assert replicates.n_groups == 2


def test_many_groups_are_merged_whole(rng):
    groups = np.repeat(np.arange(2500), 2)
    replicates = jackknife(groups, 0.95)
    assert replicates.n_groups == 2500
    assert replicates.counts.shape == (MAX_GROUPS + 1, MAX_GROUPS)
    assert set(np.bincount(replicates.group)) == {4, 6}
    assert (replicates.group[::2] == replicates.group[1::2]).all()
    of_group = rng.normal(size=2500)
    sums = np.bincount(replicates.group, of_group[groups])
    found = replicates.estimate(replicates.counts @ sums / (replicates.counts @ np.bincount(replicates.group)))
    assert found.value == pytest.approx(of_group.mean())
    assert found.high - found.value == pytest.approx(1.96 * of_group.std() / 50, rel=0.1)


def test_the_interval_of_a_mean_is_that_of_student(rng):
    x = rng.normal(size=12)
    replicates = jackknife(np.arange(12), 0.9)
    order = np.argsort(np.arange(12).astype(str))
    found = replicates.estimate(replicates.counts @ x[order] / replicates.counts.sum(axis=1))
    expected = stats.t.interval(0.9, 11, x.mean(), x.std(ddof=1) / np.sqrt(12))
    assert found == pytest.approx((x.mean(), *expected))


def test_groups_of_unlike_sizes_count_as_fewer(rng):
    sizes = np.array([1, 1, 1, 1, 1, 1, 12])
    groups = np.repeat(np.arange(7), sizes)
    replicates = jackknife(groups, 0.9)
    means = replicates.counts @ (sums := rng.normal(size=7)) / (replicates.counts @ sizes)
    error = np.sqrt(6 / 7 * np.square(means[1:] - means[1:].mean()).sum())
    expected = stats.t.interval(0.9, 18**2 / (6 + 144) - 1, sums.sum() / 18, error)
    assert replicates.estimate(means) == pytest.approx((sums.sum() / 18, *expected))


def test_one_right_artist_of_many_is_little_whatever_the_spread():
    right = np.eye(15)[0]
    replicates = jackknife(np.char.zfill(np.arange(15).astype(str), 2), 0.95)
    _, low, high = replicates.estimate(replicates.counts @ right / replicates.counts.sum(axis=1), 0, 1)
    exact = stats.binomtest(1, 15).proportion_ci(0.95, "exact")
    assert 0 < low < 2 * exact.low + 0.01
    assert high == pytest.approx(exact.high, abs=0.1)


@pytest.mark.parametrize(("least", "most"), [(0, 1), (-1, 1), (0, np.inf)])
def test_an_interval_stays_within_the_bounds_of_its_figure(least, most):
    replicates = jackknife(np.arange(10), 0.95)
    values = 0.9 + 0.3 * (replicates.counts @ np.linspace(-0.3, 0.3, 10))
    value, low, high = replicates.estimate(values, least, most)
    assert least < low < value < high < most
    plain = replicates.estimate(values)
    assert plain.high > 1
    near = replicates.estimate(0.9 + (values - 0.9) / 1000, least, most)
    assert (near.low, near.high) == pytest.approx(replicates.estimate(0.9 + (values - 0.9) / 1000)[1:], abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_figure_at_its_bound_has_the_exact_interval_of_its_groups(value):
    """If all of 15 groups are right, the share of right ones may be that of which 15 are with a chance of 2.5 %."""
    found = jackknife(np.arange(15), 0.95).estimate(np.full(16, value), 0, 1)
    exact = stats.binomtest(int(15 * value), 15).proportion_ci(0.95, "exact")
    assert found == pytest.approx((value, exact.low, exact.high))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 60))
def test_fewer_groups_widen_the_interval(seed, n_groups):
    """Tracks of a group agree wholly, so that four tracks a group say no more than one."""
    rng = np.random.default_rng(seed)
    of_group = rng.random(n_groups) < 0.5
    if of_group.sum() in (0, n_groups):
        return
    right = np.repeat(of_group, 4)[:, np.newaxis].astype(np.int8)
    target = np.ones_like(right)

    def width(groups: np.ndarray) -> float:
        replicates = jackknife(groups, 0.95)
        values = single.METRICS["accuracy"].compute(right, target, replicates.group, replicates.counts)
        found = replicates.estimate(values)
        return found.high - found.low

    assert width(np.repeat(np.arange(n_groups), 4)) > width(np.arange(4 * n_groups))


@pytest.mark.parametrize("n_groups", [15, 40])
def test_intervals_cover_at_their_confidence(n_groups, rng):
    """Of 1,000 samples of groups that differ, 94 to 96 % of the intervals hold the mean, give or take chance."""
    held = 0
    for _ in range(1000):
        groups = np.repeat(np.arange(n_groups), 1 + rng.poisson(2, n_groups))
        effect = rng.normal(0.5, 0.2, n_groups)[groups]
        right = (rng.random(len(groups)) < effect)[:, np.newaxis].astype(np.int8)
        replicates = jackknife(groups, 0.95)
        values = single.METRICS["accuracy"].compute(right, np.ones_like(right), replicates.group, replicates.counts)
        found = replicates.estimate(values)
        held += found.low <= 0.5 <= found.high
    assert 0.932 <= held / 1000 <= 0.968


@pytest.mark.parametrize("n_groups", range(1, MIN_GROUPS))
def test_few_groups_have_no_interval(n_groups):
    replicates = jackknife(np.repeat(np.arange(n_groups), 5), 0.95)
    value, low, high = replicates.estimate(replicates.counts @ np.arange(float(n_groups)))
    assert value == sum(range(n_groups))
    assert math.isnan(low)
    assert math.isnan(high)


def test_replicates_that_leave_the_figure_undefined_are_left_out():
    replicates = jackknife(np.arange(10), 0.95)
    values = replicates.counts @ np.arange(10.0) / replicates.counts.sum(axis=1)
    assert replicates.estimate(np.where(np.arange(11) == 3, np.nan, values)).low < 4.5
    assert replicates.estimate(np.r_[4.5, np.full(10, np.nan)]).to_dict() == {"value": 4.5, "low": None, "high": None}


def test_thresholds_give_the_best_f1(rng):
    scores, target, _ = problem(rng, "multi", n=40, c=3)
    chosen = multi.choose_thresholds(preds=scores, target=target, default=0.5)

    def f1(threshold: np.ndarray) -> np.ndarray:
        named = scores >= threshold
        return 2 * (named & (target > 0)).sum(0) / (named.sum(0) + target.sum(0))

    best = np.max([f1(np.full(3, t)) for t in np.linspace(0, 1, 1001)], axis=0)
    np.testing.assert_allclose(f1(chosen), best, atol=1e-12)


def test_a_tag_without_positives_keeps_the_default_threshold():
    chosen = multi.choose_thresholds(preds=np.array([[0.9], [0.3]]), target=np.zeros((2, 1)), default=0.42)
    assert chosen.tolist() == [0.42]


def test_a_tree_of_classes_counts_what_a_near_miss_shares():
    """Kiritchenko's definition, by scikit-learn on the classes with all above them."""
    from sklearn.metrics import f1_score

    classes = ["rock", "rock---punk", "rock---punk---oi", "jazz---bop"]
    ancestors, nodes = tree.find_ancestors(classes)
    assert nodes == ("jazz", "jazz---bop", "rock", "rock---punk", "rock---punk---oi")
    rng = np.random.default_rng(5)
    named, true = (np.eye(4, dtype=int)[rng.integers(0, 4, 30)] for _ in range(2))
    expected = f1_score((true @ ancestors) > 0, (named @ ancestors) > 0, average="micro")
    assert tree.hierarchical_f1(preds=named, target=true, ancestors=ancestors) == pytest.approx(expected)
    near = tree.hierarchical_f1(preds=np.eye(4)[[1]], target=np.eye(4)[[2]], ancestors=ancestors)
    far = tree.hierarchical_f1(preds=np.eye(4)[[3]], target=np.eye(4)[[2]], ancestors=ancestors)
    assert (near, far) == (pytest.approx(2 * 2 / (2 + 3)), 0.0)


@pytest.mark.parametrize("metric", [probabilities.map_macro, probabilities.roc_auc_macro])
def test_figures_of_replicates_do_not_depend_on_how_many_are_looked_at_together(monkeypatch, rng, metric):
    target = (rng.random((400, 3)) < 0.2).astype(np.float32)
    scores = (rng.random((400, 3)) + 0.3 * target).round(2)  # with ties
    of = jackknife(rng.integers(0, 150, 400), 0.95)
    figures = []
    for cells in (1, 5_000, 1 << 40):
        monkeypatch.setattr(probabilities, "CELLS", cells)
        figures.append(metric(preds=scores, target=target, group=of.group, counts=of.counts).tobytes())
    assert len(set(figures)) == 1


def measure_replicates(metric, scores, target, of):
    metric(preds=scores, target=target, group=of.group, counts=of.counts)


@pytest.mark.parametrize("metric", [probabilities.map_macro, probabilities.roc_auc_macro])
def test_memory_does_not_grow_with_scores_times_replicates(rng, metric):
    """Ten thousand scores and 600 replicates are 48 MB as one table."""
    target = (rng.random((10_000, 1)) < 0.5).astype(np.float32)
    scores, of = rng.random((10_000, 1)), jackknife(rng.integers(0, 600, 10_000), 0.95)
    assert trace_peak(measure_replicates, metric, scores, target, of) < 72e6
