"""Graphs of exported files: names, metadata, inference and comparison."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
from onnx import helper, version_converter

from ostinato.errors import OstinatoError

Shape: TypeAlias = tuple[int, int, int]
Arrays: TypeAlias = Mapping[str, np.ndarray]
KEY = "ostinato"
OUTPUTS = ("logits", "embedding")


def annotate(model: onnx.ModelProto, metadata: Mapping[str, Any]) -> bytes:
    """Write metadata into a model and return its bytes.

    Parameters
    ----------
    model : onnx.ModelProto
    metadata : mapping
        Stored as JSON under the key ``ostinato``.

    Returns
    -------
    bytes
    """
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=False, allow_nan=False)
    helper.set_model_props(model, {KEY: text})
    return model.SerializeToString(deterministic=True)


def opset(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators in a graph."""
    (version,) = (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return int(version)


def set_versions(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """Convert a graph to an opset, with the lowest IR version for its opsets.

    ONNX Runtime refuses an IR version that is newer than itself, whatever the graph
    uses: 1.17 accepts opset 18 with IR version 8 or 9 but not with 10.

    Parameters
    ----------
    model : onnx.ModelProto
    version : int
        Target opset.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    OstinatoError
        If the graph cannot be converted to that opset.
    """
    if opset(model) != version:
        try:
            converted = version_converter.convert_version(model, version)
            onnx.checker.check_model(converted, full_check=True)  # 17 lacks an attribute of ReduceMean
        except (version_converter.ConvertError, onnx.checker.ValidationError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OstinatoError(
                f"export.opset: the graph has opset {opset(model)} and cannot be converted to {version} "
                f"({reason}); set export.opset: {opset(model)}"
            ) from error
        model = converted
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import), ignore_unknown=True)
    return model


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


def largest_difference(
    content: bytes, original: Callable[[Arrays], list[np.ndarray]], trials: list[dict[str, np.ndarray]]
) -> float:
    """Return the largest difference, relative to the largest value if that is above 1; infinite for NaN.

    Parameters
    ----------
    content : bytes
        An ONNX file with `OUTPUTS`.
    original : callable
        Computes the outputs of the original.
    trials : list of dict of str to np.ndarray
        Inputs.

    Returns
    -------
    float

    Raises
    ------
    OstinatoError
        If the shapes of outputs differ.
    """
    model = session(content)
    differences = []
    for arrays in trials:
        for actual, expected in zip(model.run(list(OUTPUTS), arrays), original(arrays), strict=True):
            if actual.shape != expected.shape:
                raise OstinatoError(f"the file gives {actual.shape}, the original gives {expected.shape}; export again")
            differences.append(np.abs(actual - expected).max() / max(1.0, np.abs(expected).max()))
    return float(np.nan_to_num(np.max(differences), nan=np.inf))
