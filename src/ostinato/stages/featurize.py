"""Compute the features of new tracks into the cache."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ostinato.cache.build import Summary, fill
from ostinato.cache.spec import Kind, Track, describe
from ostinato.core import registry
from ostinato.core.params.kinds import parts
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import side_inputs
from ostinato.datasets import dataset_root
from ostinato.errors import DataError, OstinatoError
from ostinato.io.files import read_parquet, write_json

SECTIONS = ("compute", "dataset", "features")


def run(paths: Paths, params: Params) -> None:
    """Bring ``data/features`` up to date with tracks, quarantine and params; list what cannot be decoded.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections ``compute``, ``dataset`` and ``features``.

    Raises
    ------
    OstinatoError
        If no kind or no readable track is left, a parameter is wrong, files cannot be read, or more
        than ``features.max_undecodable_share`` of the tracks hold what cannot be decoded.
    """
    summary = update(paths, params)
    most = params.features.max_undecodable_share
    named = [{"track": track, "reason": reason} for track, reason in sorted(summary.failed.items())]
    write_json(paths.receipt("features"), {"n_tracks": summary.n_tracks, "undecodable": named})
    if len(named) > most * summary.n_tracks:
        raise DataError(
            f"featurize: {len(named)} of {summary.n_tracks} tracks hold what cannot be decoded, more than "
            f"features.max_undecodable_share ({most:g}) of params.yaml allows; {paths.receipt('features')} names them: "
            "replace them or raise the share"
        )


def update(paths: Paths, params: Params) -> Summary:
    """Do what `run` does and say what was done."""
    wanted, shape = params.features, {"shard_tracks": params.features.shard_tracks}
    if not wanted.kinds:
        raise OstinatoError("params.yaml: features.kinds: is empty; name a kind, such as `mel: {}`")
    plain = {k: v or {} for k, v in sorted(wanted.kinds.items()) if len(parts(k)) == 1}
    kinds = [describe(k, v, sample_rate=wanted.sample_rate, **shape) for k, v in plain.items()]
    table, root = _table(paths, {kind.source for kind in kinds}), dataset_root(paths, params.dataset)
    absent = {kind.name: reason for kind in kinds if (reason := lacks(table, kind))}
    kinds = [kind for kind in kinds if kind.name not in absent]
    tracks = list_tracks(table, read_parquet(paths.quarantine), root, {kind.source for kind in kinds})
    joints = [k for k in wanted.kinds if k not in plain]
    return fill(paths.features, root, tracks, kinds, params.compute, absent=absent, joints=joints, **shape)


def _table(paths: Paths, sources: set[str]) -> pd.DataFrame:
    """Read the tracks, with their attributes where a kind is made of them."""
    tracks = read_parquet(paths.tracks)
    if "attributes" not in sources:
        return tracks
    told = read_parquet(paths.attributes).set_index("track_id").reindex(tracks["track_id"])
    return tracks.assign(**{str(name): told[name].to_numpy() for name in told})


def lacks(tracks: pd.DataFrame, kind: Kind) -> str | None:
    """Return why no track has a kind, if none has.

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
    absent = [c for c in needed if c not in tracks or tracks[c].isna().all()]
    return f"no track of the dataset has a {absent[0]}" if absent else None


def list_tracks(tracks: pd.DataFrame, quarantine: pd.DataFrame, root: Path, sources: Iterable[str]) -> list[Track]:
    """List the tracks that are not in quarantine.

    Parameters
    ----------
    tracks : DataFrame
        With ordinal, track_id, content_hash and path.
    quarantine : DataFrame
        With track_id.
    root : Path
        What paths are relative to.
    sources : iterable of str
        What the kinds are made of.

    Returns
    -------
    list of Track
    """
    sound = tracks[~tracks["track_id"].isin(quarantine["track_id"])]
    if sound["path"].notna().any():
        sound = sound[sound["path"].notna()]
    sound = sound.assign(path=sound["path"].astype(object).where(sound["path"].notna(), None))
    beside = sorted(set(sources) - {"audio"})
    others = [{s: side_inputs.find(s, root, row) for s in beside} for row in sound.to_dict("records")]
    named = (sound[column] for column in ("ordinal", "track_id", "content_hash", "path"))
    return [Track(*row) for row in zip(*named, others, strict=True)]
