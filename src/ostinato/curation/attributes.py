"""Audio attributes of streaming services, such as danceability, as feature vectors.

Ten numbers are used as they are; key, mode and time signature, which are categories though
written as numbers, are one-hot encoded. Nothing is fitted.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

from ostinato.errors import DataError

NUMBERS = (
    "danceability",
    "energy",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "duration_ms",
)
CATEGORIES = {"key": range(12), "mode": range(2), "time_signature": range(6)}
"""Key as a pitch class from C, mode (0: minor), and beats per bar."""
COLUMNS = (*NUMBERS, *(f"{name}_{value}" for name, values in CATEGORIES.items() for value in values))


def encode_row(attributes: Mapping[str, float]) -> np.ndarray:
    """Encode the attributes of one track, like `encode`.

    Parameters
    ----------
    attributes : mapping of str to float
        Values by name.

    Returns
    -------
    np.ndarray [shape=(30,), dtype=float32]
        In the order of `COLUMNS`.

    Raises
    ------
    DataError
        If an attribute is missing or has an invalid value; the message names it.

    Examples
    --------
    >>> encode_row({**dict.fromkeys(NUMBERS, 0.5), "key": 11, "mode": 1, "time_signature": 4})[[0, 21]].tolist()
    [0.5, 1.0]
    """
    for name in (*NUMBERS, *CATEGORIES):
        value = float(attributes.get(name, np.nan))
        if not (np.isfinite(value) if name in NUMBERS else value in CATEGORIES[name]):
            raise DataError(f"attributes: {name} is {'not known' if np.isnan(value) else f'{value:g}'}")
    one_hot = [float(attributes[name] == value) for name, values in CATEGORIES.items() for value in values]
    return np.array([*(attributes[name] for name in NUMBERS), *one_hot], np.float32)


def is_complete(table: "pd.DataFrame") -> "pd.Series":
    """Return which rows have a valid value of every attribute.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    Series of bool

    Raises
    ------
    DataError
        If a column is missing.
    """
    import pandas as pd

    missing = [c for c in (*NUMBERS, *CATEGORIES) if c not in table]
    if missing:
        raise DataError(
            f"attributes: the table lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
    mask = pd.Series(True, table.index)
    for name in (*NUMBERS, *CATEGORIES):
        values = pd.to_numeric(table[name], errors="coerce")
        mask &= np.isfinite(values) if name in NUMBERS else values.isin(CATEGORIES[name])
    return mask


def encode(table: "pd.DataFrame") -> np.ndarray:
    """Encode attributes as vectors: numbers unchanged, categories one-hot.

    Parameters
    ----------
    table : DataFrame
        Complete rows.

    Returns
    -------
    np.ndarray [shape=(n_tracks, 30), dtype=float32]
        In the order of `COLUMNS`.

    Raises
    ------
    DataError
        If a row is incomplete; the message gives its number.

    Examples
    --------
    >>> import pandas as pd
    >>> attributes = {**dict.fromkeys(NUMBERS, 0.5), "key": 11, "mode": 1, "time_signature": 4}
    >>> x = encode(pd.DataFrame([attributes]))[0]
    >>> [COLUMNS[i] for i in np.flatnonzero(x == 1)]
    ['key_11', 'mode_1', 'time_signature_4']
    """
    import pandas as pd

    mask = is_complete(table)
    if not mask.all():
        raise DataError(f"attributes: row {int((~mask).to_numpy().argmax())} is incomplete; complete it or drop it")
    columns = [table[list(NUMBERS)].apply(pd.to_numeric).to_numpy(np.float32)]
    for name, values in CATEGORIES.items():
        columns.append(pd.to_numeric(table[name]).to_numpy()[:, np.newaxis] == np.array(values))
    return np.concatenate(columns, axis=1).astype(np.float32)


def number_recordings(table: "pd.DataFrame") -> np.ndarray:
    """Assign numbers to recordings; rows with equal attributes are the same recording.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=int64]
        Number of each row's recording, by first appearance.
    """
    return table.groupby([*NUMBERS, *CATEGORIES], sort=False, dropna=False).ngroup().to_numpy(np.int64)
