"""Forecast of a run from a few clips: time per stage, bytes of cache, and whether the disk holds them.

Only stages that would run are counted, as DVC tells; all of them in a folder without dvc.yaml.
Times are upper bounds on this machine: early stopping and pruning end sooner.
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
from ostinato.core.params.kinds import parts
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import inventory, splits
from ostinato.errors import DataError, OstinatoError
from ostinato.pipeline import graph
from ostinato.pipeline.limits import Limits, find_limits
from ostinato.pipeline.survey import Survey, survey_collection
from ostinato.pipeline.training_cost import SILENT, Cost, time_call, time_training

SECTIONS = (
    *("seed", "compute", "dataset", "ingest", "split", "features", "train", "tune", "artists"),
    *("candidates", "estimators", "stacked", "members", "numbers", "stacking"),
)
SAMPLE = 5
INGEST, FOUND = "ingest", "what it would find differs"
COPIES = 2
SPARE = 1.1

Kinds = Mapping[str, Callable[[AudioContext], np.ndarray]]


@dataclass(frozen=True)
class Estimate:
    """A run's cost.

    Parameters
    ----------
    n_tracks : int
    seconds : float
        Of audio.
    stages : dict
        Seconds of work by stage.
    cache : dict
        Bytes by kind.
    free : int
        Bytes of the disk.
    limits : Limits, optional
        Of memory, open files and maps.
    untold : dict
        Per candidate that is not timed, why.
    """

    n_tracks: int
    seconds: float
    stages: dict[str, float]
    cache: dict[str, float]
    free: int
    limits: Limits = field(default_factory=Limits)
    untold: dict[str, str] = field(default_factory=dict)

    @property
    def required_bytes(self) -> float:
        """Bytes that the cache and DVC's copy of it take."""
        return sum(self.cache.values()) * COPIES * SPARE

    def table(self) -> str:
        """Lay it out for people.

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
        rows += [("time in all", f"at most {_span(sum(self.stages.values()))}")]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value:>16}".rstrip() for name, value in rows]
        return "\n".join([*lines, *(f"{name} is not counted: {reason}" for name, reason in self.untold.items())])

    def check(self) -> None:
        """Refuse a run that cannot fit.

        Raises
        ------
        OstinatoError
            Naming what is lacking.
        """
        if self.required_bytes > self.free:
            largest = max(self.cache, key=lambda kind: self.cache[kind])
            raise OstinatoError(
                f"the feature cache needs {_size(self.required_bytes)} with DVC's copy, {_size(self.free)} are free: "
                f"free some disk, drop a kind from features.kinds ({largest} is the largest) "
                "or keep fewer genres with dataset.classes"
            )
        self.limits.check()


def command(paths: Paths, params: Params) -> None:
    """Print the collection as it lies there now and what the pipeline will cost; refuse a run that cannot fit.

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
    behind, collection = None, survey_collection(paths, params)
    print(collection.describe(), end="\n\n")
    if not params.split.official:
        splits.check_folds(collection.tracks, splits.SplitPlan(params.split.folds, params.split.group_by))
    if (paths.root / "dvc.yaml").exists():
        upstream, changed = graph.read_cached(paths.root, paths.graph_cache)
        behind = graph.stale(upstream, {**changed, INGEST: [FOUND]} if collection.differs else changed)
        if not behind:
            print(f"nothing would run: all {len(upstream)} stages are done, and the collection is as it was")
            return
        print(f"would run: {len(behind)} of {len(upstream)} stages\n")
    estimated = estimate(paths, params, behind, collection)
    print(estimated.table())
    estimated.check()


def estimate(
    paths: Paths, params: Params, behind: Collection[str] | None = None, collection: Survey | None = None
) -> Estimate:
    """Estimate a run from a sample of its clips.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `SECTIONS`.
    behind : collection of str, optional
        Names of dvc.yaml's stages that would run; default: all.
    collection : Survey, optional
        The collection as it lies there now; default: it is looked at.

    Returns
    -------
    Estimate
    """
    root = datasets.dataset_root(paths, params.dataset)
    collection = collection or survey_collection(paths, params)
    tracks = collection.tracks
    heard = tracks["path"].dropna().tolist()
    cost = sample(root, _spread(heard, SAMPLE), kinds(params.features)) if heard else SILENT
    known = tracks["duration"].dropna() if "duration" in tracks else pd.Series(dtype=float)
    mean = float(known.mean()) if len(known) else cost.seconds / max(cost.n_clips, 1)
    seconds = mean * len(heard)
    cores = params.compute.workers or parallel.cores()
    spent = {
        "ingest": cost.measure * mean * collection.n_unmeasured / cores,
        "featurize": (cost.decode + sum(cost.compute.values())) * seconds / cores,
    }
    stages = {stage: s for stage, s in spent.items() if behind is None or stage in behind}
    training, untold = time_training(tracks, params, cost, behind)
    cache = {kind: cost.bytes(kind) * seconds for kind in cost.bins if "featurize" in stages}
    free = shutil.disk_usage(paths.root).free + _size_of(paths.features) * COPIES
    return Estimate(len(tracks), seconds, stages | training, cache, free, find_limits(len(tracks), params), untold)


def sample(root: Path, names: list[str], wanted: Kinds) -> Cost:
    """Measure what some clips cost.

    Parameters
    ----------
    root : Path
    names : list of str
        Paths below `root`; those that cannot be decoded are passed over.
    wanted : mapping
        Kind to a function of an AudioContext.

    Returns
    -------
    Cost

    Raises
    ------
    DataError
        If none can be decoded.
    """
    n_clips, seconds, measuring, decoding = 0, 0.0, 0.0, 0.0
    computing, rows, bins = dict.fromkeys(wanted, 0.0), dict.fromkeys(wanted, 0), dict.fromkeys(wanted, 0)
    for name in names:
        _, spent = time_call(inventory.measure, root, name)
        try:
            (y, rate), decoded = time_call(audio.load, root / name)
        except DataError:
            continue
        n_clips, seconds = n_clips + 1, seconds + len(y) / rate
        measuring, decoding = measuring + spent, decoding + decoded
        context = AudioContext(y, rate)
        for kind, function in wanted.items():
            frames, spent = time_call(function, context)
            computing[kind] += spent
            rows[kind] += len(frames)
            bins[kind] = int(np.prod(frames.shape[1:]))
    if not seconds:
        raise DataError(f"{root}: none of {len(names)} clips can be decoded, such as {names[0]}; see `ostinato ingest`")
    per_second = {kind: spent / seconds for kind, spent in computing.items()}
    frames_per_second = {kind: n / seconds for kind, n in rows.items()}
    return Cost(n_clips, seconds, measuring / seconds, decoding / seconds, per_second, frames_per_second, bins)


def kinds(wanted: Any) -> Kinds:
    """Load the kinds of feature that params.yaml wants.

    Parameters
    ----------
    wanted : params.Features

    Returns
    -------
    mapping
        Kind to a function of an AudioContext. Kinds that read no audio are left out.
    """
    plain = {kind: departures or {} for kind, departures in wanted.kinds.items() if len(parts(kind)) == 1}
    loaded = {kind: registry.load("ostinato.features", features.module(kind, d)) for kind, d in plain.items()}
    return {
        kind: partial(module.compute, **features.parameters(kind, plain[kind], wanted.sample_rate))
        for kind, module in loaded.items()
        if module.SOURCE == "audio"
    }


def _spread(items: list[str], n: int) -> list[str]:
    """Pick some items evenly."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, n).astype(int))]


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _size(n_bytes: float) -> str:
    """Write bytes for people.

    >>> _size(2_500_000)
    '2.5 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def _span(seconds: float) -> str:
    """Write a time for people.

    >>> _span(5400)
    '1.5 h'
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5000 else f"{seconds / 3600:.1f} h"
