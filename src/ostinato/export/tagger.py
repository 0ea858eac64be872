"""tagger.onnx: from a waveform of any length to a track's scores, in one graph around a network's own.

What comes before the network repeats `ostinato.features` and `ostinato.core.chunks`,
what comes after it `ostinato.core.scores`; the network's nodes are those of network.onnx.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.core.chunks import EPSILON as LEAST_SPREAD
from ostinato.core.scores import EPSILON, Kind
from ostinato.export._build import DOUBLE, FLOAT, HALF, WHOLE, Builder
from ostinato.export.graphs import KEY, opset, session, set_versions
from ostinato.inference.model import ReleasedModel

TWINS = "ostinato.export.twins"
OPSET = 18
WAVEFORM = "waveform"
OUTPUTS = ("scores", "embedding")
SECONDS = (0.02, 1.3, 5.0, 11.7)


def obstacle(about: Mapping[str, Any], version: int) -> str | None:
    """Return why a network cannot become a tagger, if it cannot.

    Parameters
    ----------
    about : mapping
        Its model.json.
    version : int
        The opset of its file.
    """
    if about["kind"] == "embedding":
        return "a direction is no score; `ostinato recommend` uses the network itself"
    strange = sorted({i["feature"] for i in about["inputs"].values()} - set(registry.names(TWINS)))
    if strange:
        return f"no graph of {', '.join(strange)}: add it to ostinato/export/twins"
    if len(rates := _rates(about)) != 1:
        return f"its inputs are at {', '.join(map(str, sorted(rates)))} Hz, a waveform is at one rate"
    return f"needs opset {OPSET}; set export.opset" if version < OPSET else None


def describe(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the file's metadata hold: model.json, and what the waveform is."""
    (rate,) = _rates(about)
    return {**about, "waveform": {"sample_rate": rate, "channels": 1, "dtype": "float32"}}


def convert(network: onnx.ModelProto, about: Mapping[str, Any]) -> onnx.ModelProto:
    """Put a network between its features and its track's scores.

    Parameters
    ----------
    network : onnx.ModelProto
        As `ostinato.export.networks.convert` or `ostinato.export.estimators.convert` made it.
    about : mapping
        Its model.json; `obstacle` must say nothing against it.

    Returns
    -------
    onnx.ModelProto
        ``waveform``, (samples,), to ``scores``, (n_classes,), and ``embedding``, (width,).
    """
    op = Builder()
    rows = _features(op, about["inputs"])
    outputs = op.include(network, _batches(op, rows, about))
    scores = op.cast(_scores(op, outputs["logits"], about), FLOAT)
    embedding = op.ReduceMean(outputs["embedding"], np.array([0]), keepdims=0)
    op.nodes += [helper.make_node("Identity", [v], [n]) for v, n in zip((scores, embedding), OUTPUTS, strict=True)]
    width = network.graph.output[1].type.tensor_type.shape.dim[1].dim_value
    sizes = {WAVEFORM: "samples", "scores": len(about["classes"]), "embedding": width}
    values = [helper.make_tensor_value_info(name, FLOAT, [size]) for name, size in sizes.items()]
    graph = helper.make_graph(op.nodes, "tagger", values[:1], values[1:], [*op.constants.values(), *op.weights])
    opsets = sorted(network.opset_import, key=lambda o: o.domain)
    made = set_versions(helper.make_model(graph, opset_imports=opsets, producer_name=KEY), opset(network))
    made.functions.extend(network.functions)
    onnx.checker.check_model(made, full_check=True)
    return made


def parity(content: bytes, released: ReleasedModel) -> float:
    """Compare a tagger with the way from file to scores that `ostinato predict` goes.

    Parameters
    ----------
    content : bytes
        tagger.onnx.
    released : ReleasedModel
        The same network with its model.json.

    Returns
    -------
    float
        The largest difference of a score on made-up music of several lengths; infinite for NaN.
    """
    opened, least = session(content), max(i.min_seconds for i in released.inputs.values())
    rate = json.loads(opened.get_modelmeta().custom_metadata_map[KEY])["waveform"]["sample_rate"]
    differences = []
    for y in _music(rate, least):
        (mine,) = opened.run(["scores"], {WAVEFORM: y})
        differences.append(np.abs(mine - released.scores(AudioContext(y, rate))).max())
    return float(np.nan_to_num(np.max(differences), nan=np.inf))


def _rates(about: Mapping[str, Any]) -> set[int]:
    return {i["parameters"]["sample_rate"] for i in about["inputs"].values()}


def _music(rate: int, least: float) -> Iterator[np.ndarray]:
    """Make chords and noise of several lengths, in seconds, `least` or more."""
    for number, seconds in enumerate(SECONDS):
        rng = np.random.default_rng(number)
        time = np.arange(int((least + seconds) * rate)) / rate
        chord = sum(np.sin(2 * np.pi * f * time) for f in 55 * 2 ** (rng.integers(0, 60, 4) / 12))
        yield (0.1 * chord * (1 + np.sin(5 * time)) + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def _features(op: Builder, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Add each kind of feature once, at the precision of the cache."""
    known: dict[str, str] = {}
    rows = {}
    for name, given in inputs.items():
        key = json.dumps([given["feature"], given["parameters"]], sort_keys=True)
        if key not in known:
            complete = features.parameters(given["feature"], given["parameters"], given["parameters"]["sample_rate"])
            computed = registry.load(TWINS, given["feature"]).graph(op, WAVEFORM, **complete)
            known[key] = op.cast(op.cast(computed, HALF), FLOAT)
        rows[name] = known[key]
    return rows


def _batches(op: Builder, rows: Mapping[str, str], about: Mapping[str, Any]) -> dict[str, str]:
    """Make the network's inputs of a track's rows; those of one chunk-level network are cut into as many chunks."""
    inputs: Mapping[str, Any] = about["inputs"]
    counts = {n: _n_chunks(op, rows[n], i["chunk_frames"]) for n, i in inputs.items() if not i["summary"]}
    if about["level"] == "chunk" and len(counts) > 1:
        counts = dict.fromkeys(counts, op.Max(*counts.values()))
    return {
        name: _summary(op, rows[name]) if given["summary"] else _batch(op, rows[name], given, counts[name])
        for name, given in inputs.items()
    }


def _n_chunks(op: Builder, rows: str, length: int) -> str:
    """Count the fewest chunks that cover a track."""
    covering = op.Div(op.Add(op.length(rows), np.int64(length - 1)), np.int64(length))
    return str(op.Max(covering, np.int64(1)))


def _batch(op: Builder, rows: str, given: Mapping[str, Any], n_chunks: str) -> str:
    """Standardise a track's rows and cut them into chunks."""
    if given["normalise"] == "train":
        mean, std = (np.asarray(given[k], np.float32) for k in ("mean", "std"))
        rows = op.Div(op.Sub(rows, mean), np.where(std < LEAST_SPREAD, np.float32(1), std))
    elif given["normalise"] != "none":
        rows = _standardise(op, rows, {"frame": [1], "track": [0, 1]}[given["normalise"]])
    return _chunks(op, rows, given["chunk_frames"], n_chunks)


def _standardise(op: Builder, rows: str, axes: list[int]) -> str:
    """Scale to mean 0 and deviation 1; what does not vary becomes 0."""
    centred = op.Sub(rows, op.ReduceMean(rows, np.array(axes)))
    spread = op.Sqrt(op.ReduceMean(op.Mul(centred, centred), np.array(axes)))
    return str(op.Div(centred, op.Where(op.Less(spread, np.float32(LEAST_SPREAD)), np.float32(1), spread)))


def _chunks(op: Builder, rows: str, length: int, n_chunks: str) -> str:
    """Cut a track evenly into so many chunks; one too short is repeated from its beginning."""
    n_frames = op.length(rows)
    last = op.cast(op.Max(op.Sub(n_frames, np.int64(length)), np.int64(0)), DOUBLE)
    step = op.Div(last, op.cast(op.Max(op.Sub(n_chunks, np.int64(1)), np.int64(1)), DOUBLE))
    starts = op.cast(op.Round(op.Mul(op.cast(op.count(n_chunks), DOUBLE), step)), WHOLE)
    places = op.Mod(op.Add(op.Unsqueeze(starts, np.array([1])), np.arange(length)[np.newaxis]), n_frames)
    return str(op.Unsqueeze(op.Transpose(op.Gather(rows, places), perm=[0, 2, 1]), np.array([1])))


def _summary(op: Builder, rows: str) -> str:
    """Sum up the frames as `ostinato.core.summary.summary`."""
    wide = op.cast(rows, DOUBLE)
    pairs = op.count(op.Sub(op.Max(op.length(rows), np.int64(2)), np.int64(1)))
    after = op.Min(op.Add(pairs, np.int64(1)), op.Sub(op.length(rows), np.int64(1)))
    changes = op.Sub(op.Gather(wide, after), op.Gather(wide, pairs))
    parts = []
    for x in (wide, changes):
        mean = op.ReduceMean(x, np.array([0]))
        centred = op.Sub(x, mean)
        parts += [mean, op.Sqrt(op.ReduceMean(op.Mul(centred, centred), np.array([0])))]
    return op.cast(op.Concat(*parts, axis=1), FLOAT)


def _scores(op: Builder, logits: str, about: Mapping[str, Any]) -> str:
    """Pool chunks to the mean of their scores and calibrate that; see `ostinato.core.scores`."""
    kind: Kind = about["kind"]
    mean = op.ReduceMean(_activate(op, op.cast(logits, DOUBLE), kind), np.array([0]), keepdims=0)
    sure = op.Min(op.Max(mean, np.float64(EPSILON)), np.float64(1 - EPSILON))
    pooled = op.Log(sure)
    if kind == "multi":
        pooled = op.Sub(pooled, op.Log(op.Sub(np.float64(1), sure)))
    return _activate(op, op.Div(pooled, np.float64(about.get("temperature", 1.0))), kind)


def _activate(op: Builder, logits: str, kind: Kind) -> str:
    return str(op.Softmax(logits, axis=-1) if kind == "single" else op.Sigmoid(logits))
