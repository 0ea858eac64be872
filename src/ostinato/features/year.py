"""The year of release; where a network is trained it is scaled to lie between 0 and 1."""

from collections.abc import Mapping

import numpy as np

SOURCE = "table"
COLUMNS = ("year",)


def compute(row: Mapping[str, float]) -> np.ndarray:
    """Take the year of a track.

    Parameters
    ----------
    row : mapping of str to float

    Returns
    -------
    np.ndarray [shape=(1, 1), dtype=float64]
        NaN where it is not known.
    """
    return np.array([[row[name] for name in COLUMNS]], np.float64)
