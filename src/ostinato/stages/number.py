"""Add a numeric feature to a stack.

An example is the year; it is stored like the logits of a member.
"""

import numpy as np
import pandas as pd

from ostinato.cache.store import Store, find_obstacle
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.errors import DataError, ParamsError
from ostinato.io.files import read_parquet

ENTRIES = "numbers"
"""The section of params.yaml that names its runs."""
SECTIONS = ("numbers",)


def run(paths: Paths, params: Params, name: str) -> None:
    """Write ``models/members/<stacked>/<feature>.parquet``, a row for each row of the splits.

    In each fold the numbers are scaled to 0 to 1 between the minimum and maximum of its
    training tracks, so others may lie outside. Unknown numbers are NaN.

    Parameters
    ----------
    paths : Paths
    params : Params
    name : str
        ``<stacked>.<feature>``.

    Raises
    ------
    DataError
        If the feature was not computed.
    """
    from ostinato.training.data.member_logits import write_logits

    if name not in params.numbers:
        raise ParamsError(f"params.yaml: numbers has no {name!r}; it has {', '.join(params.numbers) or 'none'}")
    edge = params.numbers[name]
    out, folder = paths.member_logits(edge.of) / f"{edge.feature}.parquet", paths.feature(edge.feature)
    if not (folder / "meta.json").exists():
        raise DataError(f"{edge.of}: reads {edge.feature}; {folder} does not exist; run `dvc repro featurize`")
    columns = ["track_id", "fold", "split"]
    if reason := find_obstacle(folder):
        write_logits(out, pd.DataFrame({c: [] for c in (*columns, "logits")}), {"skipped": reason})
        return
    splits = read_parquet(paths.splits)[columns]
    values, scale = _read_numbers(Store(folder), splits["track_id"]), {}
    for fold in sorted(set(splits["fold"].tolist())):
        rows = (splits["fold"] == fold).to_numpy()
        low, high = find_bounds(values[rows & (splits["split"] == "train").to_numpy()])
        values[rows] = rescale(values[rows], low, high)
        scale[str(fold)] = [[None if np.isnan(v) else v for v in bound.tolist()] for bound in (low, high)]
    write_logits(out, splits.assign(logits=list(values)), {"feature": edge.feature, "scale": scale})


def find_bounds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and maximum of known numbers.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, n)]
        NaN where unknown.

    Returns
    -------
    low, high : np.ndarray [shape=(n,)]
        NaN if no track has the number.

    Examples
    --------
    >>> low, high = find_bounds(np.array([[1960.0, np.nan], [np.nan, np.nan], [1990.0, np.nan]]))
    >>> low.tolist(), high.tolist()
    ([1960.0, nan], [1990.0, nan])
    """
    return np.fmin.reduce(values, axis=0, initial=np.nan), np.fmax.reduce(values, axis=0, initial=np.nan)


def rescale(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Rescale numbers to 0 at the minimum and 1 at the maximum.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, n)]
    low, high : np.ndarray [shape=(n,)]

    Returns
    -------
    np.ndarray [shape=(n_tracks, n)]
        NaN where a number or its bounds are unknown; 0 at the bounds if they are equal.

    Examples
    --------
    >>> rescale(np.array([[1960.0], [1975.0], [1996.0]]), np.array([1960.0]), np.array([1990.0])).tolist()
    [[0.0], [0.5], [1.2]]
    """
    span = high - low
    return (values - low) / np.where(span > 0, span, 1.0)


def _read_numbers(store: Store, track_ids: pd.Series) -> np.ndarray:
    """Read the numbers of tracks, (n_tracks, n), NaN where unknown."""
    unknown = np.full((1, *store.tail), np.nan)
    rows = [store.read(i) if i in store else unknown for i in track_ids]
    values = np.concatenate([unknown, *rows]).astype(np.float64)[1:]
    return np.where(np.isfinite(values), values, np.nan)
