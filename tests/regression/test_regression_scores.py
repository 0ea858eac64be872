"""Metrics of predicted numbers agree with scikit-learn and SciPy, and their intervals with a plain jackknife."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from ostinato.metrics.jackknife import jackknife
from ostinato.regression.loss import DELTA, compute_losses
from ostinato.regression.scores import SURE_R2, compute_figures, compute_r2, compute_spearman


def draw(seed=0, n=120, folds=1):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=n).round(1)  # with ties
    preds = (0.5 * target + rng.normal(size=n)).round(1)
    group = np.arange(n) // 4
    return preds, target, group % folds, group.astype(str)


def compute(preds, target, fold, group):
    baseline = {"mean": np.full(len(target), 0.1), "deviation": np.full(len(target), 2.0)}
    return compute_figures(preds, target, baseline, fold, group, 0.95)


def test_values_are_those_of_scikit_learn_and_scipy():
    preds, target, fold, group = draw()
    figures, baseline = compute(preds, target, fold, group)
    assert figures["r2"]["value"] == pytest.approx(
        1 - ((target - preds) ** 2).sum() / ((target - 0.1) ** 2).sum(), abs=1e-6
    )
    assert compute_r2(
        preds, target, np.full(len(target), target.mean()), jackknife(group, 0.95)
    ).value == pytest.approx(r2_score(target, preds))
    assert baseline["r2"] == {"value": 0, "low": 0, "high": 0}
    assert figures["spearman"]["value"] == pytest.approx(spearmanr(target, preds)[0], abs=1e-6)
    assert figures["mae"]["value"] == pytest.approx(mean_absolute_error(target, preds), abs=1e-6)
    assert baseline["mae"]["value"] == pytest.approx(np.abs(target - 0.1).mean(), abs=1e-6)
    assert figures["mae_ratio"]["value"] == pytest.approx(figures["mae"]["value"] / baseline["mae"]["value"], abs=1e-5)
    assert figures[SURE_R2]["value"] == figures["r2"]["low"]


def test_hubers_loss_is_the_one_of_torch():
    import torch

    preds, target, *_ = draw(1)
    ours = 9 * compute_losses(preds, target, 3.0)  # in squared units
    loss = torch.nn.HuberLoss(reduction="none", delta=3 * DELTA)
    assert ours == pytest.approx(loss(torch.tensor(preds), torch.tensor(target)).numpy())


@pytest.mark.parametrize("folds", [1, 3])
def test_each_replicate_leaves_one_artist_out_of_its_fold(folds):
    preds, target, fold, group = draw(2, folds=folds)
    replicates = jackknife(group, 0.95)
    for compute_one, given in ((compute_r2, 0.1 * fold), (compute_spearman, fold)):
        kept = [replicates.group != g for g in range(replicates.n_groups)]
        ones = [jackknife(group[k], 0.95) for k in kept]
        slow = [compute_one(preds, target, given, replicates).value]
        slow += [compute_one(preds[k], target[k], given[k], r).value for k, r in zip(kept, ones, strict=True)]
        if compute_one is compute_r2:
            expected = replicates.estimate(1 - np.array(slow), 0)
            low, high = 1 - expected.high, 1 - expected.low
        else:
            _, low, high = replicates.estimate(np.array(slow), -1, 1)
        assert compute_one(preds, target, given, replicates)[1:] == pytest.approx((low, high))


def test_folds_with_other_means_do_not_look_like_skill():
    _, target, fold, group = draw(3, n=400, folds=2)
    target = target + 5.0 * fold
    means = np.array([target[fold == f].mean() for f in (0, 1)])[1 - fold]  # each fold's training is the other fold
    figures, _ = compute(means, target, fold, group)
    assert figures["spearman"]["value"] is None  # equal within each fold


def test_the_mean_has_no_rank_correlation_and_an_r2_of_0():
    _, target, fold, group = draw(4)
    figures, _ = compute(np.full(len(target), 0.1), target, fold, group)
    assert figures["spearman"] == {"value": None, "low": None, "high": None}
    assert figures["r2"] == {"value": 0, "low": 0, "high": 0}
