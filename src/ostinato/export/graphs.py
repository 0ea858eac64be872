"""Graphs of exported files: names, metadata, running and comparing them."""

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


def opset(model: onnx.ModelProto) -> int:
    """Read the version of ONNX's own operators that a graph is written in."""
    (version,) = (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return int(version)


def set_versions(model: onnx.ModelProto, wanted: int) -> onnx.ModelProto:
    """Bring a graph to an opset, and to the least IR version that its opsets need.

    ONNX Runtime refuses an IR version that is newer than itself, whatever the graph
    uses: 1.17 takes opset 18 with IR version 8 or 9 and refuses it with 10.

    Parameters
    ----------
    model : onnx.ModelProto
    wanted : int
        The opset asked for.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    OstinatoError
        If the graph cannot be brought to that opset.
    """
    if opset(model) != wanted:
        try:
            converted = version_converter.convert_version(model, wanted)
            onnx.checker.check_model(converted, full_check=True)  # ReduceMean keeps an attribute that 17 lacks
        except (version_converter.ConvertError, onnx.checker.ValidationError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OstinatoError(
                f"export.opset: the graph is written in opset {opset(model)} and cannot be brought to {wanted} "
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
    """Return the largest difference, as a share of the largest number where that is over 1; infinite for NaN.

    Parameters
    ----------
    content : bytes
        An ONNX file with `OUTPUTS`.
    original : callable
        Gives the same outputs of the same inputs.
    trials : list of dict of str to np.ndarray
        Inputs.

    Returns
    -------
    float

    Raises
    ------
    OstinatoError
        If the outputs are of different shapes.
    """
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
