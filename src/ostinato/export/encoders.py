"""Encoders that a model reads: copied beside it under the hash of their bytes, with their licence in model.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ostinato import features
from ostinato.features._onnx import read

SHORT = 12
"""Hexadecimal digits of the hash in a file's name."""


def gather(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the encoders of a model, and describe it as it will be with them beside it.

    Parameters
    ----------
    metadata : mapping
        model.json.

    Returns
    -------
    metadata : dict
        With the names of the files beside it, and ``encoders``: licence and training data by input. The same where
        it reads none.
    files : dict of str to bytes

    Raises
    ------
    ParamsError
        If a file is absent, or not the one that the features were computed with.
    """
    inputs, encoders, files = dict(metadata["inputs"]), {}, {}
    for name, given in inputs.items():
        parameters = given["parameters"]
        if not features.needs_file(given["feature"]):
            continue
        content = read(parameters[features.FILE], parameters["sha256"])
        file = f"encoder-{parameters['sha256'][:SHORT]}.onnx"
        files[file] = content
        inputs[name] = {**given, "parameters": {**parameters, features.FILE: file}}
        encoders[name] = {key: parameters[key] for key in ("sha256", "license", "trained_on", "preset")}
    if not files:
        return dict(metadata), {}
    return {**metadata, "inputs": inputs, "encoders": encoders}, files


def locate(metadata: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return model.json with the paths of the encoders that stand beside it in `folder`."""
    inputs = {
        name: {**given, "parameters": features.locate(given["parameters"], folder)}
        for name, given in metadata["inputs"].items()
    }
    return {**metadata, "inputs": inputs}
