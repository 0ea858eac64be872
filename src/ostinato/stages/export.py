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
SHARED = {"sklearn": "ostinato.training.estimator", "lightning": BLOCKS, "stacked": BLOCKS}
"""What makes a candidate's numbers beside its own file, its features and the contract."""
Made: TypeAlias = tuple[bytes, dict[str, float], int]
"""A file, how far it departs from the original, and the multiplications of a chunk."""


def run(paths: Paths, params: Params, name: str) -> None:
    """Export one candidate."""
    folder, checkpoints = paths.onnx(name), paths.checkpoints(name)
    artefacts.empty(folder)
    reason = artefacts.read_skip(checkpoints)
    if reason is not None:
        write_json(folder / "export.json", {"skipped": reason})
        return
    if not paths.gate_result(name).exists():
        raise OstinatoError(f"{paths.gate}: says nothing of {name}; run `dvc repro gate`")
    decision = read_json(paths.gate_result(name))
    artefact = artefacts.load(checkpoints)
    result = dict(decision)
    if artefact.fitter != "sklearn":  # numbers of an estimator are not counted, which is not 0 of them
        result["n_parameters"] = artefact.n_parameters
    if decision["accepted"]:
        result |= _write(paths, params, artefact)
    write_json(folder / "export.json", result)


def _write(paths: Paths, params: Params, artefact: Artefact) -> dict[str, Any]:
    """Write network.onnx and model.json if the file agrees with the original, and say what it is and costs."""
    metadata, files = encoders.gather(describe(paths, params.dataset.name, artefact))
    make = _estimator if artefact.fitter == "sklearn" else _network
    content, differences, multiply_adds = make(paths, params.export.opset, artefact, metadata)
    model = onnx.load_from_string(content)
    result: dict[str, Any] = {**differences, "bytes": len(content), "multiply_adds": multiply_adds}
    result |= {"opset": graphs.opset(model), "ir_version": model.ir_version}
    if reasons := _departures(differences, params.export.parity):
        return result | {"accepted": False, "reasons": reasons}
    folder = paths.onnx(artefact.name)
    with atomic_write(folder / "network.onnx") as partial:
        partial.write_bytes(content)
    for name, encoder in files.items():
        with atomic_write(folder / name) as partial:
            partial.write_bytes(encoder)
    write_json(folder / "model.json", metadata)
    result |= {"encoder_bytes": sum(map(len, files.values()))} if files else {}
    return result | {"tagger": _tagger(folder, params.export, content, metadata)}


def _departures(differences: Mapping[str, float], parity: float) -> list[str]:
    """Return what of a file departs from the original by more than it may; NaN does."""
    reasons = []
    if not differences["parity"] <= parity:
        far = differences["parity"]
        reasons.append(f"the ONNX file departs by {far:.2g} from the original; export.parity allows {parity:g}")
    if not differences.get("sklearn_parity", 0.0) <= estimators.MAX_DIFFERENCE:
        far = differences["sklearn_parity"]
        reasons.append(f"a score departs by {far:.2g} from scikit-learn's; {estimators.MAX_DIFFERENCE:g} is allowed")
    return reasons


def _tagger(folder: Path, rules: Any, network: bytes, metadata: dict[str, Any]) -> dict[str, Any]:
    """Write tagger.onnx if features can be put into a graph and it agrees with `ostinato predict`."""
    model = onnx.load_from_string(network)
    if reason := tagger.obstacle(metadata, graphs.opset(model)):
        return {"skipped": reason}
    try:
        converted = tagger.convert(model, encoders.locate(metadata, folder))
    except OstinatoError as error:  # an encoder that no graph can hold
        return {"skipped": str(error).replace(f"{folder}/", "")}
    content = graphs.annotate(converted, tagger.describe(metadata))
    parity = tagger.parity(content, ReleasedModel(folder, threads=1))
    if not parity <= rules.parity:
        return {"parity": parity, "skipped": f"its scores depart by more than export.parity, {rules.parity:g}"}
    with atomic_write(folder / "tagger.onnx") as partial:
        partial.write_bytes(content)
    return {"parity": parity, "bytes": len(content)}


def _network(paths: Paths, opset: int, artefact: Artefact, metadata: dict[str, Any]) -> Made:
    network = artefacts.network(paths.checkpoints(artefact.name), artefact)
    shapes = artefact.shapes
    words = [name for name in _list_audio_inputs(artefact) if artefact.inputs[name].source == "lyrics"]
    if artefact.fitter == "stacked":
        members = {m: artefacts.load(paths.checkpoints(m)) for m in _list_audio_inputs(artefact)}
        inside = {m: artefacts.network(paths.checkpoints(m), a) for m, a in members.items()}
        network = Stack(inside, network, artefact.task_with_classes.kind, artefact.shapes).eval()
        shapes = {m: _only(a.shapes) for m, a in members.items()}
    model = networks.convert(network, shapes, opset=opset, words=words)
    content = graphs.annotate(model, metadata)
    parity = networks.parity(content, network, shapes, words)
    return content, {"parity": parity}, cost.multiply_adds(model, shapes, words)


def _list_audio_inputs(artefact: Artefact) -> list[str]:
    """Name the inputs of the file: all, but of a stack no optional member that reads anything but sound."""
    given = artefact.inputs
    names = [m for m in artefact.members if m in given] if artefact.fitter == "stacked" else list(given)
    return [name for name in names if name not in artefact.optional or given[name].source == AUDIO]


def _unknown(artefact: Artefact) -> list[str]:
    """Name what a stack reads and no file of audio tells."""
    return (
        [name for name in artefact.shapes if name not in _list_audio_inputs(artefact)]
        if artefact.fitter == "stacked"
        else []
    )


def _estimator(paths: Paths, opset: int, artefact: Artefact, metadata: dict[str, Any]) -> Made:
    fitted = artefacts.onnx_file(paths.checkpoints(artefact.name), "final").read_bytes()
    task, feature = artefact.task_with_classes, next(iter(artefact.inputs))
    model = estimators.convert(fitted, task.kind, feature, opset=opset)
    content = graphs.annotate(model, metadata)
    x, scores = artefacts.reference(paths.checkpoints(artefact.name))
    differences = {
        "parity": estimators.parity(content, fitted, feature, task.logits),
        "sklearn_parity": estimators.score_difference(content, feature, x, scores, task),
    }
    return content, differences, _multiply_adds_of_a_row(model)


def _multiply_adds_of_a_row(model: onnx.ModelProto) -> int:
    """Count for one track the products with support vectors."""
    return sum(
        len(a.floats)
        for node in model.graph.node
        if node.op_type == "SVMClassifier"
        for a in node.attribute
        if a.name == "support_vectors"
    )


def describe(paths: Paths, dataset: str, artefact: Artefact) -> dict[str, Any]:
    """Return what a released network must know of itself.

    Parameters
    ----------
    paths : Paths
    dataset : str
        The plugin that the tracks came from.
    artefact : Artefact

    Returns
    -------
    dict
        What model.json and the file's metadata hold.
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
        "inputs": _inputs(paths, artefact),
        **({"unknown": unknown} if (unknown := _unknown(artefact)) else {}),
        "dataset": {
            "name": dataset,
            "embedded": bool(getattr(plugin, "EMBEDDED", False)),
            "licence": str(getattr(plugin, "LICENSE", "")),
            "citation": str(getattr(plugin, "CITATION", "")),
            "n_tracks": classes["n_tracks"],
            "split": {"name": classes["name"], "hash": classes["hash"]},
        },
        **_calibration(metrics, artefact.task_with_classes.kind),
        "hashes": {"data": classes["hash"], "code": hash_modules(_modules(paths, artefact))},
        "metrics": metrics["test"],
    }


def _calibration(metrics: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Return the temperature chosen on validation, and thresholds of the scores that it makes."""
    calibrated = metrics.get("calibration", {})
    temperature = calibrated.get("temperature", 1.0)
    thresholds = metrics.get("thresholds")
    if thresholds is not None:
        warm = scores(logits(np.array(list(thresholds.values())), kind) / temperature, kind)
        thresholds = {c: round(float(t), 6) for c, t in zip(thresholds, warm, strict=True)}
    found = {"temperature": temperature, "thresholds": thresholds}
    promise = metrics.get("promise")
    return found if promise is None else found | {"unsure_below": promise["unsure_below"], "promise": promise}


def _inputs(paths: Paths, artefact: Artefact) -> dict[str, Any]:
    """Describe the inputs, with what was fitted to the training set."""
    inputs = {name: asdict(artefact.inputs[name]) for name in _list_audio_inputs(artefact)}
    for name, given in inputs.items():
        if artefact.fitter == "stacked":
            of_member = artefacts.load(paths.checkpoints(name)).statistics.get("final", {})
            given |= next(iter(of_member.values()), {})
        else:
            given |= artefact.statistics.get("final", {}).get(name, {})
    return inputs


def _modules(paths: Paths, artefact: Artefact) -> set[str]:
    """Name the modules that make a candidate's numbers of a track."""
    found = {f"{PACKAGE[artefact.fitter]}.{artefact.architecture}"}
    found |= {name for package in (*CONTRACT, SHARED[artefact.fitter]) for name in list_modules(package)}
    for given in artefact.inputs.values():
        found |= _of_feature(given.feature)
    for member in set(artefact.members) & artefact.inputs.keys():
        found |= _modules(paths, artefacts.load(paths.checkpoints(member)))
    return found


def _of_feature(name: str) -> set[str]:
    """Name the module of a feature and those that it shares with others."""
    feature = f"ostinato.features.{name}"
    shared = parse(feature).imports
    return {feature, "ostinato.features._spectrum", *(m for m in list_modules("ostinato.features") if m in shared)}


def _only(values: dict[str, Any]) -> Any:
    (value,) = values.values()
    return value
