"""Attributes from streaming services: ten numbers, and a column for each key, mode and time signature.

A track that lacks one of them has no row and is skipped: values are not imputed.
"""

from collections.abc import Mapping

import numpy as np

from ostinato.curation.attributes import CATEGORIES, NUMBERS, encode_row

SOURCE = "attributes"
COLUMNS = (*NUMBERS, *CATEGORIES)


def compute(values: Mapping[str, float]) -> np.ndarray:
    """Encode a track's attributes as numbers.

    Parameters
    ----------
    values : mapping of str to float
        Attributes by name.

    Returns
    -------
    np.ndarray [shape=(1, 30), dtype=float64]
        In the order of `ostinato.curation.attributes.COLUMNS`, unscaled.

    Raises
    ------
    DataError
        If one is missing or invalid.
    """
    return encode_row(values)[np.newaxis].astype(np.float64)
