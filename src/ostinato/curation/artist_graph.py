"""Relations of artists as an undirected graph.

Relations to the artist itself are dropped, repeated ones count once, and a relation to an
artist that is not listed is an error. Artists without relations stay in the graph, isolated;
nothing can be learned about them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from ostinato.errors import GraphError


@dataclass(frozen=True)
class Relations:
    """A graph of artists.

    Parameters
    ----------
    names : tuple of str
        Unique.
    links : csr_array [shape=(n, n), dtype=bool]
        Symmetric adjacency matrix with an empty diagonal and sorted indices.
    """

    names: tuple[str, ...]
    links: csr_array

    def __len__(self) -> int:
        return len(self.names)

    @property
    def degree(self) -> np.ndarray:
        """Number of relations of each artist [shape=(n,), dtype=int64]."""
        return np.diff(self.links.indptr).astype(np.int64)

    @property
    def isolated_artists(self) -> np.ndarray:
        """Indices of the artists without relations."""
        return np.flatnonzero(self.degree == 0)

    @property
    def pairs(self) -> np.ndarray:
        """Each relation once [shape=(n_relations, 2)], the lower index first."""
        rows = np.repeat(np.arange(len(self)), self.degree)
        is_upper = rows < self.links.indices
        return np.stack([rows[is_upper], self.links.indices[is_upper]], axis=1).astype(np.int64)

    def neighbours(self, artist: int) -> np.ndarray:
        """Return the indices of the artists related to one."""
        return self.links.indices[self.links.indptr[artist] : self.links.indptr[artist + 1]]

    def restrict(self, mask: np.ndarray) -> "Relations":
        """Keep all artists, but only the relations within a subset.

        Parameters
        ----------
        mask : np.ndarray [shape=(n,), dtype=bool]
            The subset.

        Returns
        -------
        Relations
        """
        pairs = self.pairs
        return from_pairs(self.names, pairs[mask[pairs].all(axis=1)])

    def hold_out(self, share: float, seed: int) -> tuple["Relations", np.ndarray]:
        """Remove random relations, for a test of link prediction; every artist keeps at least one.

        Parameters
        ----------
        share : float
            Share of the relations, rounded down.
        seed : int

        Returns
        -------
        remaining : Relations
        held_out : np.ndarray [shape=(n_held_out, 2), dtype=int64]
        """
        pairs, degree = self.pairs, self.degree
        n_held_out, mask = int(share * len(pairs)), np.zeros(len(pairs), bool)
        for i in np.random.default_rng(seed).permutation(len(pairs)):
            if mask.sum() == n_held_out:
                break
            if degree[pairs[i]].min() > 1:
                mask[i] = True
                degree[pairs[i]] -= 1
        return from_pairs(self.names, pairs[~mask]), pairs[mask]


def build_relations(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Relations:
    """Build the graph from pairs of names.

    Parameters
    ----------
    names : sequence of str
    pairs : iterable of (str, str)

    Returns
    -------
    Relations

    Raises
    ------
    GraphError
        If a name is listed twice, or a relation names an artist that is not listed.

    Examples
    --------
    >>> build_relations(["a", "b", "c"], [("a", "b"), ("b", "a"), ("c", "c")]).pairs.tolist()
    [[0, 1]]
    """
    index = {name: i for i, name in enumerate(names)}
    if len(index) < len(names):
        duplicate = next(name for i, name in enumerate(names) if index[name] != i)
        raise GraphError(f"artist {duplicate!r} is listed twice; merge the two rows")
    pairs = list(pairs)
    for pair in pairs:
        for name in pair:
            if name not in index:
                raise GraphError(f"{pair[0]!r} is related to {pair[1]!r}, but {name!r} is not listed; add or drop it")
    return from_pairs(tuple(names), np.array([[index[a], index[b]] for a, b in pairs], np.int64).reshape(-1, 2))


def from_pairs(names: tuple[str, ...], pairs: np.ndarray) -> Relations:
    """Build the graph from pairs of indices.

    Parameters
    ----------
    names : tuple of str
    pairs : np.ndarray [shape=(n_pairs, 2), dtype=int64]

    Returns
    -------
    Relations
    """
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    edges = np.concatenate([pairs, pairs[:, ::-1]])
    n = len(names)
    links = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(n, n)).tocsr()
    links.sum_duplicates()
    links.sort_indices()
    return Relations(names, links)
