"""Connected components: tracks that share a key, directly or through others, are one group."""

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def components(keys: Sequence[Sequence[Hashable]]) -> np.ndarray:
    """Find the connected components of tracks that share a key.

    Parameters
    ----------
    keys : sequence of sequence
        Keys of each track; a track without keys is a component of its own.

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=int64]
        Numbered by first appearance.

    Examples
    --------
    >>> components([["a"], [], ["a", "b"], ["b"]])
    array([0, 1, 0, 0])
    """
    track = np.repeat(np.arange(len(keys)), [len(k) for k in keys])
    key, _ = pd.factorize(pd.Series([k for ks in keys for k in ks], dtype=object))
    n = len(keys) + (int(key.max()) + 1 if len(key) else 0)
    graph = coo_array((np.ones(len(key)), (track, len(keys) + key)), shape=(n, n))
    _, number = connected_components(graph, directed=False)
    return pd.factorize(number[: len(keys)])[0].astype(np.int64)
