"""Clusters of tracks: their number, silhouette and genres."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

MAX_TRACKS, MAX_CLUSTERS, MIN_SHARE = 5000, 12, 0.05
SILHOUETTE_TRACKS = 2000
"""Sample size of the silhouette, whose time grows with its square."""


def cluster_tracks(x: np.ndarray, genres: pd.Series, seed: int) -> dict[str, Any]:
    """Cluster tracks into the number of clusters at the elbow, and compute the genres of each.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, d)]
        Standardised; at most 5000 random tracks are used.
    genres : Series of str
    seed : int

    Returns
    -------
    dict
        ``{"curve": [{n_clusters, inertia, silhouette}], "elbow", "prevalence":
        [{genre: share}]}``, rounded; genres below a share of 0.05 are left out.
    """
    rows = np.random.default_rng(seed).permutation(len(x))[:MAX_TRACKS]
    curve = compute_curve(x[rows], range(2, min(MAX_CLUSTERS, len(rows) - 1) + 1), seed)
    n_clusters = find_elbow(curve)
    labels = KMeans(n_clusters, n_init=4, random_state=seed).fit_predict(x[rows])
    shares = compute_prevalence(labels, genres.iloc[rows])
    return {
        "curve": curve.round(4).to_dict("records"),
        "elbow": n_clusters,
        "prevalence": [
            {g: round(float(s), 4) for g, s in row.sort_values(ascending=False).items() if s >= MIN_SHARE}
            for _, row in shares.iterrows()
        ],
    }


def compute_curve(x: np.ndarray, numbers: Iterable[int], seed: int) -> pd.DataFrame:
    """Compute inertia and silhouette for several numbers of clusters.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, d)]
        Standardised.
    numbers : iterable of int
        Numbers of clusters, 2 or more.
    seed : int

    Returns
    -------
    DataFrame
        n_clusters, inertia (sum of squared distances to the centres) and silhouette (from -1
        to 1, of at most 2000 tracks).
    """
    rows = []
    for n in numbers:
        model = KMeans(n, n_init=4, random_state=seed).fit(x)
        size = min(SILHOUETTE_TRACKS, len(x))
        silhouette = silhouette_score(x, model.labels_, sample_size=size, random_state=seed)
        rows.append({"n_clusters": n, "inertia": float(model.inertia_), "silhouette": float(silhouette)})
    return pd.DataFrame(rows)


def find_elbow(curve: pd.DataFrame) -> int:
    """Find the elbow of the inertia: the point farthest below the line between the ends of the curve.

    Parameters
    ----------
    curve : DataFrame
        From `compute_curve`; both axes are scaled from 0 to 1.

    Returns
    -------
    int
        A number of clusters.

    References
    ----------
    V. Satopää et al., "Finding a kneedle in a haystack", ICDCS Workshops 2011.

    Examples
    --------
    >>> find_elbow(pd.DataFrame({"n_clusters": [2, 3, 4, 5], "inertia": [100.0, 20.0, 15.0, 10.0]}))
    3
    """
    n, inertia = (curve[c].to_numpy(np.float64) for c in ("n_clusters", "inertia"))
    x = (n - n[0]) / (n[-1] - n[0])
    y = (inertia - inertia[-1]) / (inertia[0] - inertia[-1])
    return int(n[np.argmax(1 - x - y)])


def compute_prevalence(labels: np.ndarray, genres: Sequence[str] | pd.Series) -> pd.DataFrame:
    """Compute the share of each genre in each cluster.

    Parameters
    ----------
    labels : np.ndarray [shape=(n_tracks,)]
    genres : sequence of str

    Returns
    -------
    DataFrame
        One row per cluster, one column per genre; rows sum to 1.

    Examples
    --------
    >>> compute_prevalence(np.array([0, 0, 1]), ["jazz", "rock", "rock"]).to_numpy().tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    return pd.crosstab(pd.Series(labels, name="cluster"), pd.Series(list(genres), name="genre"), normalize="index")
