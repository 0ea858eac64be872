"""Projections of a space to two dimensions, for plots."""

import numpy as np

N_COMPONENTS = 50
"""Principal components before t-SNE."""
PERPLEXITY = 30.0


def project_pca(x: np.ndarray, n: int = 2) -> np.ndarray:
    """Project vectors onto their first principal components.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, d)]
    n : int
        Number of components; fewer if the vectors have fewer.

    Returns
    -------
    np.ndarray [shape=(n_tracks, <= n), dtype=float64]
        Centred; the largest weight of each component is positive, to fix its sign.

    Examples
    --------
    >>> project_pca(np.array([[0.0, 0], [3, 4], [6, 8]]), 1).round(6).ravel().tolist()
    [-5.0, 0.0, 5.0]
    """
    centred = np.asarray(x, np.float64) - np.mean(x, axis=0)
    left, length, axes = np.linalg.svd(centred, full_matrices=False)
    n = min(n, len(length))
    largest = axes[np.arange(n), np.abs(axes[:n]).argmax(axis=1)]
    projection: np.ndarray = left[:, :n] * length[:n] * np.where(largest < 0, -1, 1)
    return projection


def project_tsne(x: np.ndarray, seed: int) -> np.ndarray:
    """Project vectors to a plane by t-SNE, which preserves neighbourhoods; after 50 principal components.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, d)]
        At least three tracks.
    seed : int

    Returns
    -------
    np.ndarray [shape=(n_tracks, 2), dtype=float64]

    References
    ----------
    L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008.
    """
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
    model = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=seed, n_jobs=1)
    projection: np.ndarray = model.fit_transform(project_pca(x, N_COMPONENTS)).astype(np.float64)
    return projection
