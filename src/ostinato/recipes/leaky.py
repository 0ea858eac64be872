"""A published protocol that leaks: tracks are cut into pieces, which are split at random.

Pieces of one track are then in training and test, so that a network is tested on
neighbours of what it has seen. The result shows how much a published one owes to that.
"""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ostinato.cache.store import Store
from ostinato.core import params
from ostinato.core.chunks import starts
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.task import Task
from ostinato.evaluation import classification
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.io.files import read_json, read_parquet, write_json
from ostinato.recipes import Leaky
from ostinato.training.data.labels import LabelledTracks, join_labels
from ostinato.training.data.sources import Features
from ostinato.training.network import build, fit_network
from ostinato.training.predict import run_network
from ostinato.training.settings import Settings, derive, fingerprint, resolve

LABEL = "pieces at random (leaky)"
FOLD = 0


def run(inside: Paths, protocol: Leaky) -> None:
    """Write ``leaky.json`` of a run with each candidate's metrics; earlier results are reused.

    Parameters
    ----------
    inside : Paths
    protocol : Leaky
    """
    config = params.load(inside.params)
    torch.set_num_threads(config.compute.threads)
    file = inside.root / "leaky.json"
    before = read_json(file) if file.exists() else {}
    results: dict[str, Any] = {}
    for name in dict.fromkeys(f.candidate for f in protocol.figures if f.candidate):
        settings = resolve(config, name).with_overrides({"train": {"chunks_per_track": 1}})
        kind = str(settings.feature)
        files = [inside.feature(kind) / name for name in ("index.parquet", "meta.json")]
        files += [inside.splits, inside.tracks, inside.classes]
        options = protocol.model_dump(exclude={"figures"}), config.evaluate.model_dump(), config.compute.threads
        key = fingerprint(settings, *files, *options)
        previous = before.get(name, {})
        results[name] = (
            previous
            if previous.get("key") == key
            else {"key": key, "test": _evaluate(inside, config, settings, protocol)}
        )
        write_json(file, before | results)


def split_randomly(n: int, protocol: Leaky, seed: int) -> dict[str, np.ndarray]:
    """Split pieces at random, whatever track they are from.

    Parameters
    ----------
    n : int
        Number of pieces.
    protocol : Leaky
    seed : int

    Returns
    -------
    dict of str to np.ndarray
        Positions of the pieces of each split.
    """
    order = np.random.default_rng(derive(seed, "leaky")).permutation(n)
    n_test = round(n * protocol.test)
    n_validation = round((n - n_test) * protocol.validation)
    test, validation, train = np.split(order, [n_test, n_test + n_validation])
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def _evaluate(inside: Paths, config: Params, settings: Settings, protocol: Leaky) -> dict[str, Any]:
    """Fit a network on some pieces and evaluate it on others, with intervals over tracks."""
    tracks, source = _cut_pieces(inside, settings, protocol)
    split = split_randomly(len(tracks.track_ids), protocol, config.seed)
    model = fit_network(settings, tracks, source, split["train"], split["validation"], label=LABEL)
    network = build(settings, model.source.inputs, len(tracks.task.classes))
    network.load_state_dict(dict(model.weights))
    logits, _ = run_network(network, model.source, split["test"], tracks.task)
    rows = ScoredTracks(
        track_id=tracks.track_ids[split["test"]],
        scores=tracks.task.scores(logits.astype(np.float64)),
        target=tracks.target[split["test"]],
        group=tracks.groups[split["test"]],
        content=tracks.track_ids[split["test"]],
        fold=np.full(len(logits), FOLD),
    )
    evaluate = config.evaluate
    return classification.compute_intervals(rows, tracks.task.kind, evaluate.threshold, evaluate.confidence)


def _cut_pieces(inside: Paths, settings: Settings, protocol: Leaky) -> tuple[LabelledTracks, Features]:
    """Return every piece as its own track, in the group of the track it is from."""
    kind, frames = str(settings.feature), settings.train.chunk_frames
    store = Store(inside.feature(kind))
    task = Task(settings.task, tuple(read_json(inside.classes)[settings.task]))
    splits = read_parquet(inside.splits)
    splits = splits[(splits["fold"] == splits["fold"].min()) & splits["track_id"].map(lambda i: i in store)]
    labelled = join_labels(task, read_parquet(inside.tracks), splits)
    features = Features.of(kind, store, list(labelled.track_ids), frames, settings.train.normalise)
    rows = [r[s : s + frames] for r in features.rows for s in starts(len(r), frames, protocol.pieces)]
    owner = np.repeat(np.arange(len(labelled.track_ids)), protocol.pieces)
    ids = np.array([json.dumps([labelled.track_ids[o], i % protocol.pieces]) for i, o in enumerate(owner)], object)
    pieces = LabelledTracks(task, ids, labelled.target[owner], labelled.track_ids[owner], {})
    return pieces, replace(features, rows=rows)
