"""A fitted regression as an ONNX file: from the vector of a track to its number."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ostinato.errors import OstinatoError
from ostinato.export.graphs import annotate, session, set_versions
from ostinato.regression.network import FittedNetwork

INPUT, OUTPUT = "features", "number"
OPSET = {"": 18, "ai.onnx.ml": 3}
MAX_DIFFERENCE = 1e-4
"""Tolerance between the file and the original, in standard deviations of the number."""


def convert(fitted: Any, x: np.ndarray, deviation: float, metadata: Mapping[str, Any]) -> bytes:
    """Convert a fitted regression to ONNX, and compare both on some tracks.

    Parameters
    ----------
    fitted : Pipeline, GradientBoostingRegressor or FittedNetwork
    x : np.ndarray [shape=(n_tracks, width), dtype=float32]
        Inputs of the tracks to compare.
    deviation : float
        Standard deviation of the number.
    metadata : mapping
        Stored as JSON under the key ``ostinato``.

    Returns
    -------
    bytes
        A graph with input ``features``, (batch, width), and output ``number``, (batch, 1), both float32. The same
        regression gives the same bytes.

    Raises
    ------
    OstinatoError
        If the file differs from the original by more than `MAX_DIFFERENCE`.
    """
    model = _convert_network(fitted) if isinstance(fitted, FittedNetwork) else _convert_estimator(fitted, x.shape[1])
    content = annotate(set_versions(model, OPSET[""]), metadata)
    (numbers,) = session(content).run([OUTPUT], {INPUT: x.astype(np.float32)})
    difference = float(np.abs(numbers[:, 0] - fitted.predict(x)).max()) / deviation
    if not difference <= MAX_DIFFERENCE:
        raise OstinatoError(f"the ONNX file differs from the regression by {difference:.2g} standard deviations")
    return content


def _convert_estimator(fitted: Any, width: int) -> onnx.ModelProto:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    model = to_onnx(fitted, initial_types=[(INPUT, FloatTensorType([None, width]))], target_opset=OPSET, naming="")
    graph = model.graph
    graph.node.append(helper.make_node("Identity", [graph.output[0].name], [OUTPUT]))
    return _finish(list(graph.node), list(graph.initializer), width)


def _convert_network(fitted: FittedNetwork) -> onnx.ModelProto:
    weights = {name: values.numpy() for name, values in fitted.layers.state_dict().items()}
    tensors = {
        "mean": fitted.mean,
        "deviation": fitted.deviation,
        "weight_0": weights["0.weight"],
        "bias_0": weights["0.bias"],
        "weight_1": weights["3.weight"] * fitted.scale,
        "bias_1": weights["3.bias"] * fitted.scale + fitted.centre,
    }
    nodes = [
        helper.make_node("Sub", [INPUT, "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["standardised"]),
        helper.make_node("Gemm", ["standardised", "weight_0", "bias_0"], ["hidden"], transB=1),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "weight_1", "bias_1"], [OUTPUT], transB=1),
    ]
    constants = [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in tensors.items()]
    return _finish(nodes, constants, len(fitted.mean))


def _finish(nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto], width: int) -> onnx.ModelProto:
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n])]
        for name, n in ((INPUT, width), (OUTPUT, 1))
    )
    graph = helper.make_graph(nodes, "regression", inputs, outputs, tensors)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="ostinato")
    onnx.checker.check_model(model, full_check=True)
    return model
