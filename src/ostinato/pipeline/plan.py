"""Estimate of the cost of a run from a few clips: time per stage, size of the cache, and whether it fits on the disk.

Only stages that would run are counted, or all of them without dvc.yaml. Times are upper
bounds on this machine, since early stopping and pruning may end training sooner.
"""

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato import audio, datasets, features
from ostinato.audio.context import AudioContext
from ostinato.core import parallel, registry
from ostinato.core.counts import format_count
from ostinato.core.params.kinds import parts
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import inventory, splits
from ostinato.errors import DataError, OstinatoError
from ostinato.pipeline import graph
from ostinato.pipeline.limits import Limits, find_limits
from ostinato.pipeline.survey import Survey, survey_collection
from ostinato.pipeline.training_cost import NO_AUDIO, Cost, time_call, time_training

SECTIONS = (
    *("seed", "compute", "dataset", "ingest", "split", "features", "train", "tune", "artists"),
    *("candidates", "estimators", "stacked", "members", "numbers", "stacking"),
)
SAMPLE = 5
INGEST, CHANGED = "ingest", "the collection has changed"
COPIES = 2
SAFETY_FACTOR = 1.1

Kinds = Mapping[str, Callable[[AudioContext], np.ndarray]]


@dataclass(frozen=True)
class Estimate:
    """Cost of a run.

    Parameters
    ----------
    n_tracks : int
    seconds : float
        Duration of the audio.
    stages : dict
        Seconds of work by stage.
    cache : dict
        Bytes by kind.
    free : int
        Free bytes on the disk.
    limits : Limits, optional
        Memory, open files and maps.
    untimed : dict
        Candidates that are not timed, with the reason.
    """

    n_tracks: int
    seconds: float
    stages: dict[str, float]
    cache: dict[str, float]
    free: int
    limits: Limits = field(default_factory=Limits)
    untimed: dict[str, str] = field(default_factory=dict)

    @property
    def required_bytes(self) -> float:
        """Size of the cache and of its copy in DVC, in bytes."""
        return sum(self.cache.values()) * COPIES * SAFETY_FACTOR

    def table(self) -> str:
        """Format the estimate as a table.

        Returns
        -------
        str
            Several lines.
        """
        rows = [("tracks", f"{self.n_tracks:,}"), ("audio", f"{self.seconds / 3600:.1f} h"), ("", "")]
        rows += [(f"cache {kind}", _size(n)) for kind, n in self.cache.items()]
        rows += [
            ("cache with DVC's copy", _size(self.required_bytes)),
            ("free on this disk", _size(self.free)),
            ("memory needed", f"about {_size(self.limits.memory)}"),
            ("memory available", _size(self.limits.available)),
            ("", ""),
        ]
        rows += [(f"time {stage}", f"at most {_span(s)}") for stage, s in self.stages.items()]
        rows += [("total time", f"at most {_span(sum(self.stages.values()))}")]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value:>16}".rstrip() for name, value in rows]
        return "\n".join([*lines, *(f"{name} is not counted: {reason}" for name, reason in self.untimed.items())])

    def check(self) -> None:
        """Refuse a run that cannot fit.

        Raises
        ------
        OstinatoError
            Naming what is missing.
        """
        if self.required_bytes > self.free:
            largest = max(self.cache, key=lambda kind: self.cache[kind])
            raise OstinatoError(
                f"the feature cache needs {_size(self.required_bytes)} with DVC's copy, {_size(self.free)} is free: "
                f"free some disk space, drop a kind from features.kinds ({largest} is the largest) "
                "or keep fewer genres with dataset.classes"
            )
        self.limits.check()


def command(paths: Paths, params: Params) -> None:
    """Print a survey of the collection and the cost of the pipeline; refuse a run that cannot fit.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `SECTIONS`.

    Raises
    ------
    OstinatoError
        If the disk is too small, no clip of the sample can be decoded, or ingest would refuse the collection.
    """
    stale, collection = None, survey_collection(paths, params)
    print(collection.describe(), end="\n\n")
    if not params.split.official:
        splits.check_folds(collection.tracks, splits.SplitPlan(params.split.folds, params.split.group_by))
    if (paths.root / "dvc.yaml").exists():
        upstream, changed = graph.read_cached(paths.root, paths.graph_cache)
        stale = graph.find_stale(upstream, {**changed, INGEST: [CHANGED]} if collection.differs else changed)
        if not stale:
            print(f"nothing would run: all {len(upstream)} stages are done, and the collection is unchanged")
            return
        print(f"would run: {len(stale)} of {format_count(len(upstream), 'stage')}\n")
    cost = estimate(paths, params, stale, collection)
    print(cost.table())
    cost.check()


def estimate(
    paths: Paths, params: Params, stale: Collection[str] | None = None, collection: Survey | None = None
) -> Estimate:
    """Estimate a run from a sample of its clips.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `SECTIONS`.
    stale : collection of str, optional
        Stages of dvc.yaml that would run; default: all.
    collection : Survey, optional
        Survey of the collection; default: from `survey_collection`.

    Returns
    -------
    Estimate
    """
    root = datasets.dataset_root(paths, params.dataset)
    collection = collection or survey_collection(paths, params)
    tracks = collection.tracks
    files = tracks["path"].dropna().tolist()
    cost = sample(root, _choose_evenly(files, SAMPLE), kinds(params.features)) if files else NO_AUDIO
    durations = tracks["duration"].dropna() if "duration" in tracks else pd.Series(dtype=float)
    mean = float(durations.mean()) if len(durations) else cost.seconds / max(cost.n_clips, 1)
    seconds = mean * len(files)
    cores = params.compute.workers or parallel.cores()
    times = {
        "ingest": cost.measure * mean * collection.n_unmeasured / cores,
        "featurize": (cost.decode + sum(cost.compute.values())) * seconds / cores,
    }
    stages = {stage: s for stage, s in times.items() if stale is None or stage in stale}
    training, untimed = time_training(tracks, params, cost, stale)
    cache = {kind: cost.bytes(kind) * seconds for kind in cost.bins if "featurize" in stages}
    free = shutil.disk_usage(paths.root).free + _size_of(paths.features) * COPIES
    return Estimate(len(tracks), seconds, stages | training, cache, free, find_limits(len(tracks), params), untimed)


def sample(root: Path, names: list[str], functions: Kinds) -> Cost:
    """Measure the cost of some clips.

    Parameters
    ----------
    root : Path
    names : list of str
        Paths below `root`; those that cannot be decoded are skipped.
    functions : mapping
        Kind to a function of an AudioContext.

    Returns
    -------
    Cost

    Raises
    ------
    DataError
        If none can be decoded.
    """
    n_clips, seconds, measure_time, decode_time = 0, 0.0, 0.0, 0.0
    compute_times, rows, bins = dict.fromkeys(functions, 0.0), dict.fromkeys(functions, 0), dict.fromkeys(functions, 0)
    for name in names:
        _, measure_seconds = time_call(inventory.measure, root, name)
        try:
            (y, rate), decode_seconds = time_call(audio.load, root / name)
        except DataError:
            continue
        n_clips, seconds = n_clips + 1, seconds + len(y) / rate
        measure_time, decode_time = measure_time + measure_seconds, decode_time + decode_seconds
        context = AudioContext(y, rate)
        for kind, function in functions.items():
            frames, compute_seconds = time_call(function, context)
            compute_times[kind] += compute_seconds
            rows[kind] += len(frames)
            bins[kind] = int(np.prod(frames.shape[1:]))
    if not seconds:
        n = format_count(len(names), "clip")
        raise DataError(f"{root}: none of {n} can be decoded, such as {names[0]}; see `ostinato ingest`")
    per_second = {kind: t / seconds for kind, t in compute_times.items()}
    frames_per_second = {kind: n / seconds for kind, n in rows.items()}
    return Cost(n_clips, seconds, measure_time / seconds, decode_time / seconds, per_second, frames_per_second, bins)


def kinds(settings: Any) -> Kinds:
    """Load the functions of `features.kinds`.

    Parameters
    ----------
    settings : params.Features

    Returns
    -------
    mapping
        Kind to a function of an AudioContext; only kinds that read audio.
    """
    plain = {kind: options or {} for kind, options in settings.kinds.items() if len(parts(kind)) == 1}
    loaded = {kind: registry.load("ostinato.features", features.module(kind, d)) for kind, d in plain.items()}
    return {
        kind: partial(module.compute, **features.parameters(kind, plain[kind], settings.sample_rate))
        for kind, module in loaded.items()
        if module.SOURCE == "audio"
    }


def _choose_evenly(items: list[str], n: int) -> list[str]:
    """Choose evenly spaced items."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, n).astype(int))]


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _size(n_bytes: float) -> str:
    """Format a number of bytes.

    >>> _size(2_500_000)
    '2.5 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def _span(seconds: float) -> str:
    """Format a duration.

    >>> _span(5400)
    '1.5 h'
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5000 else f"{seconds / 3600:.1f} h"
