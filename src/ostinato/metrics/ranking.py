"""Metrics of rankings, such as lists of recommendations.

`preds` is (n_seeds, k): indices of the ranked items, best first; -1 after the end of a
list. `target` is (n_seeds, n_items): relevance of each item to each seed, 0 if irrelevant;
only `ndcg` uses grades other than 0 and 1. Every metric of `METRICS` returns one value per
seed, (n_seeds,), from 0 to 1, NaN without relevant items; NaN is left out of means.

With r_i the relevance (0 or 1) at rank i and R the number of relevant items::

    precision = sum(r_i) / k                 recall = sum(r_i) / R
    average_precision = sum(r_i * (r_1 + ... + r_i) / i) / min(R, k)
    ndcg = sum(g_i / log2(i + 1)) / the same sum over the k highest grades
    r_precision = (r_1 + ... + r_R) / R      reciprocal_rank = 1 / first i with r_i = 1
    hit_rate = 1 if any r_i else 0           jaccard = |ranked and relevant| / |ranked or relevant|

The k of precision and of min(R, k) is the requested length, not that of a list that
ends early. The other functions measure properties of lists that need no relevance:
coverage of the catalog, diversity and novelty.
"""

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

import numpy as np


class Lists(NamedTuple):
    """Ranked lists and relevance, as the metrics need them.

    Parameters
    ----------
    gains : np.ndarray [shape=(n_seeds, k), dtype=float64]
        Relevance of the ranked items; 0 after the end of a list.
    n_listed : np.ndarray [shape=(n_seeds,)]
    n_relevant : np.ndarray [shape=(n_seeds,)]
        Number of relevant items, ranked or not.
    best : np.ndarray [shape=(n_seeds, k), dtype=float64]
        The highest grades; 0 if there are fewer items.
    """

    gains: np.ndarray
    n_listed: np.ndarray
    n_relevant: np.ndarray
    best: np.ndarray


def describe_lists(preds: np.ndarray, target: np.ndarray) -> Lists:
    """Describe ranked lists.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    target : np.ndarray [shape=(n_seeds, n_items)]

    Returns
    -------
    Lists
    """
    return Lists(get_gains(preds, target), count_listed(preds), *describe_relevance(target, preds.shape[1]))


def describe_relevance(target: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Count the relevant items of each seed and find their k highest grades; see `Lists`."""
    best, n = np.zeros((len(target), k)), min(k, target.shape[1])
    if n:
        best[:, :n] = -np.sort(np.partition(-target.astype(np.float64), n - 1, axis=1)[:, :n], axis=1)
    return (target > 0).sum(axis=1), best


def count_listed(preds: np.ndarray) -> np.ndarray:
    """Return the length of each list."""
    return (preds >= 0).sum(axis=1)


_LIST_FUNCTIONS: dict[str, Callable[[Lists], np.ndarray]] = {}


def _metric(function: Callable[[Lists], np.ndarray]) -> Callable[..., np.ndarray]:
    """Turn a function of `Lists` into a metric of (preds, target); NaN for seeds without relevant items."""

    def compute(lists: Lists) -> np.ndarray:
        n_relevant = np.maximum(lists.n_relevant, 1)
        return np.where(lists.n_relevant > 0, function(lists._replace(n_relevant=n_relevant)), np.nan)

    @wraps(function)
    def metric(*, preds: np.ndarray, target: np.ndarray) -> np.ndarray:
        return compute(describe_lists(preds, target))

    _LIST_FUNCTIONS[function.__name__] = compute
    return metric


def get_gains(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the relevance of the ranked items.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    target : np.ndarray [shape=(n_seeds, n_items)]

    Returns
    -------
    np.ndarray [shape=(n_seeds, k), dtype=float64]
        0 after the end of a list.

    Examples
    --------
    >>> get_gains(np.array([[2, 0, -1]]), np.array([[0, 1, 3]]))
    array([[3., 0., 0.]])
    """
    relevance = np.take_along_axis(target, np.maximum(preds, 0), axis=1)
    return np.where(preds >= 0, relevance, 0).astype(np.float64)


@_metric
def precision(lists: Lists) -> np.ndarray:
    """Share of the ranked items that are relevant.

    Examples
    --------
    >>> precision(preds=np.array([[0, 1]]), target=np.array([[1, 0, 1]]))
    array([0.5])
    """
    return (lists.gains > 0).mean(axis=1)


@_metric
def recall(lists: Lists) -> np.ndarray:
    """Share of the relevant items that are ranked.

    Examples
    --------
    >>> recall(preds=np.array([[0, 1]]), target=np.array([[1, 0, 1]]))
    array([0.5])
    """
    return (lists.gains > 0).sum(axis=1) / lists.n_relevant


@_metric
def average_precision(lists: Lists) -> np.ndarray:
    """Mean of the precisions at the ranks of relevant items; its mean over seeds is MAP@k.

    Examples
    --------
    >>> average_precision(preds=np.array([[0, 1, 2]]), target=np.array([[1, 0, 1, 1]])).round(4)
    array([0.5556])
    """
    hits = lists.gains > 0
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return (hits * precision).sum(axis=1) / np.minimum(lists.n_relevant, hits.shape[1])


@_metric
def ndcg(lists: Lists) -> np.ndarray:
    """Discounted cumulative gain, normalised by that of the best list of the same length.

    References
    ----------
    K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques",
    ACM Transactions on Information Systems 20(4), 2002.

    Examples
    --------
    >>> ndcg(preds=np.array([[2, 1]]), target=np.array([[0, 1, 3]]))
    array([1.])
    """
    discount = 1 / np.log2(np.arange(2, lists.gains.shape[1] + 2))
    return lists.gains @ discount / np.maximum(lists.best @ discount, np.finfo(float).tiny)


@_metric
def r_precision(lists: Lists) -> np.ndarray:
    """Precision at R, the number of relevant items; ranks beyond k count as misses.

    Examples
    --------
    >>> r_precision(preds=np.array([[0, 1, 2]]), target=np.array([[1, 0, 1]]))
    array([0.5])
    """
    within = np.arange(lists.gains.shape[1]) < lists.n_relevant[:, np.newaxis]
    return ((lists.gains > 0) & within).sum(axis=1) / lists.n_relevant


@_metric
def reciprocal_rank(lists: Lists) -> np.ndarray:
    """Reciprocal of the rank of the first relevant item, 0 without one; its mean over seeds is MRR.

    Examples
    --------
    >>> reciprocal_rank(preds=np.array([[1, 0]]), target=np.array([[1, 0]]))
    array([0.5])
    """
    hits = lists.gains > 0
    return np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0)


@_metric
def hit_rate(lists: Lists) -> np.ndarray:
    """Whether any relevant item is ranked.

    Examples
    --------
    >>> hit_rate(preds=np.array([[1, 2]]), target=np.array([[1, 0, 0]]))
    array([0.])
    """
    return (lists.gains > 0).any(axis=1).astype(float)


@_metric
def jaccard(lists: Lists) -> np.ndarray:
    """Jaccard index of the ranked and the relevant items.

    Examples
    --------
    >>> jaccard(preds=np.array([[0, 1]]), target=np.array([[1, 0, 1]])).round(4)
    array([0.3333])
    """
    n_hits = (lists.gains > 0).sum(axis=1)
    return n_hits / (lists.n_listed + lists.n_relevant - n_hits)


def coverage(preds: np.ndarray, n_items: int) -> float:
    """Share of the items that are ranked for at least one seed.

    Examples
    --------
    >>> coverage(np.array([[0, 1], [1, -1]]), 4)
    0.5
    """
    return len(np.unique(preds[preds >= 0])) / n_items


def intra_list_diversity(preds: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Mean of 1 - cosine over the pairs of each list; NaN for lists of one item.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    vectors : np.ndarray [shape=(n_items, d)]
        Unit vectors; to compare spaces, those of a common one.

    References
    ----------
    C.-N. Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005.

    Examples
    --------
    >>> intra_list_diversity(np.array([[0, 1]]), np.eye(2))
    array([1.])
    """
    mask = preds >= 0
    items = vectors[np.maximum(preds, 0)] * mask[..., np.newaxis]
    n = mask.sum(axis=1)
    total = (items.sum(axis=1) ** 2).sum(axis=1) - n  # the cosines of all ordered pairs
    return np.where(n > 1, 1 - total / np.maximum(n * (n - 1), 1), np.nan)


def novelty(preds: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """Mean of -log2 of the popularity share of the ranked items, in bits.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    popularity : np.ndarray [shape=(n_items,)]
        Positive counts; they are normalised to shares.

    References
    ----------
    S. Vargas and P. Castells, "Rank and relevance in novelty and diversity metrics for
    recommender systems", RecSys 2011.

    Examples
    --------
    >>> novelty(np.array([[0, 1]]), np.array([1.0, 1.0]))
    array([1.])
    """
    surprise = -np.log2(popularity / popularity.sum())
    mask = preds >= 0
    return np.where(mask, surprise[np.maximum(preds, 0)], 0).sum(axis=1) / np.where(mask.any(1), mask.sum(1), np.nan)


def assign_strata(popularity: np.ndarray, n_strata: int) -> np.ndarray:
    """Assign items to strata of about equal total popularity.

    Returns
    -------
    np.ndarray [shape=(n_items,), dtype=int64]
        0 for the most popular items.

    Examples
    --------
    >>> assign_strata(np.array([1.0, 4.0, 1.0, 2.0]), 2)
    array([1, 0, 1, 1])
    """
    order = np.argsort(-popularity, kind="stable")
    cumulative = np.concatenate([[0], popularity[order].cumsum()[:-1]]) / popularity.sum()
    stratum = np.empty(len(popularity), np.int64)
    stratum[order] = np.minimum((cumulative * n_strata).astype(np.int64), n_strata - 1)
    return stratum


def far_off(similarity: np.ndarray, chance: float) -> np.ndarray:
    """Share of each list that is no more similar to the seed than two random items.

    Parameters
    ----------
    similarity : np.ndarray [shape=(n_seeds, k)]
        Similarity to the seed; NaN after the end of a list.
    chance : float
        Mean similarity of two random items.

    Examples
    --------
    >>> far_off(np.array([[0.9, 0.1]]), 0.2)
    array([0.5])
    """
    mask = ~np.isnan(similarity)
    return (mask & (np.nan_to_num(similarity) <= chance)).sum(axis=1) / np.where(mask.any(1), mask.sum(1), np.nan)


METRICS: dict[str, Callable[..., np.ndarray]] = {
    "map": average_precision,
    "ndcg": ndcg,
    "precision": precision,
    "recall": recall,
    "r_precision": r_precision,
    "mrr": reciprocal_rank,
    "hit_rate": hit_rate,
    "jaccard": jaccard,
}

_FUNCTIONS = {name: _LIST_FUNCTIONS[metric.__name__] for name, metric in METRICS.items()}


def compute_metrics(lists: Lists) -> dict[str, np.ndarray]:
    """Compute all metrics for each seed.

    Parameters
    ----------
    lists : Lists

    Returns
    -------
    dict of str to np.ndarray [shape=(n_seeds,)]
        By the names in `METRICS`.
    """
    return {name: function(lists) for name, function in _FUNCTIONS.items()}
