"""The year of release; training scales it to 0 to 1."""

from collections.abc import Mapping

import numpy as np

SOURCE = "table"
COLUMNS = ("year",)


def compute(row: Mapping[str, float]) -> np.ndarray:
    """Return the year of a track.

    Parameters
    ----------
    row : mapping of str to float

    Returns
    -------
    np.ndarray [shape=(1, 1), dtype=float64]
        NaN if unknown.
    """
    return np.array([[row[name] for name in COLUMNS]], np.float64)
