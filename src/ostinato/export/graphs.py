"""What all exported files share: their names, their metadata, running and comparing them."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
from onnx import helper

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
    """Give the largest difference, as a share of the largest number where that is over 1; infinite for NaN.

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
