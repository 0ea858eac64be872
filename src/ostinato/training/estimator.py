"""Fit scikit-learn classifiers, and convert them to ONNX.

A fitted estimator is a sum: the scores of each classifier, in the columns of its
classes, and a constant for classes that no track or every track has.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import onnx
from google.protobuf import text_format
from onnx import TensorProto, compose, helper, numpy_helper
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from ostinato.core.calibrated import EPSILON as MIN_SCORE
from ostinato.core.calibrated import Calibrated
from ostinato.core.counts import format_count
from ostinato.core.scores import EPSILON, Kind
from ostinato.core.summary import is_indicator
from ostinato.errors import OstinatoError

OPSET = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 10
MIN_DEVIATION = 1e-6
"""Deviations up to this share of the mean count as rounding errors."""


@dataclass(frozen=True)
class Part:
    """A classifier and the columns of its scores.

    Parameters
    ----------
    classifier : ClassifierMixin
    placement : np.ndarray [shape=(n_known, n_classes), dtype=float32]
        1 where a column of the classifier is a class.
    """

    classifier: ClassifierMixin
    placement: np.ndarray


@dataclass(frozen=True)
class FittedEstimator:
    """A fitted estimator.

    Parameters
    ----------
    kind : {"single", "multi"}
    parts : tuple of Part
        One for a single label; one per class for several.
    constant : np.ndarray [shape=(n_classes,), dtype=float32]
        Scores of the classes without a part.
    mean, deviation : np.ndarray [shape=(width,), dtype=float32]
        Of the training inputs; 0 and 1 for indicators, which are not standardised. The
        standardised input is the embedding.
    """

    kind: Kind
    parts: tuple[Part, ...]
    constant: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def embedding(self, x: np.ndarray) -> np.ndarray:
        """Standardise summaries, (n_tracks, width); constant columns become 0."""
        return (x - self.mean) / self.deviation

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Compute scores, (n_tracks, n_classes), of summaries, (n_tracks, width)."""
        scores = np.tile(self.constant, (len(x), 1))
        for part in self.parts:
            scores += (part.classifier.predict_proba(x) @ part.placement).astype(np.float32)
        return scores


def fit(
    module: ModuleType,
    x: np.ndarray,
    target: np.ndarray,
    seed: int,
    options: Mapping[str, Any],
    kind: Kind | None = None,
    groups: np.ndarray | None = None,
) -> FittedEstimator:
    """Fit an estimator.

    Parameters
    ----------
    module : module
        Module of `ostinato.estimators`.
    x : np.ndarray [shape=(n_tracks, width)]
        Summaries of tracks.
    target : np.ndarray [shape=(n_tracks, n_classes)]
        One-hot for a single label, multi-hot for several.
    seed : int
    options : mapping
        Arguments of the module's ``pipeline`` that differ from the defaults.
    kind : {"single", "multi"}, optional
        Default: single if each track has exactly one class.
    groups : np.ndarray [shape=(n_tracks,)], optional
        Groups that calibration keeps together, such as artists; default: single tracks.

    Returns
    -------
    FittedEstimator
        A class without examples has score 0, a tag of all tracks 1.

    Raises
    ------
    OstinatoError
        If there is no track, a value is not finite, or an option is unknown.
    """
    if not len(x):
        raise OstinatoError("there is no track to fit on; add tracks or lower split.test and split.validation")
    if not np.isfinite(x).all():
        raise OstinatoError(
            f"{int((~np.isfinite(x)).sum())} values of the features are not finite; run featurize again"
        )
    kind = kind or ("single" if (target.sum(1) == 1).all() else "multi")
    n_classes = target.shape[1]
    constant = np.zeros(n_classes, np.float32)
    if kind == "single":
        labels = [(np.flatnonzero(target.any(0)), target.argmax(1))]
    else:
        labels = [(np.array([-1, c]), np.where(target[:, c] > 0, c, -1)) for c in range(n_classes)]
    parts = []
    for columns, y in labels:
        present = np.unique(y)
        if len(present) == 1:
            constant[present[present >= 0]] = 1
            continue
        placement = np.zeros((len(columns), n_classes), np.float32)
        placement[columns >= 0, columns[columns >= 0]] = 1
        rows = _oversample(y, module.MIN_EXAMPLES)
        classifier = _classifier(module, seed, options)
        grouping = (
            {"groups": np.arange(len(x)) if groups is None else groups} if isinstance(classifier, Calibrated) else {}
        )
        classifier.fit(x[rows], y[rows], **{name: values[rows] for name, values in grouping.items()})
        parts.append(Part(classifier, placement))
    mean, deviation = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale = np.where(deviation > MIN_DEVIATION * np.maximum(np.abs(mean), 1), deviation, 1)
    mean[is_indicator(x)], scale[is_indicator(x)] = 0, 1
    return FittedEstimator(kind, tuple(parts), constant, mean.astype(np.float32), scale.astype(np.float32))


def loss(fitted: FittedEstimator, x: np.ndarray, target: np.ndarray) -> float:
    """Compute the mean negative log-likelihood; lower is better.

    Parameters
    ----------
    fitted : FittedEstimator
    x : np.ndarray [shape=(n_tracks, width)]
    target : np.ndarray [shape=(n_tracks, n_classes)]

    Returns
    -------
    float
        For several labels also the mean over classes.
    """
    scores = np.clip(fitted.scores(x).astype(np.float64), EPSILON, 1 - EPSILON)
    if fitted.kind == "single":
        return float(-(target * np.log(scores)).sum(1).mean())
    return float(-(target * np.log(scores) + (1 - target) * np.log1p(-scores)).mean())


def to_onnx(fitted: FittedEstimator, n_features: int, kind: Kind, n_classes: int) -> bytes:
    """Convert a fitted estimator to ONNX.

    Parameters
    ----------
    fitted : FittedEstimator
    n_features : int
        Width of a summary.
    kind : {"single", "multi"}
    n_classes : int

    Returns
    -------
    bytes
        A graph with input ``features``, (batch, n_features), and outputs ``scores``,
        (batch, n_classes), and ``embedding``, (batch, n_features), all float32. The
        same estimator gives the same bytes.

    Raises
    ------
    OstinatoError
        If the estimator was fitted for another task.
    """
    if (fitted.kind, len(fitted.constant)) != (kind, n_classes):
        raise OstinatoError(
            f"the estimator was fitted for {format_count(len(fitted.constant), 'class')} of kind {fitted.kind}, "
            f"not for {n_classes} of kind {kind}; fit it again"
        )
    constant, models, placements = fitted.constant.copy(), [], []
    for part in fitted.parts:
        if isinstance(part.classifier, DummyClassifier):
            constant += (part.classifier.predict_proba(np.zeros((1, n_features)))[0] @ part.placement).astype(
                np.float32
            )
        else:
            models.append(_convert(part.classifier, n_features))
            placements.append(part.placement)
    model = _sum(models, placements, constant, fitted)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _classifier(module: ModuleType, seed: int, options: Mapping[str, Any]) -> ClassifierMixin:
    try:
        return module.pipeline(seed, **options)
    except TypeError as error:
        raise OstinatoError(
            f"estimators: {module.__name__.rsplit('.', 1)[-1]}: options: {error}; correct params.yaml"
        ) from error


def _oversample(y: np.ndarray, least: int) -> np.ndarray:
    """Return all rows, repeating those of classes with fewer than `least`."""
    rows = [np.arange(len(y))]
    for label in np.unique(y):
        indices = np.flatnonzero(y == label)
        if len(indices) < least:
            rows.append(np.resize(indices, least - len(indices)))
    return np.concatenate(rows)


def _convert(classifier: ClassifierMixin, n_features: int) -> onnx.ModelProto:
    """Convert a classifier to a graph of `features` whose last output is its scores."""
    from skl2onnx import to_onnx as convert
    from skl2onnx.common.data_types import FloatTensorType

    calibrated = classifier if isinstance(classifier, Calibrated) else None
    options: dict[Any, Any] = {"zipmap": False}
    if calibrated is not None:
        classifier = calibrated.classifier_
        last = classifier[-1] if isinstance(classifier, Pipeline) else classifier
        if hasattr(last, "decision_function"):
            options = {id(last): {"raw_scores": True} | ({} if isinstance(last, LinearSVC) else {"zipmap": False})}
    with warnings.catch_warnings(), _plain_numbers():
        # skl2onnx reads attributes of SVC that scikit-learn 1.9 deprecates.
        warnings.simplefilter("ignore", FutureWarning)
        model: onnx.ModelProto = convert(
            classifier,
            initial_types=[("features", FloatTensorType([None, n_features]))],
            options=options,
            target_opset=OPSET,
            naming="",
        )
    if calibrated is not None:
        _calibrate(model.graph, calibrated)
    return _renumber(model) if any(node.op_type == "Scan" for node in model.graph.node) else model


@contextmanager
def _plain_numbers() -> Iterator[None]:
    """Let skl2onnx 1.20 convert boosted trees: protobuf refuses the NumPy integers and booleans it passes."""
    from skl2onnx.common import tree_ensemble

    original = tree_ensemble.add_node

    def plain(value: Any) -> Any:
        return int(value) if isinstance(value, bool | np.bool | np.integer) else value

    def add_node(*args: Any, adjust_threshold_for_sklearn: bool, **kwargs: Any) -> None:
        numbers = {key: plain(value) for key, value in kwargs.items()}
        original(*map(plain, args), adjust_threshold_for_sklearn=adjust_threshold_for_sklearn, **numbers)

    with mock.patch.object(tree_ensemble, "add_node", add_node):
        yield


def _renumber(model: onnx.ModelProto) -> onnx.ModelProto:
    """Renumber names from 0: skl2onnx counts over a whole process, so that no two files are equal."""
    numbers: dict[str, int] = {}
    text = re.sub(
        r"\b(UU|cdistdf?_)(\d+)",
        lambda match: f"{match[1]}{numbers.setdefault(match[0], len(numbers)):03d}",
        text_format.MessageToString(model),
    )
    return text_format.Parse(text, onnx.ModelProto())


def _calibrate(graph: onnx.GraphProto, calibrated: Calibrated) -> None:
    """Append the calibration to a graph of decisions, or of scores whose logarithms are decisions."""
    name = graph.output[-1].name
    numbers: dict[str, Any] = {"slope": calibrated.slope_, "offset": calibrated.offset_}
    if not hasattr(calibrated.classifier_, "decision_function"):
        numbers["least_score"] = MIN_SCORE
        graph.node.append(helper.make_node("Max", [name, "least_score"], ["positive_scores"]))
        graph.node.append(helper.make_node("Log", ["positive_scores"], ["decisions"]))
        name = "decisions"
    graph.initializer.extend(numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in numbers.items())
    graph.node.append(helper.make_node("Mul", [name, "slope"], ["sloped"]))
    graph.node.append(helper.make_node("Add", ["sloped", "offset"], ["logits_of_part"]))
    graph.node.append(helper.make_node("Softmax", ["logits_of_part"], ["calibrated"], axis=-1))
    graph.output[-1].CopyFrom(helper.make_tensor_value_info("calibrated", TensorProto.FLOAT, [None, None]))


def _sum(
    models: list[onnx.ModelProto], placements: list[np.ndarray], constant: np.ndarray, fitted: FittedEstimator
) -> onnx.ModelProto:
    """Join graphs with one input into one that sums their scores and a constant, and standardises the input."""
    width = len(fitted.mean)
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["embedding"]),
        helper.make_node("MatMul", ["features", "none"], ["nothing"]),
        helper.make_node("Add", ["nothing", "constant"], ["placed"]),
    ]
    tensors = [
        numpy_helper.from_array(np.zeros((width, len(constant)), np.float32), "none"),
        numpy_helper.from_array(constant, "constant"),
        numpy_helper.from_array(fitted.mean, "mean"),
        numpy_helper.from_array(fitted.deviation, "deviation"),
    ]
    terms = ["placed"]
    for i, (model, placement) in enumerate(zip(models, placements, strict=True)):
        graph = compose.add_prefix_graph(model.graph, f"part{i}_")
        nodes.append(helper.make_node("Identity", ["features"], [graph.input[0].name]))
        nodes.extend(graph.node)
        tensors.extend([*graph.initializer, numpy_helper.from_array(placement, f"placement{i}")])
        nodes.append(helper.make_node("MatMul", [graph.output[-1].name, f"placement{i}"], [f"placed{i}"]))
        terms.append(f"placed{i}")
    nodes.append(helper.make_node("Sum", terms, ["scores"]))
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", width])]
    sizes = {"scores": len(constant), "embedding": width}
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", size]) for n, size in sizes.items()]
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    graph = helper.make_graph(nodes, "estimator", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=opsets, producer_name="ostinato", ir_version=IR_VERSION)
