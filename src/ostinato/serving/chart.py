"""The catalog in two dimensions, onto which new tracks can be projected, too.

Principal components (K. Pearson, "On lines and planes of closest fit", 1901). They
are linear, so new tracks do not move existing ones.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ostinato.recommendation.catalog import Catalog

MAX_FITTED = 5_000
MAX_POINTS = 2_000


@dataclass(frozen=True)
class Chart:
    """A projection of unit vectors.

    Parameters
    ----------
    centre : np.ndarray [shape=(d,)]
    axes : np.ndarray [shape=(d, 2)]
        Scaled so that the fitted tracks lie between -1 and 1.
    share : float
        Share of the variance that the axes explain.
    """

    centre: np.ndarray
    axes: np.ndarray
    share: float

    def place(self, units: np.ndarray) -> np.ndarray:
        """Project unit vectors.

        Parameters
        ----------
        units : np.ndarray [shape=(n, d)]

        Returns
        -------
        np.ndarray [shape=(n, 2), dtype=float64]
            Tracks unlike the fitted ones may lie beyond -1 and 1.
        """
        return np.asarray((units - self.centre) @ self.axes)


@lru_cache(maxsize=2)
def chart(catalog: Catalog) -> Chart:
    """Compute the projection of a catalog, cached.

    Parameters
    ----------
    catalog : Catalog
        With at least one track.

    Returns
    -------
    Chart
    """
    vectors = catalog.vectors[rows(len(catalog), MAX_FITTED)].astype(np.float64)
    centre = vectors.mean(axis=0)
    spread, directions = np.linalg.eigh(np.cov(vectors.T, bias=True).reshape(2 * [len(centre)]))
    axes = np.zeros((len(centre), 2))
    best = directions[:, ::-1][:, :2]
    axes[:, : best.shape[1]] = best * np.sign(best[np.abs(best).argmax(axis=0), np.arange(best.shape[1])])
    farthest = np.abs((vectors - centre) @ axes).max()
    share = spread[::-1][:2].sum() / max(spread.sum(), np.finfo(float).tiny)
    return Chart(centre, axes / (farthest or 1), float(share))


def rows(n: int, maximum: int) -> np.ndarray:
    """Return evenly spaced rows, all if there are at most `maximum`.

    Parameters
    ----------
    n, maximum : int

    Returns
    -------
    np.ndarray [shape=(min(n, most),), dtype=int64]

    Examples
    --------
    >>> rows(9, 3)
    array([0, 4, 8])
    """
    return np.rint(np.linspace(0, n - 1, min(n, maximum))).astype(np.int64)
