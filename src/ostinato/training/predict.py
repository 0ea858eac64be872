"""Track-level logits and embeddings, of networks and of estimators."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.core.malloc import keep_freed
from ostinato.core.task import Task
from ostinato.training.data.sources import Evaluation, Source

TRACKS_PER_BATCH = 16
ROWS = 1024
"""Tracks that an estimator is shown at once; neighbours are compared with each of the training tracks."""


def run_chunks(network: nn.Module, source: Source, tracks: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Run a network over all chunks of each track, some tracks at a time.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    source : Source
    tracks : np.ndarray [shape=(n,)]
        Positions of the tracks.

    Yields
    ------
    logits : np.ndarray [shape=(n_chunks, n_classes), dtype=float64]
        Of the chunks of a track.
    embedding : np.ndarray [shape=(width,), dtype=float32]
        Their mean.
    """
    keep_freed()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.to(device).eval()
    batches, space = Evaluation(source, tracks, TRACKS_PER_BATCH), getattr(network, "space_width", None)
    for number in range(len(batches)):
        inputs, owner = batches[number]
        yield from _run_batch(network, inputs, owner, batches.batches[number], space, device)


@torch.inference_mode()
def _run_batch(
    network: Any, inputs: Sequence[Tensor], owner: Tensor, tracks: np.ndarray, space: int | None, device: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    hidden = network.embed(*(x.to(device) for x in inputs))
    logits, results = network.head(hidden), []
    for i in tracks:
        chunks = (owner == i).to(device)
        results.append((logits[chunks].double().cpu().numpy(), hidden[chunks, :space].mean(0).cpu().numpy()))
    return results


def run_network(network: nn.Module, source: Source, tracks: np.ndarray, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Compute the logits and the embedding of each track.

    Parameters
    ----------
    network, source, tracks
        As for `run_chunks`.
    task : Task

    Returns
    -------
    logits : np.ndarray [shape=(n, n_classes), dtype=float32]
        Such that a track's scores are the mean of its chunks' scores.
    embedding : np.ndarray [shape=(n, width), dtype=float32]
        Mean over chunks.
    """
    pooled = [(task.pool(chunks), embedding) for chunks, embedding in run_chunks(network, source, tracks)]
    logits = np.asarray([of_track for of_track, _ in pooled], np.float32)
    return logits, np.asarray([embedding for _, embedding in pooled], np.float32)


def run_estimator(file: Path, x: np.ndarray, task: Task, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Run an exported estimator.

    Parameters
    ----------
    file : Path
        ONNX, giving ``scores`` and ``embedding``.
    x : np.ndarray [shape=(n, width), dtype=float32]
        Summaries of tracks.
    task : Task
    threads : int

    Returns
    -------
    logits : np.ndarray [shape=(n, n_classes), dtype=float32]
    embedding : np.ndarray [shape=(n, width), dtype=float32]
        Its input, standardised.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name, outputs = session.get_inputs()[0].name, ["scores", "embedding"]
    parts = [session.run(outputs, {name: x[i : i + ROWS]}) for i in range(0, max(len(x), 1), ROWS)]
    scores, embedding = (np.concatenate(part) for part in zip(*parts, strict=True))
    return task.logits(scores).astype(np.float32), embedding
