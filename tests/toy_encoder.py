"""A tiny encoder: an ONNX file whose vector is a linear map of a patch, and what params.yaml would say of it."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

PATCH, MELS, WIDTH = 20, 8, 5
BANDS = {"n_fft": 512, "hop_length": 256, "n_mels": MELS}


def write_model(path: Path, sizes: tuple[Any, ...], *, seed: int = 0, n_outputs: int = 1, nan: bool = False) -> Path:
    """Write an encoder whose vector is a linear map of its input, rectified: ``hidden``, then ``vector``."""
    n_inside = int(np.prod([s for s in sizes[1:] if isinstance(s, int)]))
    weights = np.random.default_rng(seed).standard_normal((n_inside, WIDTH)).astype(np.float32) / n_inside**0.5
    if nan:
        weights[0, 0] = np.nan
    constants = [numpy_helper.from_array(weights, "weights")]
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["vector"]),
        *[helper.make_node("Neg", ["hidden"], [f"other_{i}"]) for i in range(n_outputs - 1)],
    ]
    names = ["vector", *[f"other_{i}" for i in range(n_outputs - 1)]]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [sizes[0], WIDTH]) for n in names]
    graph = helper.make_graph(
        nodes, "toy", [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)], outputs, constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path


def describe_encoder(model: Path, **more: Any) -> dict[str, Any]:
    """Return what params.yaml would say of a file."""
    said = {"kind": "encoder", "model": str(model), "sha256": hashlib.sha256(model.read_bytes()).hexdigest()}
    return said | {"license": "MIT", "patch_length": PATCH, **BANDS} | more
