"""Where an artist comes from; where a network is trained it is scaled to lie between 0 and 1."""

from collections.abc import Mapping

import numpy as np

SOURCE = "table"
COLUMNS = ("latitude", "longitude")


def compute(row: Mapping[str, float]) -> np.ndarray:
    """Take latitude and longitude of a track.

    Parameters
    ----------
    row : mapping of str to float

    Returns
    -------
    np.ndarray [shape=(1, 2), dtype=float64]
        In degrees; NaN where they are not known.
    """
    return np.array([[row[name] for name in COLUMNS]], np.float64)
