"""The report of a study: shares, strengths and their intervals, agreement."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.errors import DataError
from ostinato.study.answers import Answers
from ostinato.study.estimates import Clusters, Comparisons, estimate_share, fit_bradley_terry
from ostinato.study.report import describe, report
from study.study_project import write_study


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("bench.study")


def listen(study, listener, space, share=1.0):
    """Answer all questions about a space by preferring it in a share of them, and no side in the others."""
    answers, order = Answers(study), study.order(listener)
    asked = [p for p in order if space in (p.first, p.second)]
    for i, presentation in enumerate(asked):
        side = "first" if presentation.first == space else "second"
        answers.add(listener, presentation.question, side if i < share * len(asked) else "same")


@pytest.mark.parametrize("n_spaces", [2, 3])
def test_intervals_contain_the_truth_as_often_as_they_say(bench, n_spaces):
    n_studies, rate, is_inside = 300, 0.2, []
    truth = bench.compute_truth(rate, n_spaces)
    for i in range(n_studies):
        comparisons = bench.simulate(np.random.default_rng([i, n_spaces]), 10, 20, rate, n_spaces)
        pairs = zip(bench.estimate(comparisons, n_spaces), truth, strict=True)
        is_inside.append(np.mean([e.low <= value <= e.high for e, value in pairs]))
    assert 0.92 <= np.mean(is_inside) <= 0.98


def test_an_interval_that_ignores_listeners_and_tracks_is_too_narrow(bench):
    (truth,), is_inside = bench.compute_truth(0.2, 2), []
    for i in range(200):
        comparisons = bench.simulate(np.random.default_rng([i, 2]), 15, 20, 0.2, 2)
        single = np.arange(len(comparisons.scores))
        estimate = estimate_share(comparisons.scores, Clusters(single, single))
        is_inside.append(estimate.low <= truth <= estimate.high)
    assert np.mean(is_inside) < 0.85


def test_strengths_are_those_of_the_shares():
    shares = {(0, 1): 0.7, (0, 2): 0.8, (1, 2): 0.6}
    rows = np.array([(a, b, i < 100 * share, i) for (a, b), share in shares.items() for i in range(100)])
    clusters = Clusters(rows[:, 3] // 10, rows[:, 3] % 10)
    strengths = fit_bradley_terry(Comparisons(rows[:, 0], rows[:, 1], rows[:, 2].astype(float), clusters), 3)
    value = np.array([s.value for s in strengths])
    chance = 1 / (1 + np.exp(value - value[:, np.newaxis]))
    expected = {0: 0.7 + 0.8, 1: 0.3 + 0.6, 2: 0.2 + 0.4}
    for i, wins in expected.items():  # the likelihood equations: expected wins are the observed ones
        assert sum(chance[i][j] for j in range(3) if j != i) == pytest.approx(wins)
    assert value.sum() == pytest.approx(0)


def test_strengths_of_two_are_the_odds():
    rng = np.random.default_rng(0)
    scores, listener = (rng.random(200) < 0.7).astype(float), np.arange(200) // 20
    clusters = Clusters(listener, np.arange(200) % 20)
    one, other = fit_bradley_terry(Comparisons(np.zeros(200, int), np.ones(200, int), scores, clusters), 2)
    share = estimate_share(scores, clusters)
    assert one.value - other.value == pytest.approx(logit(share.value))
    assert 2 * one.low == pytest.approx(logit(share.low), abs=1e-6)


def test_a_space_that_always_wins_has_no_finite_strength():
    first, second = np.array([0, 0, 1] * 20), np.array([1, 2, 2] * 20)
    scores = np.array([1.0, 1.0, 0.0] * 10 + [1.0, 1.0, 1.0] * 10)
    clusters = Clusters(np.arange(60) // 6, np.arange(60) % 6)
    assert np.isnan([e.value for e in fit_bradley_terry(Comparisons(first, second, scores, clusters), 3)]).all()
    share = estimate_share(np.ones(60), clusters)
    assert share.value == share.high == 1
    assert share.low == pytest.approx(0.025 ** (1 / 6))


def test_the_report_counts_who_prefers_what(tmp_path):
    study = write_study(tmp_path, n_spaces=3)
    for i in range(5):
        listen(study, f"{i:016x}", "near", share=0.5 if i else 1.0)
    figures = report(study)
    assert "40 answers of 5 listeners to 12 questions; 16 say no difference; 0 listeners answered all" in describe(
        figures
    )
    assert (figures["n_answers"], figures["n_listeners"], figures["n_complete"], figures["n_ties"]) == (40, 5, 0, 16)
    assert figures["spaces"]["near"]["preferred"]["value"] == pytest.approx((24 + 0.5 * 16) / 40)
    pairs = {tuple(row["pair"]): row for row in figures["pairs"]}
    assert [pairs["near", other]["n_answers"] for other in ("far", "odd")] == [20, 20]
    assert pairs["far", "odd"]["preferred"]["value"] is None
    shares = [pairs["near", other]["preferred"]["value"] for other in ("far", "odd")]
    assert np.mean(shares) == pytest.approx(0.8)
    others = [figures["spaces"][space]["preferred"]["value"] for space in ("far", "odd")]
    assert others == pytest.approx([1 - share for share in shares])
    strengths = [row["strength"]["value"] for row in figures["spaces"].values()]
    assert max(strengths) == strengths[0] > 0
    assert sum(strengths) == pytest.approx(0, abs=1e-5)
    assert figures["first"]["low"] < 0.5 < figures["first"]["high"]


def test_listeners_who_agree_have_an_alpha_of_1(tmp_path):
    study = write_study(tmp_path)
    answers = Answers(study)
    for listener in ("0" * 16, "1" * 16, "2" * 16):
        for presentation in study.order(listener):
            better = study.spaces[presentation.question % 2]
            answers.add(listener, presentation.question, "first" if presentation.first == better else "second")
    assert report(study)["alpha"] == 1
    assert report(study)["pairs"][0]["preferred"] == {"value": 0.5, "low": None, "high": None}
    assert "an interval needs answers of 4 listeners about tracks of 4 artists" in describe(report(study))


def test_the_report_says_whether_the_metrics_of_rank_agree(tmp_path, monkeypatch):
    study = write_study(tmp_path, n_spaces=3)
    listen(study, "0" * 16, "near")
    spaces = {
        n: {"map": {"value": v}, "map_above_mfcc": {"value": 0.1}}
        for n, v in (("near", 0.3), ("far", 0.2), ("odd", 0.4))
    }
    ranking = {"question": "related_cold", "spaces": spaces}
    figures = report(study, ranking)["ranking"]
    assert figures["question"] == "related_cold"
    assert {k: figures["metrics"]["map"][k] for k in ("n_pairs", "n_agree")} == {"n_pairs": 2, "n_agree": 1}
    assert list(figures["metrics"]) == ["map"]
    assert report(study, {"question": "related_cold", "spaces": {}})["ranking"] is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "ranking.json").write_text(json.dumps(ranking))
    monkeypatch.chdir(tmp_path)
    printed = CliRunner().invoke(app, ["study", "report", "study"]).output
    assert "rank's map agrees with the listeners on 1 of 2 pairs: near 0.300, far 0.200, odd 0.400" in printed
    assert json.loads(CliRunner().invoke(app, ["study", "report", "study", "--json"]).output)["ranking"] == figures


def test_a_study_without_answers_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no answers yet; ask listeners with `ostinato serve --study`"):
        report(write_study(tmp_path))
