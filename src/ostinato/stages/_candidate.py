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
from ostinato.core.counts import format_count
from ostinato.core.inputs import Input
from ostinato.core.params.kinds import parts
from ostinato.core.paths import Paths
from ostinato.core.summary import AUDIO, read_vectors
from ostinato.core.task import COLUMNS, Task
from ostinato.errors import DataError, ParamsError
from ostinato.io.files import read_json, read_parquet
from ostinato.training.artefact import Fold
from ostinato.training.data.build import describe_inputs, open_inputs, open_source
from ostinato.training.data.labels import LabelledTracks, join_labels
from ostinato.training.data.member_logits import member_sources, read_member
from ostinato.training.data.sources import FeatureSource, Joined, Source
from ostinato.training.settings import Settings, fingerprint

META, MIN_CLASSES = "meta.json", 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CandidateData:
    """Tracks and inputs of a candidate.

    Parameters
    ----------
    labelled : LabelledTracks
    sources : mapping of fold to Source
    inputs : mapping of str to Input
    files : tuple of path or value
        What the inputs were read from, for the name of the folder to resume from.
    """

    labelled: LabelledTracks
    sources: Mapping[Fold, Source]
    inputs: Mapping[str, Input]
    files: tuple[Any, ...]


def find_skip_reason(paths: Paths, settings: Settings) -> str | None:
    """Return why the dataset does not allow a candidate; None if it does.

    Raises
    ------
    DataError
        If its feature was not computed.
    """
    if COLUMNS.get(settings.task) == "embedding":
        if settings.fitter == "sklearn":
            return f"{settings.task} can be learned by networks only"
        target = read_json(paths.target(settings.task) / "about.json")
        if "skipped" in target:
            return str(target["skipped"])
    classes = _classes(paths, settings.task)
    if len(classes) < MIN_CLASSES:
        n = format_count(len(classes), "class")
        return f"the dataset has {n} of the task {settings.task}; at least {MIN_CLASSES} are needed"
    if settings.feature is not None:
        folder = paths.feature(settings.feature)
        if not (folder / META).exists():
            raise DataError(f"{folder}: does not exist; run `dvc repro featurize`")
        if reason := find_obstacle(folder):
            return reason
    for name in (*settings.members, *settings.numbers):
        _, metadata = read_member(paths.member_logits(settings.name) / f"{name}.parquet")
        if "skipped" in metadata and name not in settings.optional:
            role = "member" if name in settings.members else "feature"
            return f"its {role} {name} was skipped: {metadata['skipped']}"
    return None


def open_candidate(paths: Paths, settings: Settings) -> CandidateData:
    """Read the labels, splits and inputs of a candidate.

    Tracks that are not in the cache, since they could not be decoded, are skipped.

    Raises
    ------
    DataError
        If no track remains, or a member of a stack has other classes.
    """
    task = Task(settings.task, tuple(_classes(paths, settings.task)))
    splits = read_parquet(paths.splits)
    splits = splits[find_present(splits["track_id"], *_open_sources(paths, settings))]
    labelled = join_labels(task, read_tracks(paths, settings.task), splits)
    labels = {"target": labelled.target.tolist(), "ids": list(labelled.track_ids)}
    folds = {fold: {part: rows.tolist() for part, rows in parts.items()} for fold, parts in labelled.folds.items()}
    if settings.members:
        sources, inputs, files = _open_members(paths, settings, labelled)
    else:
        sources, inputs, files = _open_features(paths, settings, labelled)
    return CandidateData(labelled, sources, inputs, (labels, folds, *files))


def read_tracks(paths: Paths, task: str) -> pd.DataFrame:
    """Read the tracks, with the vectors of their artists if these are the target of the task."""
    tracks = read_parquet(paths.tracks)
    if COLUMNS.get(task) != "embedding":
        return tracks
    artists = read_parquet(paths.target(task) / "artists.parquet", columns=["artist", "vector"])
    vectors = dict(zip(artists["artist"], artists["vector"], strict=True))
    tracks[task] = pd.Series([vectors.get(artist) for artist in tracks["artist"]], tracks.index, dtype=object)
    return tracks


def _classes(paths: Paths, task: str) -> list[str]:
    """Return the classes of a task, or the numbers of the dimensions of a space."""
    if COLUMNS.get(task) == "embedding":
        return [str(i) for i in range(read_json(paths.target(task) / "about.json")["dimension"])]
    return read_json(paths.classes).get(task) or []


def find_present(track_ids: pd.Series, *sources: Container[str]) -> pd.Series:
    """Find the tracks that all sources contain, and warn of the others.

    Parameters
    ----------
    track_ids : Series of str
    *sources : container of str
        Such as the cache of each feature that a candidate reads.

    Returns
    -------
    Series of bool
    """
    is_present = track_ids.map(lambda track_id: all(track_id in source for source in sources)).astype(bool)
    missing = track_ids[~is_present].unique()
    if len(missing):
        n = format_count(len(missing), "track")
        log.warning("skipped %s not in the cache, such as %r", n, missing[0])
    return is_present


def open_features(paths: Paths, inputs: Mapping[str, Input], track_ids: Sequence[str]) -> FeatureSource | Joined:
    """Open the cache for the inputs of an artefact."""
    return open_inputs({kind: Store(paths.feature(kind)) for kind in inputs}, inputs, track_ids)


def load_summaries(paths: Paths, kind: str, track_ids: np.ndarray) -> np.ndarray:
    """Load the vector of each track for an estimator, (n_tracks, width)."""
    return read_vectors(Store(paths.feature(kind)), track_ids)


def open_resume_folder(paths: Paths, stage: str, settings: Settings, *inputs: Any) -> tuple[Path, Callable[[], None]]:
    """Make the folder that a stage resumes from, and return it with a function that removes it and older ones."""
    folder = paths.state / stage / f"{settings.name}-{fingerprint(settings, *inputs)}"

    def clean_up() -> None:
        remove_older(folder)
        shutil.rmtree(folder, ignore_errors=True)

    folder.mkdir(parents=True, exist_ok=True)
    return folder, clean_up


def remove_older(folder: Path) -> None:
    """Remove folders of other settings or inputs of the same candidate next to one of `open_resume_folder`."""
    name = folder.name.rpartition("-")[0]
    for old in folder.parent.glob(f"{name}-" + "[0-9a-f]" * 16):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def _open_sources(paths: Paths, settings: Settings) -> list[Container[str]]:
    """Open the sources of a candidate, to find which tracks they contain."""
    if settings.feature is not None:
        return [Store(paths.feature(kind)) for kind in parts(settings.feature)]
    files = [
        paths.member_logits(settings.name) / f"{m}.parquet" for m in settings.members if m not in settings.optional
    ]
    return [set(read_member(file)[0]["track_id"]) for file in files]


def _open_features(
    paths: Paths, settings: Settings, labelled: LabelledTracks
) -> tuple[dict[Fold, Source], dict[str, Input], tuple[Path, ...]]:
    kinds = parts(settings.feature or "")
    stores = {kind: Store(paths.feature(kind)) for kind in kinds}
    files = tuple(paths.feature(kind) / name for kind in kinds for name in (META, "index.parquet"))
    if settings.fitter == "sklearn":
        ((kind, store),) = stores.items()
        if not store.tail:
            raise ParamsError(f"{settings.name}: {kind} is text; choose a feature of audio or numbers for an estimator")
        model_input = Input(
            feature=store.meta.get("module", kind),
            source=store.meta.get("source", AUDIO),
            parameters=store.meta["parameters"],
            bins=store.tail[0],
            summary=True,
        )
        return {}, {kind: model_input}, files
    inputs = describe_inputs(stores, settings.train)
    try:
        source = open_source(stores, inputs, list(labelled.track_ids), settings.train)
    except ParamsError as error:
        raise ParamsError(f"{settings.name}: {error}") from error
    sources: dict[Fold, Source] = dict.fromkeys([*labelled.folds, "final"], source)
    return sources, inputs, files


def _open_members(
    paths: Paths, settings: Settings, labelled: LabelledTracks
) -> tuple[dict[Fold, Source], dict[str, Input], tuple[Path, ...]]:
    files = tuple(
        paths.member_logits(settings.name) / f"{name}.parquet" for name in (*settings.members, *settings.numbers)
    )
    tables = {file.stem: read_member(file) for file in files}
    members = {member: tables[member][1] for member in settings.members if "skipped" not in tables[member][1]}
    for member, metadata in members.items():
        if tuple(metadata["classes"]) != labelled.task.classes:
            raise DataError(
                f"{settings.name}: its member {member} was trained for other classes; run `dvc repro train@{member}`"
            )
    inputs = {member: Input(**next(iter(metadata["inputs"].values()))) for member, metadata in members.items()}
    dropout = dict.fromkeys(settings.uncertain, settings.train.modality_dropout)
    logits = {name: table for name, (table, _) in tables.items()}
    sources: dict[Fold, Source] = dict(member_sources(logits, labelled, dropout, settings.numbers))
    return sources, inputs, files
