"""Agreement of a space with a graph of artists: Jaccard index of neighbourhoods, and link prediction."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ostinato.curation.artist_graph import Relations

BLOCK = 512
"""Artists per block of similarities."""


def compare_neighbourhoods(
    vectors: np.ndarray,
    relations: Relations,
    *,
    by: Literal["cosine", "euclidean"] = "cosine",
    with_self: bool = False,
    among: np.ndarray | None = None,
) -> np.ndarray:
    """Compare the related artists of each artist with as many nearest neighbours.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, d)]
    relations : Relations
    by : {"cosine", "euclidean"}
        Metric of the neighbours.
    with_self : bool
        Whether an artist is one of its own neighbours, as in the repository of paper 004; this limits the Jaccard
        index to (R - 1) / (R + 1) for R relations.
    among : np.ndarray, optional
        Indices of the artists to compare; default: all with relations.

    Returns
    -------
    np.ndarray [shape=(n_compared,), dtype=float64]
        Jaccard index of each.
    """
    artists = np.flatnonzero(relations.degree) if among is None else among
    jaccard = np.zeros(len(artists))
    for start, similarity in _compute_similarity(vectors, artists, by):
        rows = artists[start : start + len(similarity)]
        similarity[np.arange(len(rows)), rows] = np.inf if with_self else -np.inf
        for i, (row, values) in enumerate(zip(rows, similarity, strict=True)):
            related = relations.neighbours(row)
            nearest = np.argpartition(-values, len(related) - 1)[: len(related)]
            n_common = len(np.intersect1d(nearest, related))
            jaccard[start + i] = n_common / (2 * len(related) - n_common)
    return jaccard


def score_held_out(vectors: np.ndarray, training: Relations, held_out: np.ndarray) -> np.ndarray:
    """Score the prediction of relations that were held out of training.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, d)]
    training : Relations
        Relations used in training.
    held_out : np.ndarray [shape=(n_held_out, 2), dtype=int64]

    Returns
    -------
    np.ndarray [shape=(2 * n_held_out,), dtype=float64]
        For each end of each held-out relation, the share of unrelated artists that are less
        similar to it than the other end, counting ties half: the area under the ROC curve.
    """
    ends = np.concatenate([held_out, held_out[:, ::-1]])
    order = np.argsort(ends[:, 0], kind="stable")
    scores = np.zeros(len(ends))
    for start, similarity in _compute_similarity(vectors, ends[order, 0], "cosine"):
        for i, values in enumerate(similarity):
            artist, other = ends[order[start + i]]
            partners = ends[ends[:, 0] == artist, 1]
            values[np.concatenate([[artist], training.neighbours(artist), partners[partners != other]])] = np.nan
            unrelated = np.delete(values, other)
            unrelated = unrelated[~np.isnan(unrelated)]
            n_below, n_ties = (unrelated < values[other]).sum(), (unrelated == values[other]).sum()
            scores[order[start + i]] = (n_below + n_ties / 2) / len(unrelated)
    return scores


def _compute_similarity(vectors: np.ndarray, rows: np.ndarray, by: str) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the start and the similarities to all artists of each block of rows; higher is nearer."""
    x = np.asarray(vectors, np.float32)
    if by == "cosine":
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    squares = (x**2).sum(axis=1)
    for start in range(0, len(rows), BLOCK):
        product = x[rows[start : start + BLOCK]] @ x.T
        yield start, product if by == "cosine" else 2 * product - squares
