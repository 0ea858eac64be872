"""Clusters of tracks: how many to make, how far they part, and which genres they hold."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

MAX_TRACKS, MAX_CLUSTERS, MIN_SHARE = 5000, 12, 0.05
LOOKED_AT = 2000
"""Tracks drawn for the silhouette, whose cost grows with their square."""


def cluster_tracks(x: np.ndarray, genres: pd.Series, seed: int) -> dict[str, Any]:
    """Cluster tracks, choose the number at the elbow, and say which genres each cluster holds.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, d)]
        Standardised; at most 5000 tracks are drawn.
    genres : Series of str
    seed : int

    Returns
    -------
    dict
        ``{"curve": [{n_clusters, inertia, silhouette}], "elbow", "prevalence":
        [{genre: share}]}``, rounded; genres below a share of 0.05 are left out.
    """
    rows = np.random.default_rng(seed).permutation(len(x))[:MAX_TRACKS]
    curve = curves(x[rows], range(2, min(MAX_CLUSTERS, len(rows) - 1) + 1), seed)
    chosen = elbow(curve)
    labels = KMeans(chosen, n_init=4, random_state=seed).fit_predict(x[rows])
    shares = prevalence(labels, genres.iloc[rows])
    return {
        "curve": curve.round(4).to_dict("records"),
        "elbow": chosen,
        "prevalence": [
            {g: round(float(s), 4) for g, s in row.sort_values(ascending=False).items() if s >= MIN_SHARE}
            for _, row in shares.iterrows()
        ],
    }


def curves(x: np.ndarray, numbers: Iterable[int], seed: int) -> pd.DataFrame:
    """Cluster into more and more parts.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, d)]
        Standardised.
    numbers : iterable of int
        Clusters to make, each 2 or more.
    seed : int

    Returns
    -------
    DataFrame
        n_clusters, inertia (the elbow's curve: summed squares of distances to the
        centres) and silhouette (from -1 to 1, of at most 2000 tracks).
    """
    rows = []
    for n in numbers:
        fitted = KMeans(n, n_init=4, random_state=seed).fit(x)
        size = min(LOOKED_AT, len(x))
        silhouette = silhouette_score(x, fitted.labels_, sample_size=size, random_state=seed)
        rows.append({"n_clusters": n, "inertia": float(fitted.inertia_), "silhouette": float(silhouette)})
    return pd.DataFrame(rows)


def elbow(curve: pd.DataFrame) -> int:
    """Find where the curve of inertia bends most: the point farthest below the line between its ends.

    Parameters
    ----------
    curve : DataFrame
        As `curves` gives; both axes are scaled from 0 to 1.

    Returns
    -------
    int
        A number of clusters.

    References
    ----------
    V. Satopää et al., "Finding a kneedle in a haystack", ICDCS Workshops 2011.

    Examples
    --------
    >>> elbow(pd.DataFrame({"n_clusters": [2, 3, 4, 5], "inertia": [100.0, 20.0, 15.0, 10.0]}))
    3
    """
    n, inertia = (curve[c].to_numpy(np.float64) for c in ("n_clusters", "inertia"))
    across = (n - n[0]) / (n[-1] - n[0])
    down = (inertia - inertia[-1]) / (inertia[0] - inertia[-1])
    return int(n[np.argmax(1 - across - down)])


def prevalence(labels: np.ndarray, genres: Sequence[str] | pd.Series) -> pd.DataFrame:
    """Return the share of each genre within each cluster.

    Parameters
    ----------
    labels : np.ndarray [shape=(n_tracks,)]
    genres : sequence of str

    Returns
    -------
    DataFrame
        A row a cluster, a column a genre; rows add up to 1.

    Examples
    --------
    >>> prevalence(np.array([0, 0, 1]), ["jazz", "rock", "rock"]).to_numpy().tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    return pd.crosstab(pd.Series(labels, name="cluster"), pd.Series(list(genres), name="genre"), normalize="index")
