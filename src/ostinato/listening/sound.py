"""Factors of tracks from their sound, so that a track that nobody has heard has some.

A ridge regression from spaces of the graph (statistics of a feature, vectors of an encoder, embeddings of a candidate)
to the factors of the tracks that were heard; its penalty is chosen by leave-one-out errors.

References
----------
A. van den Oord, S. Dieleman and B. Schrauwen, "Deep content-based music recommendation", NIPS 2013.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV

from ostinato.cache.store import Store, find_obstacle, read_index
from ostinato.core.candidates import get_candidates
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.summary import read_vectors
from ostinato.core.task import COLUMNS
from ostinato.errors import ParamsError
from ostinato.io.files import read_json, read_parquet

PENALTIES = np.logspace(-2, 5, 15)
MIN_TRACKS = 2
"""Tracks with plays from which something can be learned; with fewer all tracks get the same factors."""
ENOUGH = 5.0
"""Plays from which the factors of a track count at least half in the regression."""


def read_space(paths: Paths, params: Params, name: str) -> pd.DataFrame | str:
    """Read the vectors of a feature or candidate.

    Parameters
    ----------
    paths : Paths
    params : Params
        With the sections of candidates.
    name : str

    Returns
    -------
    DataFrame or str
        One row per track, indexed by track_id; or the reason why the dataset has no such vectors.

    Raises
    ------
    ParamsError
        If there is neither a feature nor a candidate of that name.
    """
    candidates = get_candidates(params)
    if name in candidates:
        folder = paths.predictions(name)
        if (folder / "skipped.json").exists():
            return str(read_json(folder / "skipped.json")["skipped"])
        column = "logits" if COLUMNS[candidates[name].task] == "embedding" else "embedding"
        table = read_parquet(folder / "predictions.parquet", columns=["track_id", "fold", column])
        table = table[table["fold"] == table["fold"].min()]
        return pd.DataFrame(np.stack(table[column].to_list()).astype(np.float64), index=pd.Index(table["track_id"]))
    folder = paths.feature(name)
    if not (folder / "meta.json").exists():
        raise ParamsError(f"params.yaml: listeners.spaces: {name!r} is neither a computed feature nor a candidate")
    if reason := find_obstacle(folder):
        return reason
    ids = [entry.track_id for entry in read_index(folder)]
    return pd.DataFrame(read_vectors(Store(folder), ids).astype(np.float64), index=pd.Index(ids, name="track_id"))


def join_spaces(spaces: Iterable[pd.DataFrame], track_ids: pd.Index) -> pd.DataFrame:
    """Join the vectors of the tracks that all spaces have, each space with the same total variance.

    Parameters
    ----------
    spaces : iterable of DataFrame
    track_ids : Index
        Tracks of the dataset, whose order is kept.

    Returns
    -------
    DataFrame
        Standardised columns, indexed by track_id.
    """
    tables = list(spaces)
    ids = track_ids[[all(i in table.index for table in tables) for i in track_ids]]
    parts = []
    for table in tables:
        x = table.loc[ids].to_numpy()
        std = x.std(axis=0)
        parts.append((x - x.mean(axis=0)) / np.where(std > 1e-12, std, 1) / np.sqrt(max(x.shape[1], 1)))
    return pd.DataFrame(np.concatenate(parts, axis=1), index=ids)


def learn_factors(vectors: np.ndarray, factors: np.ndarray, n_plays: np.ndarray) -> np.ndarray:
    """Learn the factors of heard tracks from sound, and predict those of all tracks.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n_tracks, d)]
        From `join_spaces`.
    factors : np.ndarray [shape=(n_tracks, n_factors)]
    n_plays : np.ndarray [shape=(n_tracks,)]
        Tracks without plays are not learned from; those with few count less.

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_factors)]
    """
    heard = n_plays > 0
    if heard.sum() < MIN_TRACKS:
        return np.repeat(factors[heard].sum(axis=0, keepdims=True), len(factors), axis=0)
    weights = n_plays[heard] / (n_plays[heard] + ENOUGH)
    model = RidgeCV(alphas=PENALTIES).fit(vectors[heard], factors[heard], sample_weight=weights)
    return np.asarray(model.predict(vectors)).reshape(len(vectors), -1)
