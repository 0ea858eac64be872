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
        Folder with model.json and network.onnx.

    Returns
    -------
    float
        Median in milliseconds, on one thread, after warm-up.
    """
    model = ReleasedModel(folder, threads=1)
    seconds = _time([model], [model.example()])
    return float(1000 * np.median(seconds[len(seconds) // 5 :]))


def compute_latency_ratio(new: Path, old: Path) -> float:
    """Time two released networks in alternation, on one chunk each.

    Parameters
    ----------
    new, old : Path
        Folders with model.json and network.onnx.

    Returns
    -------
    float
        Median time of the new one divided by that of the old one, on one thread.
    """
    models = [ReleasedModel(folder, threads=1) for folder in (new, old)]
    return _ratio(_time(models, [m.example() for m in models]))


def _time(models: Iterable[ReleasedModel], feeds: Iterable[Mapping[str, np.ndarray]]) -> np.ndarray:
    pairs = list(zip(models, feeds, strict=True))
    seconds = np.zeros((RUNS, len(pairs)))
    for run in range(RUNS):
        for i, (model, feed) in enumerate(pairs):
            start = time.perf_counter()
            model._run(feed)
            seconds[run, i] = time.perf_counter() - start
    return seconds


def _ratio(seconds: np.ndarray) -> float:
    """Divide the medians, without the first runs, which warm up caches."""
    new, old = np.median(seconds[len(seconds) // 5 :], axis=0)
    return float(new / old)
