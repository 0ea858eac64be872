"""Relations of artists as a symmetric graph.

A relation holds both ways, whoever named it. A relation of an artist to itself is
dropped, one named twice counts once, one to an artist that is not listed is an
error. An artist without relations stays, isolated: nothing can be learned of it.
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
        Each once.
    links : csr_array [shape=(n, n), dtype=bool]
        Symmetric, its diagonal empty, indices sorted.
    """

    names: tuple[str, ...]
    links: csr_array

    def __len__(self) -> int:
        return len(self.names)

    @property
    def degree(self) -> np.ndarray:
        """How many relations each artist has [shape=(n,), dtype=int64]."""
        return np.diff(self.links.indptr).astype(np.int64)

    @property
    def isolated_artists(self) -> np.ndarray:
        """Positions of the artists without relations."""
        return np.flatnonzero(self.degree == 0)

    @property
    def pairs(self) -> np.ndarray:
        """Each relation once [shape=(n_relations, 2)], the earlier artist first."""
        rows = np.repeat(np.arange(len(self)), self.degree)
        earlier = rows < self.links.indices
        return np.stack([rows[earlier], self.links.indices[earlier]], axis=1).astype(np.int64)

    def neighbours(self, artist: int) -> np.ndarray:
        """Return the positions of the artists related to one."""
        return self.links.indices[self.links.indptr[artist] : self.links.indptr[artist + 1]]

    def among(self, kept: np.ndarray) -> "Relations":
        """Keep all artists, but only the relations between some of them.

        Parameters
        ----------
        kept : np.ndarray [shape=(n,), dtype=bool]

        Returns
        -------
        Relations
        """
        pairs = self.pairs
        return of_pairs(self.names, pairs[kept[pairs].all(axis=1)])

    def held_out(self, share: float, seed: int) -> tuple["Relations", np.ndarray]:
        """Take relations away at random, to see whether they are found again.

        An artist's last relation is not taken.

        Parameters
        ----------
        share : float
            Of the relations, rounded down.
        seed : int

        Returns
        -------
        left : Relations
        taken : np.ndarray [shape=(n_taken, 2), dtype=int64]
        """
        pairs, left = self.pairs, self.degree
        wanted, taken = int(share * len(pairs)), np.zeros(len(pairs), bool)
        for i in np.random.default_rng(seed).permutation(len(pairs)):
            if taken.sum() == wanted:
                break
            if left[pairs[i]].min() > 1:
                taken[i] = True
                left[pairs[i]] -= 1
        return of_pairs(self.names, pairs[~taken]), pairs[taken]


def relations(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Relations:
    """Make the graph of named relations.

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
    >>> relations(["a", "b", "c"], [("a", "b"), ("b", "a"), ("c", "c")]).pairs.tolist()
    [[0, 1]]
    """
    position = {name: i for i, name in enumerate(names)}
    if len(position) < len(names):
        twice = next(name for i, name in enumerate(names) if position[name] != i)
        raise GraphError(f"artist {twice!r} is listed twice; merge the two rows")
    named = list(pairs)
    for pair in named:
        for name in pair:
            if name not in position:
                raise GraphError(f"{pair[0]!r} is related to {pair[1]!r}, but {name!r} is not listed; add or drop it")
    found = np.array([[position[a], position[b]] for a, b in named], np.int64).reshape(-1, 2)
    return of_pairs(tuple(names), found)


def of_pairs(names: tuple[str, ...], pairs: np.ndarray) -> Relations:
    """Make the graph of relations by position.

    Parameters
    ----------
    names : tuple of str
    pairs : np.ndarray [shape=(n_pairs, 2), dtype=int64]

    Returns
    -------
    Relations
    """
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    n = len(names)
    links = coo_array((np.ones(len(both), bool), (both[:, 0], both[:, 1])), shape=(n, n)).tocsr()
    links.sum_duplicates()
    links.sort_indices()
    return Relations(names, links)
