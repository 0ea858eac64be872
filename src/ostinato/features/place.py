"""Coordinates of an artist's origin; training scales them to 0 to 1."""

from collections.abc import Mapping

import numpy as np

SOURCE = "table"
COLUMNS = ("latitude", "longitude")


def compute(row: Mapping[str, float]) -> np.ndarray:
    """Return latitude and longitude of a track.

    Parameters
    ----------
    row : mapping of str to float

    Returns
    -------
    np.ndarray [shape=(1, 2), dtype=float64]
        In degrees; NaN if unknown.
    """
    return np.array([[row[name] for name in COLUMNS]], np.float64)
