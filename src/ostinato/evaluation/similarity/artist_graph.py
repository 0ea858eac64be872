"""Agreement of a space with a graph of artists: Jaccard of neighbourhoods, and link prediction."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ostinato.curation.artist_graph import Relations

BLOCK = 512
"""Artists whose similarities to all others are held at once."""


def neighbourhoods(
    vectors: np.ndarray,
    relations: Relations,
    *,
    by: Literal["cosine", "euclidean"] = "cosine",
    with_self: bool = False,
    among: np.ndarray | None = None,
) -> np.ndarray:
    """Compare each artist's relations with as many nearest neighbours.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, d)]
    relations : Relations
    by : {"cosine", "euclidean"}
        What nearest means.
    with_self : bool
        Whether the artist is among its own neighbours, as in the repository behind the figure of paper 004;
        with R relations that caps the Jaccard at (R - 1) / (R + 1).
    among : np.ndarray, optional
        Positions of the artists to judge; default: all that have relations.

    Returns
    -------
    np.ndarray [shape=(n_judged,), dtype=float64]
        Jaccard of each.
    """
    judged = np.flatnonzero(relations.degree) if among is None else among
    found = np.zeros(len(judged))
    for start, similarity in _similarity(vectors, judged, by):
        rows = judged[start : start + len(similarity)]
        similarity[np.arange(len(rows)), rows] = np.inf if with_self else -np.inf
        for i, (row, values) in enumerate(zip(rows, similarity, strict=True)):
            related = relations.neighbours(row)
            nearest = np.argpartition(-values, len(related) - 1)[: len(related)]
            both = len(np.intersect1d(nearest, related))
            found[start + i] = both / (2 * len(related) - both)
    return found


def links_found(vectors: np.ndarray, left: Relations, taken: np.ndarray) -> np.ndarray:
    """Ask how far in front relations stand that training did not see.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, d)]
    left : Relations
        What training saw.
    taken : np.ndarray [shape=(n_taken, 2), dtype=int64]
        What it did not.

    Returns
    -------
    np.ndarray [shape=(2 * n_taken,), dtype=float64]
        For each end of each relation taken, the share of artists not known to be
        related that are less like it than the other end, ties by half: its mean
        is the area under the ROC curve, averaged over relations.
    """
    ends = np.concatenate([taken, taken[:, ::-1]])
    order = np.argsort(ends[:, 0], kind="stable")
    found = np.zeros(len(ends))
    for start, similarity in _similarity(vectors, ends[order, 0], "cosine"):
        for i, values in enumerate(similarity):
            here, other = ends[order[start + i]]
            partners = ends[ends[:, 0] == here, 1]
            values[np.concatenate([[here], left.neighbours(here), partners[partners != other]])] = np.nan
            rest = np.delete(values, other)
            rest = rest[~np.isnan(rest)]
            below, same = (rest < values[other]).sum(), (rest == values[other]).sum()
            found[order[start + i]] = (below + same / 2) / len(rest)
    return found


def _similarity(vectors: np.ndarray, rows: np.ndarray, by: str) -> Iterator[tuple[int, np.ndarray]]:
    """Yield blocks of similarity to all artists, the higher the nearer, with where each block starts."""
    x = np.asarray(vectors, np.float32)
    if by == "cosine":
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    square = (x**2).sum(axis=1)
    for start in range(0, len(rows), BLOCK):
        product = x[rows[start : start + BLOCK]] @ x.T
        yield start, product if by == "cosine" else 2 * product - square
