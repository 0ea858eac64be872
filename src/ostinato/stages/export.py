"""Write a candidate's ONNX file if the gate accepted it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx

from ostinato.core import registry
from ostinato.core.code_hash import hash_modules, list_modules, parse
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.scores import Kind, logits, scores
from ostinato.core.summary import AUDIO
from ostinato.errors import OstinatoError
from ostinato.export import cost, encoders, estimators, graphs, networks, tagger
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import atomic_write, read_json, write_json
from ostinato.layers.stack import Stack
from ostinato.training import artefact as artefacts
from ostinato.training.artefact import Artefact

SECTIONS = ("export", "dataset")
PACKAGE = {"sklearn": "ostinato.estimators", "lightning": "ostinato.architectures", "stacked": "ostinato.architectures"}
CONTRACT = (
    "ostinato.core.calibrated",
    "ostinato.core.chunks",
    "ostinato.core.scores",
    "ostinato.core.summary",
    "ostinato.core.task",
)
BLOCKS = "ostinato.layers"
SHARED_MODULES = {"sklearn": "ostinato.training.estimator", "lightning": BLOCKS, "stacked": BLOCKS}
"""Modules that affect the scores of a candidate, besides its own file, its features and the contract."""
Conversion: TypeAlias = tuple[bytes, dict[str, float], int]
"""An ONNX file, its differences from the original, and the multiply-adds of a chunk."""


def run(paths: Paths, params: Params, name: str) -> None:
    """Export one candidate."""
    folder, checkpoints = paths.onnx(name), paths.checkpoints(name)
    artefacts.empty(folder)
    reason = artefacts.read_skip(checkpoints)
    if reason is not None:
        write_json(folder / "export.json", {"skipped": reason})
        return
    if not paths.gate_result(name).exists():
        raise OstinatoError(f"{paths.gate}: has no result for {name}; run `dvc repro gate`")
    decision = read_json(paths.gate_result(name))
    artefact = artefacts.load(checkpoints)
    result = dict(decision)
    if artefact.fitter != "sklearn":  # unknown for an estimator, which is not 0
        result["n_parameters"] = artefact.n_parameters
    if decision["accepted"]:
        result |= _write(paths, params, artefact)
    write_json(folder / "export.json", result)


def _write(paths: Paths, params: Params, artefact: Artefact) -> dict[str, Any]:
    """Write network.onnx and model.json if the file agrees with the original, and return its figures."""
    metadata, files = encoders.gather(describe(paths, params.dataset.name, artefact))
    convert = _convert_estimator if artefact.fitter == "sklearn" else _convert_network
    content, differences, multiply_adds = convert(paths, params.export.opset, artefact, metadata)
    model = onnx.load_from_string(content)
    result: dict[str, Any] = {**differences, "bytes": len(content), "multiply_adds": multiply_adds}
    result |= {"opset": graphs.opset(model), "ir_version": model.ir_version}
    if reasons := _find_differences(differences, params.export.parity):
        return result | {"accepted": False, "reasons": reasons}
    folder = paths.onnx(artefact.name)
    with atomic_write(folder / "network.onnx") as partial:
        partial.write_bytes(content)
    for name, encoder in files.items():
        with atomic_write(folder / name) as partial:
            partial.write_bytes(encoder)
    write_json(folder / "model.json", metadata)
    result |= {"encoder_bytes": sum(map(len, files.values()))} if files else {}
    return result | {"tagger": _write_tagger(folder, params.export, content, metadata)}


def _find_differences(differences: Mapping[str, float], parity: float) -> list[str]:
    """Return the differences from the original beyond the tolerance; NaN is one."""
    reasons = []
    if not differences["parity"] <= parity:
        difference = differences["parity"]
        reasons.append(f"the ONNX file differs by {difference:.2g} from the original; export.parity allows {parity:g}")
    if not differences.get("sklearn_parity", 0.0) <= estimators.MAX_DIFFERENCE:
        difference, allowed = differences["sklearn_parity"], estimators.MAX_DIFFERENCE
        reasons.append(f"a score differs by {difference:.2g} from that of scikit-learn; {allowed:g} is allowed")
    return reasons


def _write_tagger(folder: Path, settings: Any, network: bytes, metadata: dict[str, Any]) -> dict[str, Any]:
    """Write tagger.onnx if its features can be expressed as a graph and it agrees with `ostinato predict`."""
    model = onnx.load_from_string(network)
    if reason := tagger.obstacle(metadata, graphs.opset(model)):
        return {"skipped": reason}
    try:
        converted = tagger.convert(model, encoders.locate(metadata, folder))
    except OstinatoError as error:  # an encoder that cannot be part of a graph
        return {"skipped": str(error).replace(f"{folder}/", "")}
    content = graphs.annotate(converted, tagger.describe(metadata))
    parity = tagger.parity(content, ReleasedModel(folder, threads=1))
    if not parity <= settings.parity:
        return {"parity": parity, "skipped": f"its scores differ by more than export.parity, {settings.parity:g}"}
    with atomic_write(folder / "tagger.onnx") as partial:
        partial.write_bytes(content)
    return {"parity": parity, "bytes": len(content)}


def _convert_network(paths: Paths, opset: int, artefact: Artefact, metadata: dict[str, Any]) -> Conversion:
    network = artefacts.network(paths.checkpoints(artefact.name), artefact)
    shapes = artefact.shapes
    lyrics = [name for name in _list_audio_inputs(artefact) if artefact.inputs[name].source == "lyrics"]
    if artefact.fitter == "stacked":
        members = {m: artefacts.load(paths.checkpoints(m)) for m in _list_audio_inputs(artefact)}
        member_networks = {m: artefacts.network(paths.checkpoints(m), a) for m, a in members.items()}
        network = Stack(member_networks, network, artefact.task_with_classes.kind, artefact.shapes).eval()
        shapes = {m: _only(a.shapes) for m, a in members.items()}
    model = networks.convert(network, shapes, opset=opset, words=lyrics)
    content = graphs.annotate(model, metadata)
    parity = networks.parity(content, network, shapes, lyrics)
    return content, {"parity": parity}, cost.multiply_adds(model, shapes, lyrics)


def _list_audio_inputs(artefact: Artefact) -> list[str]:
    """List the inputs of the file: all, without optional members of a stack that read anything but audio."""
    inputs = artefact.inputs
    names = [m for m in artefact.members if m in inputs] if artefact.fitter == "stacked" else list(inputs)
    return [name for name in names if name not in artefact.optional or inputs[name].source == AUDIO]


def _list_unknown(artefact: Artefact) -> list[str]:
    """List the inputs of a stack that cannot be computed from an audio file."""
    if artefact.fitter != "stacked":
        return []
    return [name for name in artefact.shapes if name not in _list_audio_inputs(artefact)]


def _convert_estimator(paths: Paths, opset: int, artefact: Artefact, metadata: dict[str, Any]) -> Conversion:
    fitted = artefacts.onnx_file(paths.checkpoints(artefact.name), "final").read_bytes()
    task, feature = artefact.task_with_classes, next(iter(artefact.inputs))
    model = estimators.convert(fitted, task.kind, feature, opset=opset)
    content = graphs.annotate(model, metadata)
    x, scores = artefacts.reference(paths.checkpoints(artefact.name))
    differences = {
        "parity": estimators.parity(content, fitted, feature, task.logits),
        "sklearn_parity": estimators.score_difference(content, feature, x, scores, task),
    }
    return content, differences, _count_multiply_adds(model)


def _count_multiply_adds(model: onnx.ModelProto) -> int:
    """Count the products of one track with support vectors."""
    return sum(
        len(a.floats)
        for node in model.graph.node
        if node.op_type == "SVMClassifier"
        for a in node.attribute
        if a.name == "support_vectors"
    )


def describe(paths: Paths, dataset: str, artefact: Artefact) -> dict[str, Any]:
    """Return the metadata of an exported network.

    Parameters
    ----------
    paths : Paths
    dataset : str
        Name of the dataset plugin.
    artefact : Artefact

    Returns
    -------
    dict
        Content of model.json and of the metadata of the ONNX file.
    """
    classes, metrics = read_json(paths.classes), read_json(paths.metrics(artefact.name))
    plugin = registry.load("ostinato.datasets", dataset)
    return {
        "name": artefact.name,
        "task": artefact.task,
        "kind": artefact.task_with_classes.kind,
        "classes": list(artefact.classes),
        "architecture": artefact.architecture,
        "level": "chunk" if artefact.fitter == "lightning" else "track",
        "inputs": _describe_inputs(paths, artefact),
        **({"unknown": unknown} if (unknown := _list_unknown(artefact)) else {}),
        "dataset": {
            "name": dataset,
            "embedded": bool(getattr(plugin, "IS_EMBEDDED", False)),
            "licence": str(getattr(plugin, "LICENSE", "")),
            "citation": str(getattr(plugin, "CITATION", "")),
            "n_tracks": classes["n_tracks"],
            "split": {"name": classes["name"], "hash": classes["hash"]},
        },
        **_calibration(metrics, artefact.task_with_classes.kind),
        "hashes": {"data": classes["hash"], "code": hash_modules(_list_modules(paths, artefact))},
        "metrics": metrics["test"],
    }


def _calibration(metrics: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Return the temperature fitted on validation, and the thresholds of calibrated scores."""
    temperature = metrics.get("calibration", {}).get("temperature", 1.0)
    thresholds = metrics.get("thresholds")
    if thresholds is not None:
        calibrated = scores(logits(np.array(list(thresholds.values())), kind) / temperature, kind)
        thresholds = {c: round(float(t), 6) for c, t in zip(thresholds, calibrated, strict=True)}
    result = {"temperature": temperature, "thresholds": thresholds}
    promise = metrics.get("promise")
    return result if promise is None else result | {"unsure_below": promise["unsure_below"], "promise": promise}


def _describe_inputs(paths: Paths, artefact: Artefact) -> dict[str, Any]:
    """Describe the inputs, with the statistics fitted to the training set."""
    inputs = {name: asdict(artefact.inputs[name]) for name in _list_audio_inputs(artefact)}
    for name, entry in inputs.items():
        if artefact.fitter == "stacked":
            statistics = artefacts.load(paths.checkpoints(name)).statistics.get("final", {})
            entry |= next(iter(statistics.values()), {})
        else:
            entry |= artefact.statistics.get("final", {}).get(name, {})
    return inputs


def _list_modules(paths: Paths, artefact: Artefact) -> set[str]:
    """List the modules that affect the scores of a candidate."""
    modules = {f"{PACKAGE[artefact.fitter]}.{artefact.architecture}"}
    modules |= {name for package in (*CONTRACT, SHARED_MODULES[artefact.fitter]) for name in list_modules(package)}
    for model_input in artefact.inputs.values():
        modules |= _list_feature_modules(model_input.feature)
    for member in set(artefact.members) & artefact.inputs.keys():
        modules |= _list_modules(paths, artefacts.load(paths.checkpoints(member)))
    return modules


def _list_feature_modules(name: str) -> set[str]:
    """List the module of a feature and those that it shares with others."""
    feature = f"ostinato.features.{name}"
    shared = parse(feature).imports
    return {feature, "ostinato.features._spectrum", *(m for m in list_modules("ostinato.features") if m in shared)}


def _only(values: dict[str, Any]) -> Any:
    (value,) = values.values()
    return value
