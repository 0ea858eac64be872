"""Compute every kind of feature of the tracks that are new into the cache."""

import logging
import shutil
from typing import Any

import pandas as pd

from ostinato.datasets import dataset_root
from ostinato.errors import OstinatoError
from ostinato.filling import Summary, Track, describe, fill
from ostinato.paths import Paths

SECTIONS = ("compute", "dataset", "features")

log = logging.getLogger(__name__)


def run(paths: Paths, params: Any, name: str | None = None) -> None:
    """Bring ``data/features`` up to date with tracks, quarantine and params.

    Parameters
    ----------
    paths : Paths
    params : object
        Sections ``compute``, ``dataset`` and ``features``.
    name : str, optional
        Not used: one stage serves all kinds.

    Raises
    ------
    OstinatoError
        If no kind or no readable track is left, or a parameter is wrong.
    """
    update(paths, params)


def update(paths: Paths, params: Any) -> Summary:
    """Do what `run` does and say what was done."""
    wanted, shape = params.features, {"shard_tracks": params.features.shard_tracks}
    if not wanted.kinds:
        raise OstinatoError("params.yaml: features.kinds: is empty; name a kind, such as `mel: {}`")
    kinds = [describe(k, v or {}, sample_rate=wanted.sample_rate, **shape) for k, v in sorted(wanted.kinds.items())]
    listed = pd.read_parquet(paths.tracks)
    if len(listed) and listed["path"].isna().all():
        return _nothing(paths, [kind.name for kind in kinds])
    tracks = kept(listed, pd.read_parquet(paths.quarantine))
    root = dataset_root(paths, params.dataset)
    return fill(paths.features, paths.state / "featurize", root, tracks, kinds, params.compute, **shape)


def kept(tracks: pd.DataFrame, quarantine: pd.DataFrame) -> list[Track]:
    """List the tracks that have a file and are not in quarantine.

    Parameters
    ----------
    tracks : DataFrame
        With ordinal, track_id, content_hash and path.
    quarantine : DataFrame
        With track_id.

    Returns
    -------
    list of Track
    """
    sound = tracks[~tracks["track_id"].isin(quarantine["track_id"]) & tracks["path"].notna()]
    return [Track(*row) for row in sound[list(Track._fields)].itertuples(index=False)]


def _nothing(paths: Paths, kinds: list[str]) -> Summary:
    """Leave an empty folder a kind for a dataset without audio: what reads one is skipped."""
    log.warning("the dataset has no audio: no feature is computed, and candidates that read one are skipped")
    shutil.rmtree(paths.features, ignore_errors=True)
    for kind in kinds:
        paths.feature(kind).mkdir(parents=True)
    return Summary()
