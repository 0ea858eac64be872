"""Fitted estimators as ONNX files with the outputs of networks."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ostinato.core.scores import EPSILON, Kind
from ostinato.core.task import Task
from ostinato.errors import OstinatoError
from ostinato.export.graphs import KEY, OUTPUTS, Arrays, largest_difference, run, session, set_versions

BATCHES = (2, 5)
MAX_DIFFERENCE = 1e-5
"""Tolerance between a score and scikit-learn's."""


def convert(content: bytes, kind: Kind, name: str, *, opset: int = 18) -> onnx.ModelProto:
    """Convert a fitted estimator's graph to the outputs of networks, logits and embedding.

    Parameters
    ----------
    content : bytes
        A graph with one input, (batch, width), and the outputs ``scores`` and ``embedding``.
    kind : {"single", "multi"}
        Whether logits are the logarithms of scores, or of their odds.
    name : str
        Of the input.
    opset : int

    Returns
    -------
    onnx.ModelProto
        With the lowest IR version for its opsets.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    (input_,) = graph.input
    scores, _ = graph.output
    width, n_classes = (v.type.tensor_type.shape.dim[1].dim_value for v in (input_, scores))
    limits = {"least": EPSILON, "most": 1 - EPSILON, **({} if kind == "single" else {"one": 1.0})}
    graph.initializer.extend(numpy_helper.from_array(np.array(v, np.float32), k) for k, v in limits.items())
    nodes = [
        helper.make_node("Identity", [name], [input_.name]),
        helper.make_node("Clip", [scores.name, "least", "most"], ["clipped"]),
    ]
    if kind == "single":
        nodes.append(helper.make_node("Log", ["clipped"], ["logits"]))
    else:
        nodes.append(helper.make_node("Sub", ["one", scores.name], ["rest"]))
        nodes.append(helper.make_node("Clip", ["rest", "least", "most"], ["clipped_rest"]))
        nodes.append(helper.make_node("Div", ["clipped", "clipped_rest"], ["odds"]))
        nodes.append(helper.make_node("Log", ["odds"], ["logits"]))
    body = [nodes[0], *graph.node, *nodes[1:]]
    values = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", w])
        for n, w in zip((name, *OUTPUTS), (width, n_classes, width), strict=True)
    ]
    extended = helper.make_graph(body, "estimator", values[:1], values[1:], list(graph.initializer))
    opsets = sorted(model.opset_import, key=lambda o: o.domain)
    result = set_versions(helper.make_model(extended, opset_imports=opsets, producer_name=KEY), opset)
    onnx.checker.check_model(result, full_check=True)
    return result


def parity(content: bytes, estimator: bytes, name: str, logits: Callable[[np.ndarray], np.ndarray]) -> float:
    """Compare an exported estimator with the fitted one, at two batch sizes.

    Parameters
    ----------
    content : bytes
    estimator : bytes
        The graph with ``scores`` and ``embedding``.
    name : str
        Of the input.
    logits : callable
        From scores to logits, as `Task.logits`.

    Returns
    -------
    float
        As for networks.
    """
    reference = session(estimator)
    input_ = reference.get_inputs()[0]

    def original(arrays: Arrays) -> list[np.ndarray]:
        scores, embedding = reference.run(["scores", "embedding"], {input_.name: arrays[name]})
        return [logits(scores.astype(np.float64)), embedding]

    rng = np.random.default_rng(0)
    trials = [{name: rng.standard_normal((batch, input_.shape[1]), dtype=np.float32)} for batch in BATCHES]
    return largest_difference(content, original, trials)


def score_difference(content: bytes, name: str, x: np.ndarray, scores: np.ndarray, task: Task) -> float:
    """Compare the scores of an exported estimator with scikit-learn's.

    Parameters
    ----------
    content : bytes
        From `convert`.
    name : str
        Of the input.
    x : np.ndarray [shape=(n_tracks, width), dtype=float32]
    scores : np.ndarray [shape=(n_tracks, n_classes), dtype=float64]
        From scikit-learn's ``predict_proba``, in the order of the classes.
    task : Task

    Returns
    -------
    float
        The largest difference of a score; infinite for NaN.

    Raises
    ------
    OstinatoError
        If scikit-learn gave no scores, or of other classes.
    """
    logits, _ = run(content, {name: x.astype(np.float32)})
    if not len(x) or logits.shape != scores.shape:
        raise OstinatoError(f"the file has scores of shape {logits.shape}, scikit-learn {scores.shape}; train again")
    return float(np.nan_to_num(np.abs(task.scores(logits) - scores).max(), nan=np.inf))
