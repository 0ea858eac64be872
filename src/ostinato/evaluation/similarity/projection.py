"""Maps of a space: its vectors in a plane, for the eye."""

import numpy as np

FIRST = 50
"""Components that t-SNE starts from."""
PERPLEXITY = 30.0


def components(x: np.ndarray, n: int = 2) -> np.ndarray:
    """Project vectors on their first principal components.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, d)]
    n : int
        Fewer are given where the vectors have fewer.

    Returns
    -------
    np.ndarray [shape=(n_tracks, <= n), dtype=float64]
        Centred; each component's largest weight is positive, so that the map does not flip.

    Examples
    --------
    >>> components(np.array([[0.0, 0], [3, 4], [6, 8]]), 1).round(6).ravel().tolist()
    [-5.0, 0.0, 5.0]
    """
    centred = np.asarray(x, np.float64) - np.mean(x, axis=0)
    left, length, axes = np.linalg.svd(centred, full_matrices=False)
    n = min(n, len(length))
    largest = axes[np.arange(n), np.abs(axes[:n]).argmax(axis=1)]
    found: np.ndarray = left[:, :n] * length[:n] * np.where(largest < 0, -1, 1)
    return found


def neighbourhood(x: np.ndarray, seed: int) -> np.ndarray:
    """Place vectors in a plane so that neighbours stay neighbours: t-SNE after 50 principal components.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, d)]
        Three tracks or more.
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
    found: np.ndarray = model.fit_transform(components(x, FIRST)).astype(np.float64)
    return found
