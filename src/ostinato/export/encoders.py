"""Encoders of a model: copied into its folder under their hash, with their licence in model.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ostinato import features
from ostinato.features._onnx import read

HASH_LENGTH = 12
"""Hexadecimal digits of the hash in a file's name."""


def gather(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the encoders of a model, and return its metadata with them in its folder.

    Parameters
    ----------
    metadata : mapping
        model.json.

    Returns
    -------
    metadata : dict
        With the names of the files, and ``encoders``: licence and training data by input. Unchanged if there are
        none.
    files : dict of str to bytes

    Raises
    ------
    ParamsError
        If a file is missing, or not the one that the features were computed with.
    """
    inputs, encoders, files = dict(metadata["inputs"]), {}, {}
    for name, input_ in inputs.items():
        parameters = input_["parameters"]
        if not features.needs_file(input_["feature"]):
            continue
        content = read(parameters[features.FILE], parameters["sha256"])
        file = f"encoder-{parameters['sha256'][:HASH_LENGTH]}.onnx"
        files[file] = content
        inputs[name] = {**input_, "parameters": {**parameters, features.FILE: file}}
        encoders[name] = {key: parameters[key] for key in ("sha256", "license", "trained_on", "preset")}
    if not files:
        return dict(metadata), {}
    return {**metadata, "inputs": inputs, "encoders": encoders}, files


def locate(metadata: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return model.json with the paths of its encoders in `folder`."""
    inputs = {
        name: {**input_, "parameters": features.locate(input_["parameters"], folder)}
        for name, input_ in metadata["inputs"].items()
    }
    return {**metadata, "inputs": inputs}
