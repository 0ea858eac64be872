"""Profiles beside a released model, so that new sound can be compared with that of its tracks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.audio import limits
from ostinato.cache.store import Store, read_by
from ostinato.core.paths import Paths
from ostinato.core.summary import AUDIO
from ostinato.inference import drift, drift_profile, reference
from ostinato.inference.model import REFERENCE, ReleasedModel
from ostinato.io.files import read_parquet, write_json


def write_profile(paths: Paths, folder: Path) -> None:
    """Write what the tracks of the split are like, for `ostinato drift`; nothing where they are too few.

    Parameters
    ----------
    paths : Paths
    folder : Path
        Of the released model.
    """
    model = ReleasedModel(folder, threads=1)
    stores = _open_stores(paths, model)
    if len(stores) < len(model.inputs):
        return
    ids = _sample(i for i in read_parquet(paths.splits)["track_id"] if all(i in s for s in stores.values()))
    tracks = ({n: np.asarray(s.read(i), np.float32) for n, s in stores.items()} for i in ids)
    if len(ids) >= drift.LEAST:
        drift.profile(drift_profile.collect_features(model, tracks)).to_parquet(
            folder / drift_profile.PROFILE, index=False, write_page_checksum=True
        )


def write_reference(paths: Paths, bounds: Any, folder: Path) -> bool:
    """Write what `validate` lets pass and what the training tracks sound like, for each file asked about.

    Parameters
    ----------
    paths : Paths
    bounds : params.Validate
    folder : Path
        Of the released model.

    Returns
    -------
    bool
        Whether it differs from what stood there.
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
    """Return the mean over time of each input that is computed from sound, of tracks that its cache holds."""
    means = {}
    for name, store in _open_stores(paths, model).items():
        cached = _sample(i for i in ids if i in store)
        if model.inputs[name].source == AUDIO and cached:
            means[name] = np.stack([np.asarray(store.read(i), np.float32).mean(axis=0) for i in cached])
    return means


def _open_stores(paths: Paths, model: ReleasedModel) -> dict[str, Store]:
    """Open the caches of what a model reads, as far as they are there."""
    places = {name: read_by(paths.features, name, g.feature, g.parameters) for name, g in model.inputs.items()}
    return {name: Store(place) for name, place in places.items() if place is not None}


def _sample(track_ids: Iterable[str]) -> list[str]:
    """Take at most `drift_profile.MOST` of some tracks, evenly."""
    ids = sorted(set(track_ids))
    return ids[:: max(-(-len(ids) // drift_profile.MOST), 1)]
