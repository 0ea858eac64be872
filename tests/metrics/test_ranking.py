"""Ranking metrics against torchmetrics and scikit-learn, against worked examples, and their intervals."""

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from ostinato.evaluation.similarity.ranking import compute_metrics, difference, summarise
from ostinato.metrics import ranking

N_ITEMS, N_SEEDS = 30, 12


def problem(rng: np.random.Generator, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores above 0 (torchmetrics drops items of 0), the k best items, and which are relevant (never none)."""
    scores = rng.permuted(np.tile(np.arange(1, N_ITEMS + 1), (N_SEEDS, 1)), axis=1).astype(float)
    target = (rng.random((N_SEEDS, N_ITEMS)) < 0.25).astype(int)
    target[:, 0] = 1
    return scores, np.argsort(-scores, axis=1)[:, :k], target


def reference(name: str, scores: np.ndarray, target: np.ndarray, k: int) -> float:
    """Compute a metric of one seed with torchmetrics."""
    torch = pytest.importorskip("torch")
    from torchmetrics.functional import retrieval as tm
    from torchmetrics.functional.classification import binary_jaccard_index

    s, t = torch.tensor(scores), torch.tensor(target)
    hits = int(t[s.argsort(descending=True)[:k]].sum())
    return float(
        {
            # torchmetrics divides by the hits among the first k, MAP@k by what could be among them
            "map": lambda: tm.retrieval_average_precision(s, t, top_k=k) * hits / min(int(t.sum()), k),
            "ndcg": lambda: tm.retrieval_normalized_dcg(s, t, top_k=k),
            "precision": lambda: tm.retrieval_precision(s, t, top_k=k),
            "recall": lambda: tm.retrieval_recall(s, t, top_k=k),
            "r_precision": lambda: tm.retrieval_r_precision(s, t),
            "mrr": lambda: tm.retrieval_reciprocal_rank(s, t, top_k=k),
            "hit_rate": lambda: tm.retrieval_hit_rate(s, t, top_k=k),
            "jaccard": lambda: binary_jaccard_index((s >= s.sort(descending=True)[0][k - 1]).long(), t),
        }[name]()
    )


@pytest.mark.parametrize("k", [1, 7, N_ITEMS])
@pytest.mark.parametrize("name", ranking.METRICS)
def test_agrees_with_torchmetrics(name, k, rng):
    scores, preds, target = problem(rng, N_ITEMS if name == "r_precision" else k)
    expected = [reference(name, s, t, k) for s, t in zip(scores, target, strict=True)]
    np.testing.assert_allclose(ranking.METRICS[name](preds=preds, target=target), expected, atol=1e-6)


@pytest.mark.parametrize("k", [1, 5, N_ITEMS])
def test_graded_relevance_agrees_with_scikit_learn(k, rng):
    scores, preds, _ = problem(rng, k)
    grades = rng.integers(0, 4, scores.shape)
    expected = [ndcg_score(g[None], s[None], k=k) for g, s in zip(grades, scores, strict=True)]
    np.testing.assert_allclose(ranking.ndcg(preds=preds, target=grades), expected, atol=1e-9)


@pytest.mark.parametrize("name", ranking.METRICS)
def test_a_perfect_list_is_1_and_an_empty_one_0(name):
    target = np.array([[0, 1, 0, 1]])
    assert ranking.METRICS[name](preds=np.array([[3, 1]]), target=target).tolist() == [1.0]
    assert ranking.METRICS[name](preds=np.array([[-1, -1]]), target=target).tolist() == [0.0]


@pytest.mark.parametrize("name", ranking.METRICS)
def test_a_seed_to_which_nothing_is_relevant_is_left_out(name):
    preds, target = np.array([[1, 0], [1, 0]]), np.array([[0, 0], [0, 1]])
    values = ranking.METRICS[name](preds=preds, target=target)
    assert math.isnan(values[0])
    found = summarise({name: values}, np.array(["a", "b"]), 0.9)
    assert found[name]["value"] == pytest.approx(values[1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # relevant: 0, 2, 4, 5 (grades 1, 2, 1, 1); ranked: 2, 1, 0
        ("map", (1 / 1 + 2 / 3) / 3),
        ("ndcg", (2 + 1 / 2) / (2 + 1 / math.log2(3) + 1 / 2)),
        ("precision", 2 / 3),
        ("recall", 2 / 4),
        ("r_precision", 2 / 4),
        ("mrr", 1.0),
        ("hit_rate", 1.0),
        ("jaccard", 2 / 5),
    ],
)
def test_worked_example(name, expected):
    value = ranking.METRICS[name](preds=np.array([[2, 1, 0]]), target=np.array([[1, 0, 2, 0, 1, 1]]))
    assert value[0] == pytest.approx(expected)


def test_a_list_that_ended_early_counts_the_length_asked_for():
    assert ranking.precision(preds=np.array([[0, -1, -1, -1]]), target=np.array([[1, 1]])).tolist() == [0.25]


def test_intra_list_diversity_is_the_mean_over_pairs(rng):
    vectors = rng.normal(size=(9, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    preds = np.array([[0, 3, 5, -1], [8, -1, -1, -1]])
    cosines = [vectors[a] @ vectors[b] for a, b in ((0, 3), (0, 5), (3, 5))]
    found = ranking.intra_list_diversity(preds, vectors)
    assert found[0] == pytest.approx(1 - np.mean(cosines))
    assert math.isnan(found[1])


def test_strata_hold_like_shares_of_popularity(rng):
    popularity = rng.integers(1, 20, 500).astype(float)
    stratum = ranking.assign_strata(popularity, 4)
    shares = np.bincount(stratum, popularity) / popularity.sum()
    np.testing.assert_allclose(shares, 0.25, atol=0.01)
    assert popularity[stratum == 0].min() >= popularity[stratum == 1].max()


def test_novelty_of_what_is_rare_is_higher():
    rare, common = ranking.novelty(np.array([[0], [1]]), np.array([1.0, 3.0]))
    assert (rare, common) == (pytest.approx(2.0), pytest.approx(-math.log2(0.75)))


def test_intervals_draw_artists_not_seeds(rng):
    """Ten seeds of an artist that agree say no more than one, so that their interval is wider."""
    of_artist = rng.random(20)
    values = {"map": np.repeat(of_artist, 10)}

    def width(groups: np.ndarray) -> float:
        found = summarise(values, groups, 0.95)["map"]
        return found["high"] - found["low"]

    assert width(np.repeat(np.arange(20), 10)) > 2 * width(np.arange(200))


def test_the_paired_difference_knows_that_the_seeds_are_the_same(rng):
    """A gain of 0.01 on every seed is sure, however much seeds differ."""
    old = rng.random(40)
    found = difference(old + 0.01, old, np.arange(40), 0.95)
    assert found == {"value": 0.01, "low": 0.01, "high": 0.01}


def test_per_seed_names_every_metric(rng):
    _, preds, target = problem(rng, 5)
    found = compute_metrics(preds, target)
    assert set(found) == set(ranking.METRICS)
    assert {v.shape for v in found.values()} == {(N_SEEDS,)}
