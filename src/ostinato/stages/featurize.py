"""Compute the features of new tracks into the cache."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ostinato.cache.build import Summary, fill
from ostinato.cache.spec import Kind, Track, describe
from ostinato.core import registry
from ostinato.core.counts import format_count
from ostinato.core.params.kinds import parts
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import side_inputs
from ostinato.datasets import dataset_root
from ostinato.errors import DataError, OstinatoError
from ostinato.io.files import read_parquet, write_json

SECTIONS = ("compute", "dataset", "features")


def run(paths: Paths, params: Params) -> None:
    """Update ``data/features`` for tracks, quarantine and params; list tracks that cannot be decoded.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections ``compute``, ``dataset`` and ``features``.

    Raises
    ------
    OstinatoError
        If no kind or no readable track remains, a parameter is wrong, files cannot be read, or more
        than ``features.max_undecodable_share`` of the tracks cannot be decoded.
    """
    summary = update(paths, params)
    max_share = params.features.max_undecodable_share
    undecodable = [{"track": track, "reason": reason} for track, reason in sorted(summary.failed.items())]
    write_json(paths.receipt("features"), {"n_tracks": summary.n_tracks, "undecodable": undecodable})
    if len(undecodable) > max_share * summary.n_tracks:
        raise DataError(
            f"featurize: {len(undecodable)} of {format_count(summary.n_tracks, 'track')} cannot be decoded, more than "
            f"features.max_undecodable_share ({max_share:g}) of params.yaml allows; see {paths.receipt('features')}: "
            "replace them or raise the share"
        )


def update(paths: Paths, params: Params) -> Summary:
    """Update the cache, and return what was done."""
    settings, shape = params.features, {"shard_tracks": params.features.shard_tracks}
    if not settings.kinds:
        raise OstinatoError("params.yaml: features.kinds: is empty; name a kind, such as `mel: {}`")
    plain = {k: v or {} for k, v in sorted(settings.kinds.items()) if len(parts(k)) == 1}
    kinds = [describe(k, v, sample_rate=settings.sample_rate, **shape) for k, v in plain.items()]
    table, root = _read_tracks(paths, {kind.source for kind in kinds}), dataset_root(paths, params.dataset)
    absent = {kind.name: reason for kind in kinds if (reason := explain_absence(table, kind))}
    kinds = [kind for kind in kinds if kind.name not in absent]
    tracks = list_tracks(table, read_parquet(paths.quarantine), root, {kind.source for kind in kinds})
    joints = [k for k in settings.kinds if k not in plain]
    return fill(paths.features, root, tracks, kinds, params.compute, absent=absent, joints=joints, **shape)


def _read_tracks(paths: Paths, sources: set[str]) -> pd.DataFrame:
    """Read the tracks, with their attributes if a kind is computed from them."""
    tracks = read_parquet(paths.tracks)
    if "attributes" not in sources:
        return tracks
    attributes = read_parquet(paths.attributes).set_index("track_id").reindex(tracks["track_id"])
    return tracks.assign(**{str(name): attributes[name].to_numpy() for name in attributes})


def explain_absence(tracks: pd.DataFrame, kind: Kind) -> str | None:
    """Return why no track has a kind; None if one has.

    Parameters
    ----------
    tracks : DataFrame
    kind : Kind

    Returns
    -------
    str or None
    """
    if kind.source == "audio" and tracks["path"].isna().all():
        return "the dataset has no audio"
    needed = getattr(registry.load("ostinato.features", kind.module), "COLUMNS", ())
    missing = [c for c in needed if c not in tracks or tracks[c].isna().all()]
    return f"the dataset has no {missing[0]}" if missing else None


def list_tracks(tracks: pd.DataFrame, quarantine: pd.DataFrame, root: Path, sources: Iterable[str]) -> list[Track]:
    """List the tracks that are not in quarantine.

    Parameters
    ----------
    tracks : DataFrame
        Columns ordinal, track_id, content_hash and path.
    quarantine : DataFrame
        Column track_id.
    root : Path
        Folder that paths are relative to.
    sources : iterable of str
        Sources of the kinds.

    Returns
    -------
    list of Track
    """
    tracks = tracks[~tracks["track_id"].isin(quarantine["track_id"])]
    if tracks["path"].notna().any():
        tracks = tracks[tracks["path"].notna()]
    tracks = tracks.assign(path=tracks["path"].astype(object).where(tracks["path"].notna(), None))
    side_sources = sorted(set(sources) - {"audio"})
    side = [{s: side_inputs.find(s, root, row) for s in side_sources} for row in tracks.to_dict("records")]
    columns = (tracks[column] for column in ("ordinal", "track_id", "content_hash", "path"))
    return [Track(*row) for row in zip(*columns, side, strict=True)]
