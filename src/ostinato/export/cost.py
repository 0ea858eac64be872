"""Cost of a network: the multiplications of its graph."""

from collections.abc import Collection, Mapping
from math import prod

import numpy as np
import onnx

from ostinato.export.graphs import Shape, session

COUNTED_OPERATORS = ("Conv", "MatMul", "Gemm", "GRU", "LSTM", "RNN")


def multiply_adds(model: onnx.ModelProto, inputs: Mapping[str, Shape], words: Collection[str] = ()) -> int:
    """Count the multiplications of one chunk of each input.

    Parameters
    ----------
    model : onnx.ModelProto
    inputs : mapping of str to (channels, bins, frames)
    words : collection of str
        Inputs that are word ids.

    Returns
    -------
    int
        Of convolutions, matrix products and recurrent layers; elementwise operations,
        such as normalisation, are left out.
    """
    nodes = [node for node in model.graph.node if node.op_type in COUNTED_OPERATORS]
    shapes = _shapes(model, {name for node in nodes for name in (*node.input, *node.output) if name}, inputs, words)
    return sum(_multiplications(node, shapes) for node in nodes)


def _shapes(
    model: onnx.ModelProto, names: set[str], inputs: Mapping[str, Shape], words: Collection[str]
) -> dict[str, tuple[int, ...]]:
    """Run the graph once to get the shapes of values; shape inference does not support all operators."""
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    outputs = sorted(names - shapes.keys() - {value.name for value in model.graph.input})
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    feeds = {
        name: np.zeros((1, shape[2]), np.int64) if name in words else np.zeros((1, *shape), np.float32)
        for name, shape in inputs.items()
    }
    shapes |= {name: x.shape for name, x in feeds.items()}
    values = session(probe.SerializeToString()).run(outputs, feeds) if outputs else []
    return shapes | {name: np.shape(value) for name, value in zip(outputs, values, strict=True)}


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
