"""Factors of listeners and tracks from plays (implicit feedback), by the library `implicit`.

How often a listener heard a track to the end gives the confidence that it is liked; what was never heard counts as a
weak dislike. Skips are no part of the fit: they count against a track when it is ranked (`ostinato.listening.blend`).

References
----------
Y. Hu, Y. Koren and C. Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008 (ALS).
S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.
"""

import warnings
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

Method: TypeAlias = Literal["als", "bpr"]
BPR_RATE, BPR_REGULARIZATION, BPR_EPOCHS = 0.05, 0.01, 100


@dataclass(frozen=True)
class FactorSettings:
    """Settings of the factors.

    Parameters
    ----------
    method : {"als", "bpr"}
    n_factors : int
    confidence : float
        Of one play, relative to that of a track that was not heard; ALS only.
    regularization : float
        Of ALS, relative to the confidences.
    iterations : int
        Of ALS.
    """

    method: Method = "als"
    n_factors: int = 32
    confidence: float = 5.0
    regularization: float = 10.0
    iterations: int = 15


@dataclass(frozen=True)
class Factors:
    """Factors of tracks and, if they are not a function of these, of listeners.

    Parameters
    ----------
    tracks : np.ndarray [shape=(n_tracks, d)]
        Zero for tracks without plays.
    listeners : np.ndarray [shape=(n_listeners, d)] or None
        None: those of `fold_in`.
    """

    tracks: np.ndarray
    listeners: np.ndarray | None


def count_plays(plays: pd.DataFrame, listeners: pd.Index, tracks: pd.Index, *, skipped: bool = False) -> csr_matrix:
    """Count plays, or skips, by listener and track.

    Parameters
    ----------
    plays : DataFrame
        With listener, track_id and skipped; others than these listeners and tracks do not count.
    listeners, tracks : Index
        Names of rows and columns.
    skipped : bool
        Count skips instead of plays to the end.

    Returns
    -------
    csr_matrix [shape=(n_listeners, n_tracks), dtype=float32]
    """
    chosen = plays[plays["skipped"] == skipped]
    row = listeners.get_indexer(pd.Index(chosen["listener"]))
    column = tracks.get_indexer(pd.Index(chosen["track_id"]))
    known = (row >= 0) & (column >= 0)
    shape = (len(listeners), len(tracks))
    return csr_matrix((np.ones(int(known.sum()), np.float32), (row[known], column[known])), shape)


def weight_plays(counts: csr_matrix) -> csr_matrix:
    """Weight repeated plays by the logarithm, log2(1 + n), so that one song on repeat does not dominate."""
    weights = counts.copy()
    weights.data = np.log2(1 + weights.data)
    return weights


def fit_factors(counts: csr_matrix, settings: FactorSettings, seed: int) -> Factors:
    """Fit factors to counts of plays; one thread, so that equal counts give equal factors.

    Parameters
    ----------
    counts : csr_matrix [shape=(n_listeners, n_tracks)]
    settings : FactorSettings
    seed : int

    Returns
    -------
    Factors
    """
    weights = weight_plays(counts)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # on the threads that are limited here
        model = _make_model(settings, seed)
        model.fit(weights, show_progress=False)
    tracks = np.where(_is_heard(counts)[:, np.newaxis], model.item_factors, 0).astype(np.float64)
    if settings.method == "als":
        return Factors(tracks, None)
    return Factors(tracks, _fill_unknown(model.user_factors.astype(np.float64), np.diff(counts.indptr) > 0))


def _make_model(settings: FactorSettings, seed: int):  # type: ignore[no-untyped-def]
    if settings.method == "als":
        from implicit.cpu.als import AlternatingLeastSquares

        return AlternatingLeastSquares(
            factors=settings.n_factors,
            regularization=settings.regularization,
            alpha=settings.confidence,
            iterations=settings.iterations,
            num_threads=1,
            random_state=seed,
        )
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    return BayesianPersonalizedRanking(
        factors=settings.n_factors,
        learning_rate=BPR_RATE,
        regularization=BPR_REGULARIZATION,
        iterations=BPR_EPOCHS,
        num_threads=1,
        random_state=seed,
    )


def fold_in(tracks: np.ndarray, counts: csr_matrix, settings: FactorSettings) -> np.ndarray:
    """Find the factors of listeners, given those of tracks; the listeners' half of a step of ALS.

    Parameters
    ----------
    tracks : np.ndarray [shape=(n_tracks, d)]
    counts : csr_matrix [shape=(n_listeners, n_tracks)]
        Plays to the end.
    settings : FactorSettings

    Returns
    -------
    np.ndarray [shape=(n_listeners, d)]
        Listeners without plays get the mean of the others, so that their ranking is that of all listeners together.
    """
    gram = tracks.T @ tracks + settings.regularization * np.eye(tracks.shape[1])
    weights = weight_plays(counts)
    vectors = np.zeros((counts.shape[0], tracks.shape[1]))
    is_known = np.diff(counts.indptr) > 0
    for row in np.flatnonzero(is_known):
        span = slice(weights.indptr[row], weights.indptr[row + 1])
        heard, confidence = tracks[weights.indices[span]], settings.confidence * weights.data[span].astype(np.float64)
        matrix = gram + (heard * (confidence - 1)[:, np.newaxis]).T @ heard
        vectors[row] = np.linalg.solve(matrix, confidence @ heard)
    return _fill_unknown(vectors, is_known)


def _fill_unknown(vectors: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    if is_known.any():
        vectors[~is_known] = vectors[is_known].mean(axis=0)
    return vectors


def _is_heard(counts: csr_matrix) -> np.ndarray:
    return np.asarray(counts.sum(axis=0)).ravel() > 0
