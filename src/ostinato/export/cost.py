"""What a file costs to run: multiplications, counted over its graph."""

from collections.abc import Collection, Mapping
from math import prod

import onnx

from ostinato.export.graphs import Shape


def multiply_adds(model: onnx.ModelProto, inputs: Mapping[str, Shape], words: Collection[str] = ()) -> int:
    """Count the multiplications of one chunk of each input.

    Parameters
    ----------
    model : onnx.ModelProto
    inputs : mapping of str to (channels, bins, frames)
    words : collection of str
        The inputs that are ids of words.

    Returns
    -------
    int
        Of convolutions, matrix products and recurrent layers; what is done once a
        number, such as normalisation, is left out.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        shape = inputs[value.name]
        sizes = (1, shape[2]) if value.name in words else (1, *shape)
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
