"""Attributes of tracks as numbers: what streaming services say of a recording, without its sound.

Ten numbers stand as they are; key, mode and time signature, which are names though
written as numbers, become one column for each value. Nothing is fitted.
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
NAMES = {"key": range(12), "mode": range(2), "time_signature": range(6)}
"""Key as a pitch class from C on, mode (0 is minor), and beats a bar."""
COLUMNS = (*NUMBERS, *(f"{name}_{value}" for name, values in NAMES.items() for value in values))


def row(told: Mapping[str, float]) -> np.ndarray:
    """Make numbers of one track's attributes, as `encode` does of many.

    Parameters
    ----------
    told : mapping of str to float
        By name.

    Returns
    -------
    np.ndarray [shape=(30,), dtype=float32]
        In the order of `COLUMNS`.

    Raises
    ------
    DataError
        If an attribute is not known, or none that there is; the message names it.

    Examples
    --------
    >>> row({**dict.fromkeys(NUMBERS, 0.5), "key": 11, "mode": 1, "time_signature": 4})[[0, 21]].tolist()
    [0.5, 1.0]
    """
    for name in (*NUMBERS, *NAMES):
        value = float(told.get(name, np.nan))
        if not (np.isfinite(value) if name in NUMBERS else value in NAMES[name]):
            raise DataError(f"attributes: {name} is {'not known' if np.isnan(value) else f'{value:g}'}")
    names = [float(told[name] == value) for name, values in NAMES.items() for value in values]
    return np.array([*(told[name] for name in NUMBERS), *names], np.float32)


def complete(table: "pd.DataFrame") -> "pd.Series":
    """Return which rows have every attribute, as a number that it may be.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    Series of bool

    Raises
    ------
    DataError
        If a column is absent.
    """
    import pandas as pd

    absent = [c for c in (*NUMBERS, *NAMES) if c not in table]
    if absent:
        raise DataError(f"attributes: the table lacks {', '.join(absent)}; it has {', '.join(map(str, table.columns))}")
    kept = pd.Series(True, table.index)
    for name in (*NUMBERS, *NAMES):
        values = pd.to_numeric(table[name], errors="coerce")
        kept &= np.isfinite(values) if name in NUMBERS else values.isin(NAMES[name])
    return kept


def encode(table: "pd.DataFrame") -> np.ndarray:
    """Make numbers of attributes.

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
        If a row is not complete; the message numbers it.

    Examples
    --------
    >>> import pandas as pd
    >>> told = {**dict.fromkeys(NUMBERS, 0.5), "key": 11, "mode": 1, "time_signature": 4}
    >>> x = encode(pd.DataFrame([told]))[0]
    >>> [COLUMNS[i] for i in np.flatnonzero(x == 1)]
    ['key_11', 'mode_1', 'time_signature_4']
    """
    import pandas as pd

    kept = complete(table)
    if not kept.all():
        raise DataError(f"attributes: row {int((~kept).to_numpy().argmax())} is not complete; drop or mend it")
    parts = [table[list(NUMBERS)].apply(pd.to_numeric).to_numpy(np.float32)]
    for name, values in NAMES.items():
        parts.append(pd.to_numeric(table[name]).to_numpy()[:, np.newaxis] == np.array(values))
    return np.concatenate(parts, axis=1).astype(np.float32)


def number_recordings(table: "pd.DataFrame") -> np.ndarray:
    """Assign recordings a number: rows whose attributes are all equal are one.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=int64]
        A number for each recording, by first appearance.
    """
    return table.groupby([*NUMBERS, *NAMES], sort=False, dropna=False).ngroup().to_numpy(np.int64)
