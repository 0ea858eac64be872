"""tagger.onnx: from a waveform of any length to a track's scores, as one graph.

It reimplements `ostinato.features` and `ostinato.core.chunks` before the network, and
`ostinato.core.scores` after it; the network's nodes are those of network.onnx.
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
from ostinato.core.chunks import EPSILON as MIN_STD
from ostinato.core.scores import EPSILON, Kind
from ostinato.export._build import DOUBLE, FLOAT, HALF, INT64, Builder
from ostinato.export.graphs import KEY, opset, session, set_versions
from ostinato.inference.model import ReleasedModel

TWINS = "ostinato.export.twins"
OPSET = 18
WAVEFORM = "waveform"
OUTPUTS = ("scores", "embedding")
SECONDS = (0.02, 1.3, 5.0, 11.7)


def obstacle(metadata: Mapping[str, Any], version: int) -> str | None:
    """Return why a network cannot be exported as a tagger, or None.

    Parameters
    ----------
    metadata : mapping
        model.json.
    version : int
        Opset of its file.
    """
    if metadata["kind"] == "embedding":
        return "it has no scores; `ostinato recommend` uses the network itself"
    unsupported = sorted({i["feature"] for i in metadata["inputs"].values()} - set(registry.names(TWINS)))
    if unsupported:
        return f"there is no graph of {', '.join(unsupported)}; add one to ostinato/export/twins"
    if len(rates := _rates(metadata)) != 1:
        return f"its inputs are at {', '.join(map(str, sorted(rates)))} Hz, a waveform has one rate"
    return f"needs opset {OPSET}; set export.opset" if version < OPSET else None


def describe(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the file's metadata: model.json, and the format of the waveform."""
    (rate,) = _rates(metadata)
    return {**metadata, "waveform": {"sample_rate": rate, "channels": 1, "dtype": "float32"}}


def convert(network: onnx.ModelProto, metadata: Mapping[str, Any]) -> onnx.ModelProto:
    """Add features before a network and a track's scores after it.

    Parameters
    ----------
    network : onnx.ModelProto
        From `ostinato.export.networks.convert` or `ostinato.export.estimators.convert`.
    metadata : mapping
        model.json, for which `obstacle` returns None.

    Returns
    -------
    onnx.ModelProto
        From ``waveform``, (samples,), to ``scores``, (n_classes,), and ``embedding``, (width,).
    """
    op = Builder()
    rows = _features(op, metadata["inputs"])
    outputs = op.include(network, _batches(op, rows, metadata))
    scores = op.cast(_scores(op, outputs["logits"], metadata), FLOAT)
    embedding = op.ReduceMean(outputs["embedding"], np.array([0]), keepdims=0)
    op.nodes += [helper.make_node("Identity", [v], [n]) for v, n in zip((scores, embedding), OUTPUTS, strict=True)]
    width = network.graph.output[1].type.tensor_type.shape.dim[1].dim_value
    sizes = {WAVEFORM: "samples", "scores": len(metadata["classes"]), "embedding": width}
    values = [helper.make_tensor_value_info(name, FLOAT, [size]) for name, size in sizes.items()]
    graph = helper.make_graph(op.nodes, "tagger", values[:1], values[1:], [*op.constants.values(), *op.weights])
    opsets = sorted(network.opset_import, key=lambda o: o.domain)
    model = set_versions(helper.make_model(graph, opset_imports=opsets, producer_name=KEY), opset(network))
    model.functions.extend(network.functions)
    onnx.checker.check_model(model, full_check=True)
    return model


def parity(content: bytes, model: ReleasedModel) -> float:
    """Compare a tagger with the scores of `ostinato predict`.

    Parameters
    ----------
    content : bytes
        tagger.onnx.
    model : ReleasedModel
        The same network with its model.json.

    Returns
    -------
    float
        The largest difference of a score on synthetic music of several lengths; infinite for NaN.
    """
    tagger, min_seconds = session(content), max(i.min_seconds for i in model.inputs.values())
    rate = json.loads(tagger.get_modelmeta().custom_metadata_map[KEY])["waveform"]["sample_rate"]
    differences = []
    for y in _music(rate, min_seconds):
        (actual,) = tagger.run(["scores"], {WAVEFORM: y})
        differences.append(np.abs(actual - model.scores(AudioContext(y, rate))).max())
    return float(np.nan_to_num(np.max(differences), nan=np.inf))


def _rates(metadata: Mapping[str, Any]) -> set[int]:
    return {i["parameters"]["sample_rate"] for i in metadata["inputs"].values()}


def _music(rate: int, min_seconds: float) -> Iterator[np.ndarray]:
    """Synthesise chords with noise, of several lengths from `min_seconds` on."""
    for number, seconds in enumerate(SECONDS):
        rng = np.random.default_rng(number)
        time = np.arange(int((min_seconds + seconds) * rate)) / rate
        chord = sum(np.sin(2 * np.pi * f * time) for f in 55 * 2 ** (rng.integers(0, 60, 4) / 12))
        yield (0.1 * chord * (1 + np.sin(5 * time)) + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def _features(op: Builder, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Add each feature once, at the precision of the cache."""
    values: dict[str, str] = {}
    rows = {}
    for name, input_ in inputs.items():
        key = json.dumps([input_["feature"], input_["parameters"]], sort_keys=True)
        if key not in values:
            complete = features.parameters(input_["feature"], input_["parameters"], input_["parameters"]["sample_rate"])
            value = registry.load(TWINS, input_["feature"]).graph(op, WAVEFORM, **complete)
            values[key] = op.cast(op.cast(value, HALF), FLOAT)
        rows[name] = values[key]
    return rows


def _batches(op: Builder, rows: Mapping[str, str], metadata: Mapping[str, Any]) -> dict[str, str]:
    """Compute the network's inputs from a track's rows; all inputs of a chunk-level network get as many chunks."""
    inputs: Mapping[str, Any] = metadata["inputs"]
    counts = {n: _n_chunks(op, rows[n], i["chunk_frames"]) for n, i in inputs.items() if not i["summary"]}
    if metadata["level"] == "chunk" and len(counts) > 1:
        counts = dict.fromkeys(counts, op.Max(*counts.values()))
    return {
        name: _summary(op, rows[name]) if input_["summary"] else _batch(op, rows[name], input_, counts[name])
        for name, input_ in inputs.items()
    }


def _n_chunks(op: Builder, rows: str, length: int) -> str:
    """Count the chunks needed to cover a track."""
    needed = op.Div(op.Add(op.length(rows), np.int64(length - 1)), np.int64(length))
    return str(op.Max(needed, np.int64(1)))


def _batch(op: Builder, rows: str, input_: Mapping[str, Any], n_chunks: str) -> str:
    """Standardise a track's rows and split them into chunks."""
    if input_["normalise"] == "train":
        mean, std = (np.asarray(input_[k], np.float32) for k in ("mean", "std"))
        rows = op.Div(op.Sub(rows, mean), np.where(std < MIN_STD, np.float32(1), std))
    elif input_["normalise"] != "none":
        rows = _standardise(op, rows, {"frame": [1], "track": [0, 1]}[input_["normalise"]])
    return _chunks(op, rows, input_["chunk_frames"], n_chunks)


def _standardise(op: Builder, rows: str, axes: list[int]) -> str:
    """Scale to mean 0 and deviation 1; constants become 0."""
    residual = op.Sub(rows, op.ReduceMean(rows, np.array(axes)))
    std = op.Sqrt(op.ReduceMean(op.Mul(residual, residual), np.array(axes)))
    return str(op.Div(residual, op.Where(op.Less(std, np.float32(MIN_STD)), np.float32(1), std)))


def _chunks(op: Builder, rows: str, length: int, n_chunks: str) -> str:
    """Split a track evenly into chunks; a track that is too short is repeated."""
    n_frames = op.length(rows)
    last = op.cast(op.Max(op.Sub(n_frames, np.int64(length)), np.int64(0)), DOUBLE)
    step = op.Div(last, op.cast(op.Max(op.Sub(n_chunks, np.int64(1)), np.int64(1)), DOUBLE))
    starts = op.cast(op.Round(op.Mul(op.cast(op.count(n_chunks), DOUBLE), step)), INT64)
    frames = op.Mod(op.Add(op.Unsqueeze(starts, np.array([1])), np.arange(length)[np.newaxis]), n_frames)
    return str(op.Unsqueeze(op.Transpose(op.Gather(rows, frames), perm=[0, 2, 1]), np.array([1])))


def _summary(op: Builder, rows: str) -> str:
    """Summarise the frames like `ostinato.core.summary.summary`."""
    wide = op.cast(rows, DOUBLE)
    pairs = op.count(op.Sub(op.Max(op.length(rows), np.int64(2)), np.int64(1)))
    after = op.Min(op.Add(pairs, np.int64(1)), op.Sub(op.length(rows), np.int64(1)))
    changes = op.Sub(op.Gather(wide, after), op.Gather(wide, pairs))
    parts = []
    for x in (wide, changes):
        mean = op.ReduceMean(x, np.array([0]))
        residual = op.Sub(x, mean)
        parts += [mean, op.Sqrt(op.ReduceMean(op.Mul(residual, residual), np.array([0])))]
    return op.cast(op.Concat(*parts, axis=1), FLOAT)


def _scores(op: Builder, logits: str, metadata: Mapping[str, Any]) -> str:
    """Average the scores of chunks and calibrate the mean; see `ostinato.core.scores`."""
    kind: Kind = metadata["kind"]
    mean = op.ReduceMean(_activate(op, op.cast(logits, DOUBLE), kind), np.array([0]), keepdims=0)
    clipped = op.Min(op.Max(mean, np.float64(EPSILON)), np.float64(1 - EPSILON))
    logit = op.Log(clipped)
    if kind == "multi":
        logit = op.Sub(logit, op.Log(op.Sub(np.float64(1), clipped)))
    return _activate(op, op.Div(logit, np.float64(metadata.get("temperature", 1.0))), kind)


def _activate(op: Builder, logits: str, kind: Kind) -> str:
    return str(op.Softmax(logits, axis=-1) if kind == "single" else op.Sigmoid(logits))
