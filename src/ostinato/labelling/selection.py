"""Selection of tracks to label next: uncertain ones that differ from each other.

The tracks with the smallest margin between the two highest scores, `factor` times as many as needed, are
clustered by their embeddings, weighted by uncertainty; the track nearest to each centre is selected.

References
----------
F. Zhdanov, "Diverse mini-batch active learning", arXiv:1901.05954, 2019.
"""

import numpy as np
from sklearn.cluster import KMeans

FACTOR = 2
"""Candidates per selected track."""
LEAST_WEIGHT = 1e-6


def compute_uncertainty(scores: np.ndarray) -> np.ndarray:
    """Compute the uncertainty of a model's predictions.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_tracks, n_classes)]
        Of mutually exclusive classes.

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=float64]
        1 minus the margin between the two highest scores.

    Examples
    --------
    >>> compute_uncertainty(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    second, first = np.sort(scores, axis=1)[:, -2:].T
    return np.asarray(1 - (first - second), np.float64)


def select_tracks(
    scores: np.ndarray, embeddings: np.ndarray, n: int, *, seed: int = 0, factor: float = FACTOR
) -> np.ndarray:
    """Select tracks whose labels would help most.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_tracks, n_classes)]
    embeddings : np.ndarray [shape=(n_tracks, width)]
        Standardised.
    n : int
        Number of tracks to select, if there are enough.
    seed : int
        Seed of the clustering.
    factor : float
        Number of uncertain tracks that are clustered, as a multiple of `n`.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=int64]
        Positions, the least certain first.
    """
    uncertainty = compute_uncertainty(scores)
    candidates = np.argsort(-uncertainty, kind="stable")[: round(factor * n)]
    if len(candidates) <= n:
        return candidates
    x, weights = embeddings[candidates].astype(np.float64), np.maximum(uncertainty[candidates], LEAST_WEIGHT)
    clusters = KMeans(n, n_init=4, random_state=seed).fit(x, sample_weight=weights)
    distance = np.linalg.norm(x - clusters.cluster_centers_[clusters.labels_], axis=1)
    nearest = {int(label): i for i, label in sorted(enumerate(clusters.labels_), key=lambda pair: -distance[pair[0]])}
    return candidates[np.sort(list(nearest.values()))]
