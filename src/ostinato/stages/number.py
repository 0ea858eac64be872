"""Add a numeric feature to a stack.

Such as the year; it has the form of a member's logits.
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

    Of each fold the numbers are shares between the least and the greatest of its
    training tracks, so others may lie outside 0 to 1. What is not known is NaN.

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
        raise ParamsError(
            f"{name!r} is no entry of numbers in params.yaml; there are {', '.join(params.numbers) or 'none'}"
        )
    edge = params.numbers[name]
    out, folder = paths.member_logits(edge.of) / f"{edge.feature}.parquet", paths.feature(edge.feature)
    if not (folder / "meta.json").exists():
        raise DataError(f"{edge.of}: reads {edge.feature}; {folder} is not there; run `dvc repro featurize`")
    columns = ["track_id", "fold", "split"]
    if reason := find_obstacle(folder):
        write_logits(out, pd.DataFrame({c: [] for c in (*columns, "logits")}), {"skipped": reason})
        return
    splits = read_parquet(paths.splits)[columns]
    values, scale = _select_known(Store(folder), splits["track_id"]), {}
    for fold in sorted(set(splits["fold"].tolist())):
        mine = (splits["fold"] == fold).to_numpy()
        least, greatest = bounds(values[mine & (splits["split"] == "train").to_numpy()])
        values[mine] = shares(values[mine], least, greatest)
        scale[str(fold)] = [[None if np.isnan(v) else v for v in each.tolist()] for each in (least, greatest)]
    write_logits(out, splits.assign(logits=list(values)), {"feature": edge.feature, "scale": scale})


def bounds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest of what is known.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, n)]
        NaN is not known.

    Returns
    -------
    least, greatest : np.ndarray [shape=(n,)]
        NaN where no track has the number.

    Examples
    --------
    >>> least, greatest = bounds(np.array([[1960.0, np.nan], [np.nan, np.nan], [1990.0, np.nan]]))
    >>> least.tolist(), greatest.tolist()
    ([1960.0, nan], [1990.0, nan])
    """
    return np.fmin.reduce(values, axis=0, initial=np.nan), np.fmax.reduce(values, axis=0, initial=np.nan)


def shares(values: np.ndarray, least: np.ndarray, greatest: np.ndarray) -> np.ndarray:
    """Return how far numbers lie from the least to the greatest.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, n)]
    least, greatest : np.ndarray [shape=(n,)]

    Returns
    -------
    np.ndarray [shape=(n_tracks, n)]
        NaN where a number or its bounds are not known; 0 for the bounds where they are one.

    Examples
    --------
    >>> shares(np.array([[1960.0], [1975.0], [1996.0]]), np.array([1960.0]), np.array([1990.0])).tolist()
    [[0.0], [0.5], [1.2]]
    """
    span = greatest - least
    return (values - least) / np.where(span > 0, span, 1.0)


def _select_known(store: Store, track_ids: pd.Series) -> np.ndarray:
    """Read the tracks' numbers, (n_tracks, n), NaN where they are not known."""
    unknown = np.full((1, *store.tail), np.nan)
    rows = [store.read(i) if i in store else unknown for i in track_ids]
    values = np.concatenate([unknown, *rows]).astype(np.float64)[1:]
    return np.where(np.isfinite(values), values, np.nan)
