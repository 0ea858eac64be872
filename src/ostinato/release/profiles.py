"""Profiles of a released model's tracks, with which new audio is compared."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.audio import limits
from ostinato.cache.store import Store, find_folder
from ostinato.core.paths import Paths
from ostinato.core.summary import AUDIO
from ostinato.inference import drift, drift_profile, reference
from ostinato.inference.model import REFERENCE, ReleasedModel
from ostinato.io.files import read_parquet, write_json


def write_profile(paths: Paths, folder: Path) -> None:
    """Write the profile of the split's tracks for `ostinato drift`; nothing if there are too few.

    Parameters
    ----------
    paths : Paths
    folder : Path
        Folder of the released model.
    """
    model = ReleasedModel(folder, threads=1)
    stores = _open_stores(paths, model)
    if len(stores) < len(model.inputs):
        return
    ids = _sample(i for i in read_parquet(paths.splits)["track_id"] if all(i in s for s in stores.values()))
    tracks = ({n: np.asarray(s.read(i), np.float32) for n, s in stores.items()} for i in ids)
    if len(ids) >= drift.MIN_TRACKS:
        content = drift.profile(drift_profile.collect_features(model, tracks))
        write_json(folder / drift_profile.PROFILE, content)


def write_reference(paths: Paths, bounds: Any, folder: Path) -> bool:
    """Write the bounds of `validate` and statistics of the training tracks, to compare each new file with.

    Parameters
    ----------
    paths : Paths
    bounds : params.Validate
    folder : Path
        Folder of the released model.

    Returns
    -------
    bool
        Whether the file changed.
    """
    model = ReleasedModel(folder, threads=1)
    splits, files = read_parquet(paths.splits), read_parquet(paths.files)
    ids = set(splits.loc[splits["split"] == "train", "track_id"])
    files = files[files["track_id"].isin(ids)]
    figures = {name: files[name].to_numpy(float) for name in reference.FIGURES if name in files}
    means = _mean_profiles(paths, model, ids)
    content = reference.describe_training(model.inputs, figures, means, limits.read_bounds(bounds))
    if content == model.reference:
        return False
    write_json(folder / REFERENCE, content)
    return True


def _mean_profiles(paths: Paths, model: ReleasedModel, ids: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the mean over time of each input computed from audio, for the cached tracks."""
    means = {}
    for name, store in _open_stores(paths, model).items():
        cached = _sample(i for i in ids if i in store)
        if model.inputs[name].source == AUDIO and cached:
            means[name] = np.stack([np.asarray(store.read(i), np.float32).mean(axis=0) for i in cached])
    return means


def _open_stores(paths: Paths, model: ReleasedModel) -> dict[str, Store]:
    """Open the feature caches of a model's inputs, where they exist."""
    folders = {name: find_folder(paths.features, name, g.feature, g.parameters) for name, g in model.inputs.items()}
    return {name: Store(folder) for name, folder in folders.items() if folder is not None}


def _sample(track_ids: Iterable[str]) -> list[str]:
    """Return at most `drift_profile.MAX_TRACKS` tracks, evenly spaced."""
    ids = sorted(set(track_ids))
    return ids[:: max(-(-len(ids) // drift_profile.MAX_TRACKS), 1)]
