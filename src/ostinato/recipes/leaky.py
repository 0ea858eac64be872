"""A published protocol that leaks: tracks are cut first, and their pieces parted at random.

Pieces of one track then stand in training and test, so that a network is asked for
what it has seen beside. The figure says how much a published one owes to that.
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
    """Write ``leaky.json`` of a run: each candidate's figures; what was done before is kept.

    Parameters
    ----------
    inside : Paths
    protocol : Leaky
    """
    made = params.load(inside.params)
    torch.set_num_threads(made.compute.threads)
    file = inside.root / "leaky.json"
    before = read_json(file) if file.exists() else {}
    found: dict[str, Any] = {}
    for name in dict.fromkeys(f.candidate for f in protocol.figures if f.candidate):
        settings = resolve(made, name).with_overrides({"train": {"chunks_per_track": 1}})
        kind = str(settings.feature)
        read = [inside.feature(kind) / name for name in ("index.parquet", "meta.json")]
        read += [inside.splits, inside.tracks, inside.classes]
        asked = protocol.model_dump(exclude={"figures"}), made.evaluate.model_dump(), made.compute.threads
        key = fingerprint(settings, *read, *asked)
        kept = before.get(name, {})
        found[name] = (
            kept if kept.get("key") == key else {"key": key, "test": _evaluate(inside, made, settings, protocol)}
        )
        write_json(file, before | found)


def split_randomly(n: int, protocol: Leaky, seed: int) -> dict[str, np.ndarray]:
    """Part pieces at random, whosesoever they are.

    Parameters
    ----------
    n : int
        How many there are.
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


def _evaluate(inside: Paths, made: Params, settings: Settings, protocol: Leaky) -> dict[str, Any]:
    """Fit one network on some pieces and judge it on others, its interval over tracks."""
    tracks, source = _cut_pieces(inside, settings, protocol)
    split = split_randomly(len(tracks.track_ids), protocol, made.seed)
    fitted = fit_network(settings, tracks, source, split["train"], split["validation"], label=LABEL)
    network = build(settings, fitted.source.inputs, len(tracks.task.classes))
    network.load_state_dict(dict(fitted.weights))
    logits, _ = run_network(network, fitted.source, split["test"], tracks.task)
    rows = ScoredTracks(
        track_id=tracks.track_ids[split["test"]],
        scores=tracks.task.scores(logits.astype(np.float64)),
        target=tracks.target[split["test"]],
        group=tracks.groups[split["test"]],
        content=tracks.track_ids[split["test"]],
        fold=np.full(len(logits), FOLD),
    )
    return classification.with_intervals(rows, tracks.task.kind, made.evaluate.threshold, made.evaluate.confidence)


def _cut_pieces(inside: Paths, settings: Settings, protocol: Leaky) -> tuple[LabelledTracks, Features]:
    """Make every piece a track of its own, in the group of the track it was cut from."""
    kind, frames = str(settings.feature), settings.train.chunk_frames
    store = Store(inside.feature(kind))
    task = Task(settings.task, tuple(read_json(inside.classes)[settings.task]))
    splits = read_parquet(inside.splits)
    splits = splits[(splits["fold"] == splits["fold"].min()) & splits["track_id"].map(lambda i: i in store)]
    whole = join_labels(task, read_parquet(inside.tracks), splits)
    opened = Features.of(kind, store, list(whole.track_ids), frames, settings.train.normalise)
    rows = [r[s : s + frames] for r in opened.rows for s in starts(len(r), frames, protocol.pieces)]
    owner = np.repeat(np.arange(len(whole.track_ids)), protocol.pieces)
    ids = np.array([json.dumps([whole.track_ids[o], i % protocol.pieces]) for i, o in enumerate(owner)], object)
    pieces = LabelledTracks(task, ids, whole.target[owner], whole.track_ids[owner], {})
    return pieces, replace(opened, rows=rows)
