"""What a run will cost, told from a few clips: time per stage, bytes of cache, and whether the disk holds them.

Only stages that would run are counted, as DVC tells; all of them in a folder without dvc.yaml.
Times are upper bounds on this machine: early stopping and pruning end sooner.
"""

import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato import audio, compute, datasets, features, graph, inventory, registry, tables
from ostinato.errors import DataError, OstinatoError
from ostinato.features._shared import AudioContext
from ostinato.params import JOIN, network_kinds, parts
from ostinato.paths import Paths

SECTIONS = (
    *("seed", "compute", "dataset", "split", "features", "train", "tune", "artists"),
    *("candidates", "estimators", "stacked", "members", "numbers"),
)
SAMPLE = 5
ROW_BYTES = 2
COPIES = 2
SPARE = 1.1

Kinds = Mapping[str, Callable[[AudioContext], np.ndarray]]


@dataclass(frozen=True)
class Cost:
    """What a second of audio costs, measured on some clips.

    Parameters
    ----------
    n_clips : int
        Clips that were measured.
    seconds : float
        Of audio in them.
    measure, decode : float
        Seconds to hash and measure a second of audio, and to decode it.
    compute : dict
        Per kind, seconds to compute it for a second of audio.
    rows : dict
        Per kind, frames for a second of audio.
    bins : dict
        Per kind, its bins.
    """

    n_clips: int
    seconds: float
    measure: float
    decode: float
    compute: dict[str, float] = field(default_factory=dict)
    rows: dict[str, float] = field(default_factory=dict)
    bins: dict[str, int] = field(default_factory=dict)

    def bytes(self, kind: str) -> float:
        """Bytes of cache for a second of audio."""
        return self.rows[kind] * self.bins[kind] * ROW_BYTES


SILENT = Cost(0, 0.0, 0.0, 0.0)
"""Of a dataset without audio."""


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
    untold : dict
        Per candidate that is not timed, why.
    """

    n_tracks: int
    seconds: float
    stages: dict[str, float]
    cache: dict[str, float]
    free: int
    untold: dict[str, str] = field(default_factory=dict)

    @property
    def needed(self) -> float:
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
        rows += [("cache with DVC's copy", _size(self.needed)), ("free on this disk", _size(self.free)), ("", "")]
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
        if self.needed > self.free:
            largest = max(self.cache, key=lambda kind: self.cache[kind])
            raise OstinatoError(
                f"the feature cache needs {_size(self.needed)} with DVC's copy, {_size(self.free)} are free: "
                f"free some disk, drop a kind from features.kinds ({largest} is the largest) "
                "or keep fewer genres with dataset.classes"
            )


def command(paths: Paths, params: Any) -> None:
    """Print what the pipeline will cost; refuse a run that cannot fit.

    Parameters
    ----------
    paths : Paths
    params : SimpleNamespace
        Sections `SECTIONS`.

    Raises
    ------
    OstinatoError
        If the disk is too small, or no clip of the sample can be decoded.
    """
    behind = None
    if (paths.root / "dvc.yaml").exists():
        upstream, changed = graph.standing(paths.root, paths.standing)
        behind = graph.stale(upstream, changed)
        if not behind:
            print(f"nothing would run: all {len(upstream)} stages are done; `dvc repro ingest` looks for new files")
            return
        print(f"{len(behind)} of {len(upstream)} stages would run\n")
    estimated = estimate(paths, params, behind)
    print(estimated.table())
    estimated.check()


def estimate(paths: Paths, params: Any, behind: Collection[str] | None = None) -> Estimate:
    """Estimate a run from a sample of its clips.

    Parameters
    ----------
    paths : Paths
    params : SimpleNamespace
        Sections `SECTIONS`.
    behind : collection of str, optional
        Names of dvc.yaml's stages that would run; default: all.

    Returns
    -------
    Estimate
    """
    root = datasets.dataset_root(paths, params.dataset)
    tracks = _tracks(paths, params, root)
    heard = tracks["path"].dropna().tolist()
    cost = sample(root, _spread(heard, SAMPLE), kinds(params.features)) if heard else SILENT
    known = tracks["duration"].dropna() if "duration" in tracks else pd.Series(dtype=float)
    mean = float(known.mean()) if len(known) else cost.seconds / max(cost.n_clips, 1)
    seconds = mean * len(heard)
    cores = params.compute.workers or compute.cores()
    spent = {
        "ingest": cost.measure * seconds / cores,
        "featurize": (cost.decode + sum(cost.compute.values())) * seconds / cores,
    }
    stages = {stage: s for stage, s in spent.items() if behind is None or stage in behind}
    training, untold = _training(tracks, params, cost, behind)
    cache = {kind: cost.bytes(kind) * seconds for kind in cost.bins if "featurize" in stages}
    free = shutil.disk_usage(paths.root).free + _size_of(paths.features) * COPIES
    return Estimate(len(tracks), seconds, stages | training, cache, free, untold)


def _training(
    tracks: pd.DataFrame, params: Any, cost: Cost, behind: Collection[str] | None
) -> tuple[dict[str, float], dict[str, str]]:
    """Time what networks would search and learn, and say why others are not timed."""
    from ostinato.training.budget import compute_shares

    n_classes = {"genre": tracks["genre"].nunique(), "tags": tracks["tags"].explode().nunique()}
    n_classes["artist_embedding"] = params.artists.dimension * hasattr(datasets.load(params.dataset)[0], "artists")
    stages, untold, shares = dict[str, float](), dict[str, str](), compute_shares(params)
    for name, candidate in params.candidates.items():
        read = network_kinds(candidate.feature, params.features.kinds)
        candidate = candidate.model_copy(update={"feature": JOIN.join(read)})
        wanted = [stage for stage in ("tune", "train") if behind is None or f"{stage}@{name}" in behind]
        if wanted and (reason := untimed(candidate, cost, n_classes)):
            untold[name] = reason
        elif wanted:
            step = step_seconds(candidate, cost, n_classes[candidate.task], params.train, params.compute.threads)
            n_steps = -(-len(tracks) * params.train.count_chunks(len(tracks)) // params.train.batch_size)
            n_epochs = dict(zip(("tune", "train"), epochs(candidate, shares[name], params), strict=True))
            extra = {"tune": 60 * shares[name].get("minutes", 0)}
            stages |= {f"{s} {name}": n_epochs[s] * n_steps * step + extra.get(s, 0) for s in wanted}
    return stages, untold


def untimed(candidate: Any, cost: Cost, n_classes: Mapping[str, int]) -> str | None:
    """Say why a candidate has no place in the plan, if it has none.

    Parameters
    ----------
    candidate : params.Candidate
    cost : Cost
    n_classes : mapping of str to int
        By task.

    Returns
    -------
    str or None
    """
    if not n_classes[candidate.task]:
        return f"the dataset has no {candidate.task}"
    others = [kind for kind in parts(candidate.feature) if kind not in cost.bins]
    if not others:
        return None
    return f"{others[0]} is not made of audio" if cost.n_clips else "the dataset has no audio"


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
        _, spent = _timed(inventory.measure, root, name)
        try:
            (y, rate), decoded = _timed(audio.load, root / name)
        except DataError:
            continue
        n_clips, seconds = n_clips + 1, seconds + len(y) / rate
        measuring, decoding = measuring + spent, decoding + decoded
        context = AudioContext(y, rate)
        for kind, function in wanted.items():
            frames, spent = _timed(function, context)
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


def epochs(candidate: Any, share: Mapping[str, float], params: Any) -> tuple[int, int]:
    """Count the epochs of a candidate's study and of its training, all folds and the last fit included.

    Parameters
    ----------
    candidate : params.Candidate
    share : mapping
        Of `tune.budget`, or its own number of trials; see `training.budget.compute_shares`.
    params : SimpleNamespace

    Returns
    -------
    tuning, training : int
        What a study chose is compared with the defaults on as many parts as `tune.folds`.
    """
    n_epochs = candidate.train.get("max_epochs", params.train.max_epochs)
    n_fits = params.split.folds + 1 if params.split.folds else 1
    if params.split.folds > 1 or not any(share.values()):
        return 0, n_fits * n_epochs
    whole = min(params.tune.max_epochs or n_epochs, n_epochs)
    trials = ceil(share.get("trials", share.get("trainings", 0)) * whole)
    return trials + 2 * (params.tune.folds - 1) * n_epochs, n_fits * n_epochs


def step_seconds(candidate: Any, cost: Cost, n_classes: int, train: Any, threads: int) -> float:
    """Time one step of training.

    Parameters
    ----------
    candidate : params.Candidate
    cost : Cost
        Knows the bins and frames of its features.
    n_classes : int
    train : params.Train
    threads : int

    Returns
    -------
    float
        In seconds, forward and backward; with the feature of the batch, where training computes it.
    """
    import torch

    torch.set_num_threads(threads)
    frames = candidate.chunk_frames or train.chunk_frames
    architecture = registry.load("ostinato.architectures", candidate.architecture)
    kinds = parts(candidate.feature)
    shapes = {k: (1, cost.bins[k], max(1, round(frames * cost.rows[k] / cost.rows[kinds[0]]))) for k in kinds}
    network = architecture.Network(shapes, n_classes, **candidate.network)
    n_tracks = candidate.train.get("batch_size", train.batch_size)
    batches = [torch.zeros(n_tracks, *shape) for shape in shapes.values()]

    def step() -> None:
        network(*batches).square().mean().backward()

    step()
    spent = _timed(step)[1]
    if candidate.train.get("front_end", train.front_end) == "waveform":
        spent += n_tracks * frames / cost.rows[kinds[0]] * cost.compute[kinds[0]]
    return spent


def _tracks(paths: Paths, params: Any, root: Path) -> pd.DataFrame:
    """Take the tracks table, else what the dataset lists."""
    if paths.tracks.exists():
        return tables.read(paths.tracks)
    plugin, options = datasets.load(params.dataset)
    listing = plugin.tracks(root, options, seed=params.seed, workers=params.compute.workers or compute.cores())
    return inventory.chosen(inventory.complete(listing, params.dataset.rename), params.dataset.classes)


def _spread(items: list[str], n: int) -> list[str]:
    """Pick some items evenly."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, n).astype(int))]


def _timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    return function(*arguments), time.perf_counter() - start


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
