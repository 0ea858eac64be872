"""Additions to the catalog in service: new tracks, placed by the network that lies beside it.

Nothing is trained and no stage runs. The tracks are those that the dataset lists and the
catalog lacks; their names and paths are those that a run of the pipeline gives them, so
that its next catalog holds them, too. What is added is a version like any other: it can
be rolled back, and a service that runs picks it up.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato import datasets
from ostinato.core.counts import format_count
from ostinato.core.parallel import cores
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import duplicates, inventory
from ostinato.errors import CatalogError, OstinatoError
from ostinato.inference.model import ReleasedModel
from ostinato.io import tables, versions
from ostinato.io.files import read_json, write_json
from ostinato.io.versions import CATALOG, RELEASE
from ostinato.recommendation.catalog import BUILD_ADVICE, Catalog, describe_track, open_whole
from ostinato.recommendation.folder import File, embed_files
from ostinato.release.catalog import BASE

SECTIONS = ("seed", "compute", "dataset", "validate", "release")


@dataclass(frozen=True)
class Additions:
    """What was added to the catalog in service.

    Parameters
    ----------
    version : int
        In service now.
    n_tracks : int
        That it holds.
    added : list of str
        Track ids.
    n_present : int
        Tracks that were asked for and are there already.
    refused : dict of str to str
        Track id and reason of each that was left out.
    doubtful : dict of str to list of str
        Added tracks whose sound the network cannot place well, with the reasons.
    """

    version: int
    n_tracks: int
    added: list[str] = field(default_factory=list)
    n_present: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        more = [f"{self.n_present} there already"] if self.n_present else []
        more += [f"{len(self.refused)} refused"] if self.refused else []
        more += [f"{len(self.doubtful)} doubtful"] if self.doubtful else []
        counts = [f"{format_count(len(self.added), 'track')} added", *more]
        return f"{', '.join(counts)}; version {self.version} of {format_count(self.n_tracks, 'track')} is in service"


def add_tracks(paths: Paths, params: Params, wanted: Sequence[Path] = ()) -> Additions:
    """Add tracks to the catalog in service, as a new version of it.

    Parameters
    ----------
    paths : Paths
    params : Params
        With `SECTIONS`.
    wanted : sequence of Path
        Files, and folders of files, below the dataset's folder. Default: all that the dataset lists.

    Returns
    -------
    Additions
        Where there is nothing to add, the version in service stays.

    Raises
    ------
    OstinatoError
        If no catalog is in service, a rollback holds it, its files are damaged or placed by another
        network than the one beside them, or a path leads to no track of the dataset.
    """
    releases = paths.releases / CATALOG
    versions.settle(releases)
    served = paths.current_release(CATALOG)
    if not (served / RELEASE).is_file():
        raise CatalogError(f"{releases}: no catalog is in service; {BUILD_ADVICE}")
    pointer = versions.read_pointer(releases)
    if pointer and pointer.hold:
        raise CatalogError(
            f"{releases}: version {pointer.version} is held after a rollback; run "
            f"`ostinato release --resume --task {CATALOG}`"
        )
    catalog, root = open_whole(served), datasets.dataset_root(paths, params.dataset)
    listed = _select(_list_tracks(root, params, catalog), root, wanted)
    is_present = listed["track_id"].isin(catalog.ids)
    new, version = listed[~is_present], int(read_json(served / RELEASE)["version"])
    files, refused = _measure(paths, params, root, catalog, new)
    placed, unplaced = _place(served, root, files, params.compute.workers or cores())
    refused |= unplaced
    added = new[new["track_id"].isin(placed)].reset_index(drop=True)
    if len(added):
        about = added.assign(duration=[placed[i].seconds for i in added["track_id"]]).to_dict("records")
        vectors = np.stack([placed[i].embedding for i in added["track_id"]])
        catalog.add(
            added["track_id"].tolist(), vectors, [describe_track(row) for row in about], version=catalog.version
        )
        version = _install(catalog, served, releases, len(added), params.release.keep)
    doubtful = {i: f.reasons for i, f in placed.items() if f.reasons}
    return Additions(version, len(catalog), added["track_id"].tolist(), int(is_present.sum()), refused, doubtful)


def _list_tracks(root: Path, params: Params, catalog: Catalog) -> pd.DataFrame:
    """List the tracks of the dataset that have a file, as ingest does."""
    plugin, options = datasets.load(params.dataset)
    if not getattr(plugin, "AUDIO", True):
        raise OstinatoError(f"{params.dataset.name}: has no audio to place; run the pipeline")
    known = pd.Series(catalog.ids, dtype=object)
    listing = inventory.list_tracks(plugin, root, options, params, known)
    tracks = inventory.filter_genres(inventory.complete(listing, params.dataset.rename), params.dataset.classes)
    return tracks[tracks["path"].notna()].reset_index(drop=True)


def _select(tracks: pd.DataFrame, root: Path, wanted: Sequence[Path]) -> pd.DataFrame:
    """Keep the tracks at or below some paths.

    Raises
    ------
    OstinatoError
        If a path lies outside the dataset's folder, or no track lies there.
    """
    if not wanted:
        return tracks
    chosen = np.zeros(len(tracks), bool)
    for path in wanted:
        below = os.path.relpath(path.absolute(), root.absolute())  # as listed, also below a link
        if below.startswith(os.pardir):
            below = os.path.relpath(path.resolve(), root.resolve())
        if below.startswith(os.pardir):
            raise OstinatoError(f"{path}: lies outside the dataset's folder {root}; put it, or a link to it, there")
        here = np.array([below in (os.curdir, p) or p.startswith(f"{below}/") for p in tracks["path"]], bool)
        if not here.any():
            raise OstinatoError(f"{path}: is no track of the dataset; `ostinato ingest` lists the files that it skips")
        chosen |= here
    return tracks[chosen]


def _measure(
    paths: Paths, params: Params, root: Path, catalog: Catalog, new: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Measure new files, and refuse what is broken, too short or a copy of a track before it."""
    cache = paths.state / inventory.cache_name(root)
    measured = inventory.measure_files(root, new, cache, params.compute)
    refused: dict[str, str] = {}
    for row in measured.to_dict("records"):
        if isinstance(row["error"], str) and row["error"]:
            refused[row["track_id"]] = row["error"]
        elif row["duration"] < params.validate_.min_seconds:
            refused[row["track_id"]] = f"lasts {row['duration']:.2f} s, less than validate.min_seconds"
    measured = measured[~measured["track_id"].isin(refused)]
    copies = duplicates.find(
        pd.concat([_read_prints(paths, root, catalog, cache, params), measured], ignore_index=True)
    )
    for row in copies[copies["track_id"].isin(measured["track_id"])].to_dict("records"):
        refused[row["track_id"]] = f"is a copy of {row['copy_of']}: {row['evidence']}"
    return measured[~measured["track_id"].isin(refused)], refused


def _read_prints(paths: Paths, root: Path, catalog: Catalog, cache: Path, params: Params) -> pd.DataFrame:
    """Read the fingerprints of the tracks in the catalog, also of those that were added since the last ingest."""
    ids = pd.Series(catalog.ids, dtype=object)
    known = tables.read(paths.files) if paths.files.exists() else pd.DataFrame(columns=tables.FILES.names)
    known = known[known["track_id"].isin(ids)]
    paths_of = dict(zip(catalog.ids, catalog.column("path"), strict=True))
    later = [i for i in ids if i not in set(known["track_id"]) and paths_of[i] and (root / paths_of[i]).is_file()]
    rows = pd.DataFrame({"track_id": later, "path": [paths_of[i] for i in later]})
    return pd.concat([known, inventory.measure_files(root, rows, cache, params.compute)]) if later else known


def _place(served: Path, root: Path, files: pd.DataFrame, workers: int) -> tuple[dict[str, File], dict[str, str]]:
    """Place files by the network of the catalog; return what was read of each track, and why others were not placed."""
    if not len(files):
        return {}, {}
    ids = dict(zip(files["path"], files["track_id"], strict=True))
    network = ReleasedModel(served, threads=1 if workers > 1 else 0)
    results = dict(embed_files(network, root, list(ids), workers))
    placed = {ids[path]: result for path, result in results.items() if isinstance(result, File)}
    return placed, {ids[path]: result for path, result in results.items() if isinstance(result, str)}


def _install(catalog: Catalog, served: Path, releases: Path, n_added: int, keep: int) -> int:
    """Make the next version of a catalog that has grown, and put it in service."""
    about: Mapping[str, Any] = read_json(served / RELEASE)
    incoming, version = versions.make_incoming(releases), versions.find_next(releases)
    for name in about["files"]:
        shutil.copyfile(served / name, incoming / name)
    catalog.save(incoming)
    names = sorted(file.name for file in incoming.iterdir())
    reason = f"{format_count(n_added, 'track')} added to version {about['version']}, placed by its network"
    written = {"version": version, "network": about["network"], "files": versions.compute_digests(incoming, names)}
    write_json(incoming / RELEASE, written | {BASE: about.get(BASE, about["files"]), "reasons": [reason], "rules": []})
    open_whole(incoming)
    versions.add_version(releases, incoming, version, keep)
    return version
