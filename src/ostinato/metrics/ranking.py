"""Metrics of rankings: what stands near the top of a list of recommendations.

`preds` is (n_seeds, k): positions of the ranked items, best first; -1 where a
list has ended. `target` is (n_seeds, n_items): how relevant each item is to each
seed, 0 for not at all; grades other than 0 and 1 count for `ndcg` alone. Every
metric of `METRICS` gives a number a seed, (n_seeds,), from 0 to 1 and NaN for a
seed to which nothing is relevant; their mean leaves NaN out.

With r_i the relevance (0 or 1) at rank i and R the number of relevant items::

    precision = sum(r_i) / k                 recall = sum(r_i) / R
    average_precision = sum(r_i * (r_1 + ... + r_i) / i) / min(R, k)
    ndcg = sum(g_i / log2(i + 1)) / the same sum over the k highest grades
    r_precision = (r_1 + ... + r_R) / R      reciprocal_rank = 1 / first i with r_i = 1
    hit_rate = 1 if any r_i else 0           jaccard = |ranked and relevant| / |ranked or relevant|

The k of precision and of min(R, k) is the length that was asked for, not what a
list that ended early has. The rest of the file says what lists are like that have
no right answer: how much of the catalog they reach, how unlike their items are.
"""

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

import numpy as np


class Lists(NamedTuple):
    """What metrics need of ranked lists and of all that is relevant to their seeds.

    Parameters
    ----------
    gains : np.ndarray [shape=(n_seeds, k), dtype=float64]
        Relevance of what is ranked; 0 where a list has ended.
    n_listed : np.ndarray [shape=(n_seeds,)]
    n_relevant : np.ndarray [shape=(n_seeds,)]
        Items that are relevant, ranked or not.
    best : np.ndarray [shape=(n_seeds, k), dtype=float64]
        The highest grades, 0 where there are no more items.
    """

    gains: np.ndarray
    n_listed: np.ndarray
    n_relevant: np.ndarray
    best: np.ndarray


def describe_lists(preds: np.ndarray, target: np.ndarray) -> Lists:
    """Look up what metrics need.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    target : np.ndarray [shape=(n_seeds, n_items)]

    Returns
    -------
    Lists
    """
    return Lists(gains(preds, target), count_listed(preds), *describe_relevance(target, preds.shape[1]))


def describe_relevance(target: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Count the relevant items of each seed and find their k highest grades, see `Lists`."""
    best, n = np.zeros((len(target), k)), min(k, target.shape[1])
    if n:
        best[:, :n] = -np.sort(np.partition(-target.astype(np.float64), n - 1, axis=1)[:, :n], axis=1)
    return (target > 0).sum(axis=1), best


def count_listed(preds: np.ndarray) -> np.ndarray:
    """Count what each list holds."""
    return (preds >= 0).sum(axis=1)


_OF_LISTS: dict[str, Callable[[Lists], np.ndarray]] = {}


def _metric(function: Callable[[Lists], np.ndarray]) -> Callable[..., np.ndarray]:
    """Make a metric of rankings and relevance from one of `Lists`; a seed to which nothing is relevant has NaN."""

    def of_lists(lists: Lists) -> np.ndarray:
        return np.where(lists.n_relevant > 0, function(lists._replace(n_relevant=_at_least_one(lists))), np.nan)

    @wraps(function)
    def metric(*, preds: np.ndarray, target: np.ndarray) -> np.ndarray:
        return of_lists(describe_lists(preds, target))

    _OF_LISTS[function.__name__] = of_lists
    return metric


def _at_least_one(lists: Lists) -> np.ndarray:
    return np.maximum(lists.n_relevant, 1)


def gains(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Look up the relevance of what is ranked.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    target : np.ndarray [shape=(n_seeds, n_items)]

    Returns
    -------
    np.ndarray [shape=(n_seeds, k), dtype=float64]
        0 where a list has ended.

    Examples
    --------
    >>> gains(np.array([[2, 0, -1]]), np.array([[0, 1, 3]]))
    array([[3., 0., 0.]])
    """
    found = np.take_along_axis(target, np.maximum(preds, 0), axis=1)
    return np.where(preds >= 0, found, 0).astype(np.float64)


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
    at = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return (hits * at).sum(axis=1) / np.minimum(lists.n_relevant, hits.shape[1])


@_metric
def ndcg(lists: Lists) -> np.ndarray:
    """Discounted sum of the grades, by that of the best list of the same length.

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
    """Share of relevant items among as many ranked ones as there are relevant; ranks beyond k count as misses.

    Examples
    --------
    >>> r_precision(preds=np.array([[0, 1, 2]]), target=np.array([[1, 0, 1]]))
    array([0.5])
    """
    within = np.arange(lists.gains.shape[1]) < lists.n_relevant[:, np.newaxis]
    return ((lists.gains > 0) & within).sum(axis=1) / lists.n_relevant


@_metric
def reciprocal_rank(lists: Lists) -> np.ndarray:
    """One by the rank of the first relevant item, 0 if none is ranked; its mean over seeds is MRR.

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
    """Items both ranked and relevant by those that are either.

    Examples
    --------
    >>> jaccard(preds=np.array([[0, 1]]), target=np.array([[1, 0, 1]])).round(4)
    array([0.3333])
    """
    both = (lists.gains > 0).sum(axis=1)
    return both / (lists.n_listed + lists.n_relevant - both)


def coverage(preds: np.ndarray, n_items: int) -> float:
    """Share of the items that are ranked for any seed.

    Examples
    --------
    >>> coverage(np.array([[0, 1], [1, -1]]), 4)
    0.5
    """
    return len(np.unique(preds[preds >= 0])) / n_items


def intra_list_diversity(preds: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Mean of 1 - cosine over the pairs of each list; NaN for a list of one.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    vectors : np.ndarray [shape=(n_items, d)]
        Unit vectors, of a space that did not make the lists where spaces are compared.

    References
    ----------
    C.-N. Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005.

    Examples
    --------
    >>> intra_list_diversity(np.array([[0, 1]]), np.eye(2))
    array([1.])
    """
    there = preds >= 0
    listed = vectors[np.maximum(preds, 0)] * there[..., np.newaxis]
    n = there.sum(axis=1)
    total = (listed.sum(axis=1) ** 2).sum(axis=1) - n  # the cosines of all ordered pairs
    return np.where(n > 1, 1 - total / np.maximum(n * (n - 1), 1), np.nan)


def novelty(preds: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """Mean of -log2 of the popularity of what is ranked, in bits.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    popularity : np.ndarray [shape=(n_items,)]
        Counts above 0; their shares are what counts.

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
    there = preds >= 0
    return np.where(there, surprise[np.maximum(preds, 0)], 0).sum(axis=1) / np.where(there.any(1), there.sum(1), np.nan)


def strata(popularity: np.ndarray, n_strata: int) -> np.ndarray:
    """Part items by popularity so that each stratum holds about the same share of it.

    Returns
    -------
    np.ndarray [shape=(n_items,), dtype=int64]
        0 for the most popular ones.

    Examples
    --------
    >>> strata(np.array([1.0, 4.0, 1.0, 2.0]), 2)
    array([1, 0, 1, 1])
    """
    order = np.argsort(-popularity, kind="stable")
    before = np.concatenate([[0], popularity[order].cumsum()[:-1]]) / popularity.sum()
    stratum = np.empty(len(popularity), np.int64)
    stratum[order] = np.minimum((before * n_strata).astype(np.int64), n_strata - 1)
    return stratum


def far_off(similarity: np.ndarray, chance: float) -> np.ndarray:
    """Compute the share of each list that is no closer to its seed than two items drawn at random.

    Parameters
    ----------
    similarity : np.ndarray [shape=(n_seeds, k)]
        To the seed; NaN where a list has ended.
    chance : float
        Mean similarity of two items.

    Examples
    --------
    >>> far_off(np.array([[0.9, 0.1]]), 0.2)
    array([0.5])
    """
    there = ~np.isnan(similarity)
    return (there & (np.nan_to_num(similarity) <= chance)).sum(axis=1) / np.where(there.any(1), there.sum(1), np.nan)


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

_FUNCTIONS = {name: _OF_LISTS[metric.__name__] for name, metric in METRICS.items()}


def compute_metrics(lists: Lists) -> dict[str, np.ndarray]:
    """Compute every metric of each seed.

    Parameters
    ----------
    lists : Lists

    Returns
    -------
    dict of str to np.ndarray [shape=(n_seeds,)]
        By the names of `METRICS`.
    """
    return {name: function(lists) for name, function in _FUNCTIONS.items()}
