"""Selection of tracks to label next: those that the model is unsure of, and that are not all alike.

Of the tracks with the least margin between the two highest scores so many times the number that is
wanted are kept, clustered by their embeddings, each weighed by how unsure it is, and of every cluster
the track nearest to its centre is taken.

References
----------
F. Zhdanov, "Diverse mini-batch active learning", arXiv:1901.05954, 2019.
"""

import numpy as np
from sklearn.cluster import KMeans

FACTOR = 2
"""Tracks kept for each that is wanted."""
LEAST_WEIGHT = 1e-6


def compute_uncertainty(scores: np.ndarray) -> np.ndarray:
    """Compute how unsure a model is of its answers.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_tracks, n_classes)]
        Of classes of which one is right.

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=float64]
        1 less the margin between the two highest scores.

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
        How many; fewer if there are fewer.
    seed : int
        Draws where clusters begin.
    factor : float
        Of `n`, how many of the least certain are clustered.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=int64]
        Positions, the least certain first.
    """
    uncertainty = compute_uncertainty(scores)
    unsure = np.argsort(-uncertainty, kind="stable")[: round(factor * n)]
    if len(unsure) <= n:
        return unsure
    x, weights = embeddings[unsure].astype(np.float64), np.maximum(uncertainty[unsure], LEAST_WEIGHT)
    clusters = KMeans(n, n_init=4, random_state=seed).fit(x, sample_weight=weights)
    distance = np.linalg.norm(x - clusters.cluster_centers_[clusters.labels_], axis=1)
    nearest = {int(label): i for i, label in sorted(enumerate(clusters.labels_), key=lambda pair: -distance[pair[0]])}
    return unsure[np.sort(list(nearest.values()))]
