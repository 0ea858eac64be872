"""Nearest-neighbour search among unit vectors: exact for few, Voyager's graph for many.

References
----------
Y. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor
search using hierarchical navigable small world graphs", IEEE TPAMI 42(4), 2020.
"""

from pathlib import Path

import numpy as np

from ostinato.core.summary import Metric

M = 16
"""Neighbours of a vector in the graph (M)."""
EF_CONSTRUCTION = 200
"""Candidates examined for each added vector (ef_construction)."""
EF_SEARCH = 100
"""Minimum number of candidates examined per query (ef)."""


def top(similarity: np.ndarray, k: int) -> np.ndarray:
    """Return the indices of the k highest values, best first; of equals, the first.

    Parameters
    ----------
    similarity : np.ndarray [shape=(n,)]
    k : int

    Returns
    -------
    np.ndarray [shape=(min(k, n),), dtype=int64]

    Examples
    --------
    >>> top(np.array([0.5, 0.9, 0.5]), 2)
    array([1, 0])
    """
    n = len(similarity)
    if k >= n:
        return np.argsort(-similarity, kind="stable")
    least = np.partition(similarity, n - k)[n - k]
    better = np.flatnonzero(similarity > least)
    indices = np.concatenate([better, np.flatnonzero(similarity == least)[: k - len(better)]])
    return indices[np.lexsort((indices, -similarity[indices]))]


class Graph:
    """An approximate index that adds and removes vectors without a rebuild.

    Parameters
    ----------
    dimension : int
    seed : int
        For the levels of vectors in the graph.
    metric : {"cosine", "euclidean"}
    """

    def __init__(self, dimension: int, seed: int = 0, metric: Metric = "cosine") -> None:
        import voyager

        self._index = voyager.Index(
            voyager.Space.InnerProduct if metric == "cosine" else voyager.Space.Euclidean,
            num_dimensions=dimension,
            M=M,
            ef_construction=EF_CONSTRUCTION,
            random_seed=seed + 1,
        )

    @classmethod
    def load(cls, file: Path) -> "Graph":
        """Load a graph written by `save`."""
        import voyager

        graph = cls.__new__(cls)
        graph._index = voyager.Index.load(str(file))
        return graph

    def save(self, file: Path) -> None:
        """Write the graph to a file."""
        self._index.save(str(file))

    def add(self, labels: np.ndarray, vectors: np.ndarray, threads: int = 1) -> None:
        """Add vectors.

        Parameters
        ----------
        labels : np.ndarray [shape=(n,), dtype=int64]
            Must not have been used before.
        vectors : np.ndarray [shape=(n, d), dtype=float32]
        threads : int
            With more than one, the graph is not reproducible.
        """
        self._index.add_items(vectors, ids=labels.tolist(), num_threads=threads)

    def remove(self, label: int) -> None:
        """Remove a vector."""
        self._index.mark_deleted(label)

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Find the nearest vectors of each query.

        Parameters
        ----------
        queries : np.ndarray [shape=(n, d), dtype=float32]
        k : int
            At most the number of vectors in the index.

        Returns
        -------
        np.ndarray [shape=(n, k), dtype=int64]
            Labels, best first.
        """
        labels, _ = self._index.query(queries, k=k, num_threads=1, query_ef=max(EF_SEARCH, 2 * k))
        return np.atleast_2d(np.asarray(labels)).astype(np.int64)
