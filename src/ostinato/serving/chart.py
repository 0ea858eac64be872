"""The catalog in two dimensions: the directions in which its tracks differ most, where new ones find a place, too.

Principal components (K. Pearson, "On lines and planes of closest fit", 1901). They
are linear: what is added later does not move what is there.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ostinato.recommendation.catalog import Catalog

FITTED = 5_000
SHOWN = 2_000


@dataclass(frozen=True)
class Chart:
    """A projection of unit vectors.

    Parameters
    ----------
    centre : np.ndarray [shape=(d,)]
    axes : np.ndarray [shape=(d, 2)]
        Scaled so that the tracks it was fitted to lie between -1 and 1.
    share : float
        Of the spread of the vectors that is seen.
    """

    centre: np.ndarray
    axes: np.ndarray
    share: float

    def place(self, units: np.ndarray) -> np.ndarray:
        """Place unit vectors.

        Parameters
        ----------
        units : np.ndarray [shape=(n, d)]

        Returns
        -------
        np.ndarray [shape=(n, 2), dtype=float64]
            What is unlike those tracks may lie beyond -1 and 1.
        """
        return np.asarray((units - self.centre) @ self.axes)


@lru_cache(maxsize=2)
def chart(catalog: Catalog) -> Chart:
    """Find the projection of a catalog, once.

    Parameters
    ----------
    catalog : Catalog
        With one track at least.

    Returns
    -------
    Chart
    """
    vectors = catalog.vectors[rows(len(catalog), FITTED)].astype(np.float64)
    centre = vectors.mean(axis=0)
    spread, directions = np.linalg.eigh(np.cov(vectors.T, bias=True).reshape(2 * [len(centre)]))
    axes = np.zeros((len(centre), 2))
    best = directions[:, ::-1][:, :2]
    axes[:, : best.shape[1]] = best * np.sign(best[np.abs(best).argmax(axis=0), np.arange(best.shape[1])])
    farthest = np.abs((vectors - centre) @ axes).max()
    seen = spread[::-1][:2].sum() / max(spread.sum(), np.finfo(float).tiny)
    return Chart(centre, axes / (farthest or 1), float(seen))


def rows(n: int, most: int) -> np.ndarray:
    """Take rows evenly, all if there are no more than wanted.

    Parameters
    ----------
    n, most : int

    Returns
    -------
    np.ndarray [shape=(min(n, most),), dtype=int64]

    Examples
    --------
    >>> rows(9, 3)
    array([0, 4, 8])
    """
    return np.rint(np.linspace(0, n - 1, min(n, most))).astype(np.int64)
