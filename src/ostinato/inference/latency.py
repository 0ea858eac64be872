"""Latency of released networks on one chunk."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ostinato.inference.model import ReleasedModel

RUNS = 30


def compute_latency_ms(folder: Path) -> float:
    """Time a released network on one chunk.

    Parameters
    ----------
    folder : Path
        With model.json and network.onnx.

    Returns
    -------
    float
        Median in milliseconds, on one thread, after warming up.
    """
    model = ReleasedModel(folder, threads=1)
    taken = _time([model], [model.example()])
    return float(1000 * np.median(taken[len(taken) // 5 :]))


def compute_latency_ratio(new: Path, old: Path) -> float:
    """Time two released networks on one chunk each, in turn.

    Parameters
    ----------
    new, old : Path
        Folders with model.json and network.onnx.

    Returns
    -------
    float
        Median time of the new one by that of the old one, on one thread.
    """
    models = [ReleasedModel(folder, threads=1) for folder in (new, old)]
    return _ratio(_time(models, [m.example() for m in models]))


def _time(models: Iterable[ReleasedModel], feeds: Iterable[Mapping[str, np.ndarray]]) -> np.ndarray:
    pairs = list(zip(models, feeds, strict=True))
    taken = np.zeros((RUNS, len(pairs)))
    for run in range(RUNS):
        for which, (model, feed) in enumerate(pairs):
            begin = time.perf_counter()
            model._run(feed)
            taken[run, which] = time.perf_counter() - begin
    return taken


def _ratio(seconds: np.ndarray) -> float:
    """Divide the medians, the first runs left out since they warm caches."""
    new, old = np.median(seconds[len(seconds) // 5 :], axis=0)
    return float(new / old)
