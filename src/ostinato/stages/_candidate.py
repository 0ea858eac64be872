"""Inputs of a candidate for tune, train, member and infer, or the reason why it has none."""

import logging
import shutil
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato.cache.store import Store, find_obstacle
from ostinato.core.inputs import Input
from ostinato.core.params.kinds import parts
from ostinato.core.paths import Paths
from ostinato.core.task import COLUMNS, Task
from ostinato.errors import DataError, ParamsError
from ostinato.io.files import read_json, read_parquet
from ostinato.training.artefact import Fold
from ostinato.training.data.build import describe_inputs, open_inputs, open_source
from ostinato.training.data.labels import LabelledTracks, join_labels
from ostinato.training.data.member_logits import member_sources, read_member
from ostinato.training.data.sources import FeatureSource, Joined, Source
from ostinato.training.settings import Settings, fingerprint

META, LEAST = "meta.json", 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CandidateData:
    """A candidate's tracks and inputs.

    Parameters
    ----------
    labelled : LabelledTracks
    sources : mapping of fold to Source
    inputs : mapping of str to Input
    files : tuple of path or value
        What the inputs were read from, for the name of a folder to go on from.
    """

    labelled: LabelledTracks
    sources: Mapping[Fold, Source]
    inputs: Mapping[str, Input]
    files: tuple[Any, ...]


def lacks(paths: Paths, settings: Settings) -> str | None:
    """Return what the dataset lacks for a candidate, if it lacks anything.

    Raises
    ------
    DataError
        If its feature was not computed, which is no fault of the dataset.
    """
    if COLUMNS.get(settings.task) == "embedding":
        if settings.fitter == "sklearn":
            return f"{settings.task} is learned by networks only"
        about = read_json(paths.target(settings.task) / "about.json")
        if "skipped" in about:
            return str(about["skipped"])
    classes = _classes(paths, settings.task)
    if len(classes) < LEAST:
        return f"the dataset has {len(classes)} classes of the task {settings.task}; at least {LEAST} are needed"
    if settings.feature is not None:
        folder = paths.feature(settings.feature)
        if not (folder / META).exists():
            raise DataError(f"{folder}: is not there; run `dvc repro featurize`")
        if reason := find_obstacle(folder):
            return reason
    for name in (*settings.members, *settings.numbers):
        _, about = read_member(paths.member_logits(settings.name) / f"{name}.parquet")
        if "skipped" in about and name not in settings.optional:
            what = "member" if name in settings.members else "feature"
            return f"its {what} {name} was skipped: {about['skipped']}"
    return None


def open_candidate(paths: Paths, settings: Settings) -> CandidateData:
    """Read a candidate's labels, splits and inputs.

    Tracks that were never cached, since they could not be decoded, are passed over.

    Raises
    ------
    DataError
        If no track is left, or a member of a stack has other classes.
    """
    task = Task(settings.task, tuple(_classes(paths, settings.task)))
    splits = read_parquet(paths.splits)
    kept = splits[present(splits["track_id"], *_open_sources(paths, settings))]
    joined = join_labels(task, tracks_of(paths, settings.task), kept)
    tables = {"target": joined.target.tolist(), "ids": list(joined.track_ids)}
    placed = {fold: {k: v.tolist() for k, v in p.items()} for fold, p in joined.folds.items()}
    if settings.members:
        sources, inputs, files = _stack(paths, settings, joined)
    else:
        sources, inputs, files = _plain(paths, settings, joined)
    return CandidateData(joined, sources, inputs, (tables, placed, *files))


def tracks_of(paths: Paths, task: str) -> pd.DataFrame:
    """Read the tracks, with the vectors of their artists where these are what a task learns."""
    tracks = read_parquet(paths.tracks)
    if COLUMNS.get(task) != "embedding":
        return tracks
    artists = read_parquet(paths.target(task) / "artists.parquet", columns=["artist", "vector"])
    vectors = dict(zip(artists["artist"], artists["vector"], strict=True))
    tracks[task] = pd.Series([vectors.get(artist) for artist in tracks["artist"]], tracks.index, dtype=object)
    return tracks


def _classes(paths: Paths, task: str) -> list[str]:
    """List the classes of a task, or number the coordinates of a space."""
    if COLUMNS.get(task) == "embedding":
        return [str(i) for i in range(read_json(paths.target(task) / "about.json")["dimension"])]
    return read_json(paths.classes).get(task) or []


def present(track_ids: pd.Series, *held: Container[str]) -> pd.Series:
    """Return which tracks all of these hold; name those that are passed over.

    Parameters
    ----------
    track_ids : Series of str
    *held : container of str
        Such as the cache of each kind that a candidate reads.

    Returns
    -------
    Series of bool
    """
    here = track_ids.map(lambda track_id: all(track_id in holder for holder in held)).astype(bool)
    absent = track_ids[~here].unique()
    if len(absent):
        log.warning("%d tracks are not in the cache and are passed over, such as %r", len(absent), absent[0])
    return here


def features(paths: Paths, inputs: Mapping[str, Input], track_ids: Sequence[str]) -> FeatureSource | Joined:
    """Open the cache as an artefact's inputs describe it."""
    return open_inputs({kind: Store(paths.feature(kind)) for kind in inputs}, inputs, track_ids)


def summaries(paths: Paths, kind: str, track_ids: np.ndarray) -> np.ndarray:
    """Return each track's vector for an estimator, (n_tracks, width)."""
    from ostinato.core.summary import AUDIO, vector

    store = Store(paths.feature(kind))
    source = str(store.meta.get("source", AUDIO))
    return np.stack([vector(store.read(track_id), source) for track_id in track_ids])


def resumable(paths: Paths, stage: str, settings: Settings, *inputs: Any) -> tuple[Path, Callable[[], None]]:
    """Name the folder of what a stage goes on from after a kill, and give what removes it and its older siblings."""
    folder = paths.state / stage / f"{settings.name}-{fingerprint(settings, *inputs)}"

    def done() -> None:
        remove_older(folder)
        shutil.rmtree(folder, ignore_errors=True)

    folder.mkdir(parents=True, exist_ok=True)
    return folder, done


def remove_older(folder: Path) -> None:
    """Remove what other settings or inputs of the same candidate left beside a folder that `resumable` named."""
    name = folder.name.rpartition("-")[0]
    for old in folder.parent.glob(f"{name}-" + "[0-9a-f]" * 16):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def _open_sources(paths: Paths, settings: Settings) -> list[Container[str]]:
    """Open what a candidate reads, to ask which tracks it holds."""
    if settings.feature is not None:
        return [Store(paths.feature(kind)) for kind in parts(settings.feature)]
    files = [
        paths.member_logits(settings.name) / f"{m}.parquet" for m in settings.members if m not in settings.optional
    ]
    return [set(read_member(file)[0]["track_id"]) for file in files]


def _plain(
    paths: Paths, settings: Settings, joined: LabelledTracks
) -> tuple[dict[Fold, Source], dict[str, Input], tuple[Path, ...]]:
    kinds = parts(settings.feature or "")
    stores = {kind: Store(paths.feature(kind)) for kind in kinds}
    files = tuple(paths.feature(kind) / name for kind in kinds for name in (META, "index.parquet"))
    if settings.fitter == "sklearn":
        ((kind, store),) = stores.items()
        if not store.tail:
            raise ParamsError(
                f"{settings.name}: {kind} is text; an estimator reads audio or numbers, name such a feature"
            )
        made = {k: store.meta.get(v, w) for k, v, w in (("feature", "module", kind), ("source", "source", "audio"))}
        return {}, {kind: Input(**made, parameters=store.meta["parameters"], bins=store.tail[0], summary=True)}, files
    inputs = describe_inputs(stores, settings.train)
    try:
        source = open_source(stores, inputs, list(joined.track_ids), settings.train)
    except ParamsError as error:
        raise ParamsError(f"{settings.name}: {error}") from error
    everywhere: dict[Fold, Source] = dict.fromkeys([*joined.folds, "final"], source)
    return everywhere, inputs, files


def _stack(
    paths: Paths, settings: Settings, joined: LabelledTracks
) -> tuple[dict[Fold, Source], dict[str, Input], tuple[Path, ...]]:
    files = tuple(
        paths.member_logits(settings.name) / f"{name}.parquet" for name in (*settings.members, *settings.numbers)
    )
    read = {file.stem: read_member(file) for file in files}
    abouts = {member: read[member][1] for member in settings.members if "skipped" not in read[member][1]}
    for member, about in abouts.items():
        if tuple(about["classes"]) != joined.task.classes:
            raise DataError(
                f"{settings.name}: its member {member} was trained for other classes; run `dvc repro train@{member}`"
            )
    inputs = {member: Input(**next(iter(about["inputs"].values()))) for member, about in abouts.items()}
    absent = dict.fromkeys(settings.uncertain, settings.train.modality_dropout)
    tables = {name: table for name, (table, _) in read.items()}
    sources: dict[Fold, Source] = dict(member_sources(tables, joined, absent, settings.numbers))
    return sources, inputs, files
