"""Attributes as streaming services give them: ten numbers, and a column for each key, mode and time signature.

A track that lacks one of them has no row and is passed over: a number put in its
place would be none of the track's.
"""

from collections.abc import Mapping

import numpy as np

from ostinato.curation.attributes import NAMES, NUMBERS, row

SOURCE = "attributes"
COLUMNS = (*NUMBERS, *NAMES)


def compute(told: Mapping[str, float]) -> np.ndarray:
    """Make numbers of a track's attributes.

    Parameters
    ----------
    told : mapping of str to float
        By name, the rest of the table aside.

    Returns
    -------
    np.ndarray [shape=(1, 30), dtype=float64]
        In the order of `ostinato.curation.attributes.COLUMNS`; nothing is scaled.

    Raises
    ------
    DataError
        If one is not known, or none that there is.
    """
    return row(told)[np.newaxis].astype(np.float64)
