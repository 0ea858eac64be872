"""Networks and estimators as ONNX files: conversion, comparison with the original, and cost.

A file holds one graph with its weights inside. Inputs are standardised already;
outputs are ``logits`` and ``embedding``. What the file is for stands in its
metadata as JSON under the key ``ostinato``. The same network gives the same bytes,
and nothing of the machine that wrote them.
"""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.scores import EPSILON, Kind
from ostinato.stack import Stack

Shape: TypeAlias = tuple[int, int, int]
Arrays: TypeAlias = Mapping[str, np.ndarray]
KEY = "ostinato"
OUTPUTS = ("logits", "embedding")
BATCHES = (2, 5)
LONGER = 10
SHORTEST = 7
LONGEST = 2**20


@dataclass(frozen=True)
class Reading:
    """How a network reads one of its inputs.

    Parameters
    ----------
    shape : tuple of int
        Channels, bins and frames of a chunk.
    free : bool
        Whether other numbers of frames are taken.
    min_frames : int
    """

    shape: Shape
    free: bool
    min_frames: int

    @property
    def lengths(self) -> tuple[int, int]:
        """Two numbers of frames to try, the first short and odd; equal if the length is fixed."""
        short = max(self.min_frames, SHORTEST)
        short += 1 - short % 2
        return (short, short + LONGER + 1) if self.free else (self.shape[2], self.shape[2])


class _Both(nn.Module):
    """A network that gives logits and embedding at once."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.head: Any = network.network.head if isinstance(network, Stack) else network.head

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.network.embed(*inputs)  # type: ignore[operator]
        return self.head(embedding), embedding


def readings(network: nn.Module, inputs: Mapping[str, Shape]) -> dict[str, Reading]:
    """Say how a network reads its inputs.

    Parameters
    ----------
    network : nn.Module
    inputs : mapping of str to (channels, bins, frames)
        Of a `Stack` by member.

    Returns
    -------
    dict of str to Reading
    """
    readers: dict[str, Any] = dict.fromkeys(inputs, network)
    if isinstance(network, Stack):
        readers = dict(network.members.items())
    return {
        name: Reading(shape, readers[name].length == "free", readers[name].min_frames) for name, shape in inputs.items()
    }


def convert(network: nn.Module, inputs: Mapping[str, Shape], *, opset: int) -> onnx.ModelProto:
    """Convert a network to ONNX; numbers of chunks stay free, and of frames where the network takes any.

    Parameters
    ----------
    network : nn.Module
        With ``embed``, ``head``, ``length`` and ``min_frames``, or a `Stack`, whose
        inputs are each member's chunks of one track.
    inputs : mapping of str to (channels, bins, frames)
        In the order the network takes them.
    opset : int

    Returns
    -------
    onnx.ModelProto
    """
    read = readings(network, inputs)
    batches = {name: f"{name}_chunks" if isinstance(network, Stack) else "batch" for name in inputs}
    axes = {name: torch.export.Dim(axis, min=1) for name, axis in batches.items()}
    if not isinstance(network, Stack):
        axes = dict.fromkeys(inputs, next(iter(axes.values())))
    shapes: list[dict[int, Any]] = []
    for name, reading in read.items():
        frames = torch.export.Dim(f"{name}_frames", min=reading.min_frames, max=LONGEST)
        shapes.append({0: axes[name], 3: frames} if reading.free else {0: axes[name]})
    examples = tuple(torch.from_numpy(x) for x in sample(read, BATCHES[0] + 1, 0).values())
    with _quiet():
        program = torch.onnx.export(
            _Both(network).eval(),
            examples,
            dynamo=True,
            dynamic_shapes=(tuple(shapes),),
            input_names=list(inputs),
            output_names=list(OUTPUTS),
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise OstinatoError("the exporter of torch gave nothing; report this with the version of torch")
    model = program.model_proto
    _strip(model)
    return model


def convert_estimator(content: bytes, kind: Kind, name: str) -> onnx.ModelProto:
    """Make a fitted estimator's graph give logits and embedding as networks do.

    Parameters
    ----------
    content : bytes
        A graph of one input, (batch, width), that gives ``scores``.
    kind : {"single", "multi"}
        Whether scores become logarithms, or logarithms of odds.
    name : str
        Of the input.

    Returns
    -------
    onnx.ModelProto
        Its ``embedding`` is its input.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    (given,) = graph.input
    (scores,) = graph.output
    width, n_classes = (v.type.tensor_type.shape.dim[1].dim_value for v in (given, scores))
    limits = {"least": EPSILON, "most": 1 - EPSILON, "one": 1.0}
    graph.initializer.extend(numpy_helper.from_array(np.array(v, np.float32), k) for k, v in limits.items())
    nodes = [
        helper.make_node("Identity", [name], [given.name]),
        helper.make_node("Identity", [name], ["embedding"]),
        helper.make_node("Clip", [scores.name, "least", "most"], ["clipped"]),
    ]
    if kind == "single":
        nodes.append(helper.make_node("Log", ["clipped"], ["logits"]))
    else:
        nodes.append(helper.make_node("Sub", ["one", scores.name], ["rest"]))
        nodes.append(helper.make_node("Clip", ["rest", "least", "most"], ["clipped_rest"]))
        nodes.append(helper.make_node("Div", ["clipped", "clipped_rest"], ["odds"]))
        nodes.append(helper.make_node("Log", ["odds"], ["logits"]))
    body = [nodes[0], *graph.node, *nodes[1:]]
    values = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", w])
        for n, w in zip((name, *OUTPUTS), (width, n_classes, width), strict=True)
    ]
    joined = helper.make_graph(body, "estimator", values[:1], values[1:], list(graph.initializer))
    opsets = sorted(model.opset_import, key=lambda o: o.domain)
    whole = helper.make_model(joined, opset_imports=opsets, producer_name=KEY, ir_version=model.ir_version)
    onnx.checker.check_model(whole, full_check=True)
    return whole


def annotate(model: onnx.ModelProto, metadata: Mapping[str, Any]) -> bytes:
    """Write what a file is for into it and give its bytes.

    Parameters
    ----------
    model : onnx.ModelProto
    metadata : mapping
        Becomes JSON under the key ``ostinato``.

    Returns
    -------
    bytes
    """
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=False, allow_nan=False)
    helper.set_model_props(model, {KEY: text})
    return model.SerializeToString(deterministic=True)


def sample(read: Mapping[str, Reading], batch: int, which: int) -> dict[str, np.ndarray]:
    """Draw inputs, as if standardised.

    Parameters
    ----------
    read : mapping of str to Reading
    batch : int
        Chunks of each input.
    which : {0, 1}
        Which of a reading's two lengths.

    Returns
    -------
    dict of str to np.ndarray [shape=(batch, channels, bins, frames), dtype=float32]
    """
    rng = np.random.default_rng((batch, which))
    return {
        name: rng.standard_normal((batch, *r.shape[:2], r.lengths[which]), dtype=np.float32) for name, r in read.items()
    }


def run(content: bytes, inputs: Arrays) -> list[np.ndarray]:
    """Run an ONNX file on the CPU.

    Parameters
    ----------
    content : bytes
    inputs : mapping of str to np.ndarray

    Returns
    -------
    list of np.ndarray
        ``logits`` and ``embedding``.
    """
    return session(content).run(list(OUTPUTS), dict(inputs))


def session(content: bytes) -> onnxruntime.InferenceSession:
    """Open an ONNX file with one thread on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def parity(content: bytes, network: nn.Module, inputs: Mapping[str, Shape]) -> float:
    """Compare an ONNX file with the network, at two batches and, where they are free, two lengths.

    Parameters
    ----------
    content : bytes
    network : nn.Module
    inputs : mapping of str to (channels, bins, frames)

    Returns
    -------
    float
        The largest difference of a logit or a number of the embedding, as a share
        of the largest such number where that is over 1; infinite if one is NaN.
    """
    read, both = readings(network, inputs), _Both(network).eval()

    def original(arrays: Arrays) -> list[np.ndarray]:
        with torch.inference_mode():
            return [y.numpy() for y in both(*(torch.from_numpy(x) for x in arrays.values()))]

    trials = [sample(read, batch, which) for batch in (1, *BATCHES) for which in (0, 1)]
    return _largest_difference(content, original, trials)


def parity_estimator(content: bytes, estimator: bytes, name: str, logits: Callable[[np.ndarray], np.ndarray]) -> float:
    """Compare an exported estimator with the one that was fitted, at two batches.

    Parameters
    ----------
    content : bytes
    estimator : bytes
        The graph that gives ``scores``.
    name : str
        Of the input.
    logits : callable
        Of scores, as `Task.logits`.

    Returns
    -------
    float
        As `parity`.
    """
    fitted = session(estimator)
    given = fitted.get_inputs()[0]

    def original(arrays: Arrays) -> list[np.ndarray]:
        x = arrays[name]
        return [logits(fitted.run(["scores"], {given.name: x})[0].astype(np.float64)), x]

    rng = np.random.default_rng(0)
    trials = [{name: rng.standard_normal((batch, given.shape[1]), dtype=np.float32)} for batch in BATCHES]
    return _largest_difference(content, original, trials)


def multiply_adds(model: onnx.ModelProto, inputs: Mapping[str, Shape]) -> int:
    """Count the multiplications of one chunk of each input.

    Parameters
    ----------
    model : onnx.ModelProto
    inputs : mapping of str to (channels, bins, frames)

    Returns
    -------
    int
        Of convolutions, matrix products and recurrent layers; what is done once a
        number, such as normalisation, is left out.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        sizes = (1, *inputs[value.name])
        for axis, size in zip(value.type.tensor_type.shape.dim, sizes, strict=True):
            axis.dim_value = size
    del fixed.graph.value_info[:]
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {t.name: tuple(t.dims) for t in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return sum(_multiplications(node, shapes) for node in graph.node)


def _multiplications(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Count the multiplications of one node."""
    if node.op_type == "Conv":
        return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type == "MatMul":
        return prod(shapes[node.input[0]]) * shapes[node.input[1]][-1]
    if node.op_type == "Gemm":
        return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]]) // shapes[node.output[0]][-1]
    if node.op_type in ("GRU", "LSTM", "RNN"):
        steps, batch, _ = shapes[node.input[0]]
        return steps * batch * (prod(shapes[node.input[1]]) + prod(shapes[node.input[2]]))
    return 0


def _largest_difference(
    content: bytes, original: Callable[[Arrays], list[np.ndarray]], trials: list[dict[str, np.ndarray]]
) -> float:
    opened = session(content)
    differences = []
    for arrays in trials:
        for mine, theirs in zip(opened.run(list(OUTPUTS), arrays), original(arrays), strict=True):
            if mine.shape != theirs.shape:
                raise OstinatoError(
                    f"the file gives {mine.shape} where the original gives {theirs.shape}; export again"
                )
            differences.append(np.abs(mine - theirs).max() / max(1.0, np.abs(theirs).max()))
    return float(np.nan_to_num(np.max(differences), nan=np.inf))


def _strip(model: onnx.ModelProto) -> None:
    """Take out of a graph what tells of the machine, the code's place and the exporter's version."""
    model.doc_string, model.producer_name, model.producer_version = "", KEY, ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name, graph.doc_string = "network", ""
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says of itself; errors still pass."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
