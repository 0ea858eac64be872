"""A candidate's figures: every metric with its interval, per class, and beside trivial baselines."""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from sklearn.metrics import multilabel_confusion_matrix

from ostinato.core.scores import Kind, labels
from ostinato.errors import DataError
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.metrics import embedding, multi, probabilities, single, tree
from ostinato.metrics.jackknife import jackknife
from ostinato.metrics.probabilities import K
from ostinato.metrics.replicates import Metric

FAMILIES: dict[str, ModuleType] = {"single": single, "multi": multi, "embedding": embedding}


def get_metrics(kind: Kind) -> dict[str, Metric]:
    """Return the metrics of a kind of task."""
    return FAMILIES[kind].METRICS


def compute_metrics(rows: ScoredTracks, kind: Kind, threshold: float | np.ndarray) -> dict[str, float | None]:
    """Compute every metric.

    Parameters
    ----------
    rows : ScoredTracks
    kind : {"single", "multi"}
    threshold : float or np.ndarray [shape=(n_classes,)]
        From which score on a tag is given.

    Returns
    -------
    dict of str to float or None
        None where a figure is undefined; empty without rows.
    """
    if not len(rows):
        return {}
    return {
        name: _number(metric.function(preds=metric.prepare(rows.scores, kind, threshold), target=rows.target))
        for name, metric in get_metrics(kind).items()
    }


def with_intervals(
    rows: ScoredTracks, kind: Kind, threshold: float | np.ndarray, confidence: float
) -> dict[str, dict[str, float | None]]:
    """Compute every metric and how sure it is.

    Parameters
    ----------
    rows, kind, threshold
        As for `compute_metrics`.
    confidence : float

    Returns
    -------
    dict of str to dict
        ``{"value", "low", "high"}``; None where undefined, or of too few groups for an interval.
    """
    found: dict[str, dict[str, float | None]] = {}
    replicates = jackknife(rows.group, confidence)
    for name, value in compute_metrics(rows, kind, threshold).items():
        metric = get_metrics(kind)[name]
        preds = metric.prepare(rows.scores, kind, threshold)
        values = metric.over(preds, rows.target, replicates.group, replicates.counts)
        found[name] = replicates.estimate(values, 0, metric.most).to_dict() | {"value": value}
    return found


def mean_and_deviation(points: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    """Sum up figures of folds or of runs.

    Parameters
    ----------
    points : sequence of mapping
        Each as `compute_metrics` gives it.

    Returns
    -------
    dict of str to dict
        ``{"mean", "deviation", "n"}`` of each figure that is defined twice at least;
        the deviation is that of a sample (n - 1).

    Examples
    --------
    >>> mean_and_deviation([{"accuracy": 0.5}, {"accuracy": 0.7}])["accuracy"]
    {'mean': 0.6, 'deviation': 0.141421, 'n': 2}
    """
    found = {}
    for name in points[0]:
        values = [value for point in points if (value := point[name]) is not None]
        if len(values) > 1:
            mean, deviation = _number(float(np.mean(values))), _number(float(np.std(values, ddof=1)))
            found[name] = {"mean": mean, "deviation": deviation, "n": len(values)}
    return found


def baselines(rows: ScoredTracks, shares: Mapping[int, np.ndarray], kind: Kind) -> dict[str, ScoredTracks]:
    """Score the test tracks as trivial predictors would.

    Parameters
    ----------
    rows : ScoredTracks
    shares : mapping of int to np.ndarray [shape=(n_classes,)]
        Share of each class among a fold's training tracks.
    kind : {"single", "multi"}

    Returns
    -------
    dict of str to ScoredTracks
        ``majority``: the shares themselves, so that the label is the commonest
        class or the tags that most tracks carry; ``all_negative`` (several
        labels only): no tag at all.
    """
    absent = set(rows.fold.tolist()) - set(shares)
    if absent:
        raise DataError(f"splits: fold {min(absent)} has no training track; run split again")
    prior = np.stack([shares[f] for f in rows.fold.tolist()]) if len(rows) else rows.scores
    found = {"majority": prior}
    if kind == "multi":
        found["all_negative"] = np.zeros_like(rows.scores)
    return {
        n: ScoredTracks(rows.track_id, s, rows.target, rows.group, rows.content, rows.fold) for n, s in found.items()
    }


def per_class(
    rows: ScoredTracks, classes: tuple[str, ...], kind: Kind, threshold: float | np.ndarray
) -> dict[str, dict[str, float | None]]:
    """Compute precision, recall, F1, areas under curves, calibration error and support of each class.

    Returns
    -------
    dict of str to dict
        None where undefined: precision if the class was never named, recall, F1
        and average precision if no track has it, the area under the receiver
        operating curve if no track or every track has it.
    """
    named, true = labels(rows.scores, kind, threshold), rows.target > 0
    hits, n_named, n_true = (x.sum(axis=0).astype(float) for x in (named & true, named, true))
    present = n_true > 0
    precision = np.divide(hits, n_named, out=np.full(len(classes), np.nan), where=n_named > 0)
    recall = np.divide(hits, n_true, out=np.full(len(classes), np.nan), where=present)
    f1 = np.divide(2 * hits, n_named + n_true, out=np.full(len(classes), np.nan), where=present)
    ap = probabilities.average_precision(preds=rows.scores, target=rows.target)
    return {
        c: {
            "precision": _number(precision[i]),
            "recall": _number(recall[i]),
            "f1": _number(f1[i]),
            "ap": _number(ap[i]),
            "roc_auc": _number(_of_column(probabilities.roc_auc_macro, rows, i)),
            "calibration_error": _number(_of_column(probabilities.calibration_error, rows, i)),
            "support": int(n_true[i]),
        }
        for i, c in enumerate(classes)
    }


def confusion(rows: ScoredTracks, kind: Kind, threshold: float | np.ndarray) -> list[Any]:
    """Count what was named for what is true.

    Returns
    -------
    list
        Single: [true][named] counts, (n_classes, n_classes). Multi: for each
        class ``[[true negatives, false positives], [false negatives, true positives]]``.
    """
    named = labels(rows.scores, kind, threshold).astype(np.int64)
    if kind == "single":
        return (rows.target.astype(np.int64).T @ named).tolist()
    return multilabel_confusion_matrix(rows.target.astype(np.int64), named).tolist()


def summarise_undefined(rows: ScoredTracks, classes: tuple[str, ...], kind: Kind) -> dict[str, Any]:
    """Return what the figures leave out.

    Returns
    -------
    dict
        ``classes_without_positives`` and ``classes_without_negatives`` with their
        names and number, and ``tracks_without_labels``, each with the figures that leave them out.
    """
    n_positive = (rows.target > 0).sum(axis=0)
    empty = [c for c, n in zip(classes, n_positive, strict=True) if n == 0]
    unlabelled = int((~(rows.target > 0).any(axis=1)).sum())
    found: dict[str, Any] = {}
    if empty:
        found["classes_without_positives"] = {
            "n": len(empty),
            "classes": empty,
            "left_out_of": ["f1_macro", "map_macro", "roc_auc_macro"],
        }
    everywhere = [c for c, n in zip(classes, n_positive, strict=True) if len(rows) and n == len(rows)]
    if everywhere:
        found["classes_without_negatives"] = {
            "n": len(everywhere),
            "classes": everywhere,
            "left_out_of": ["roc_auc_macro"],
        }
    if unlabelled:
        found["tracks_without_labels"] = {"n": unlabelled, "left_out_of": ["cosine", "map_samples"]}
    if kind == "single" and len(classes) <= K:
        found["too_few_classes"] = {"n": len(classes), "left_out_of": [f"top_{K}"]}
    return found


def hierarchy(
    rows: ScoredTracks, classes: tuple[str, ...], kind: Kind, threshold: float, confidence: float
) -> dict[str, Any] | None:
    """Compute the F1 of a tree of classes.

    Parameters
    ----------
    rows, kind, threshold, confidence
        As for `with_intervals`.
    classes : tuple of str

    Returns
    -------
    dict or None
        ``value``, ``low``, ``high`` and ``n_nodes``; None if no class is a path such as ``rock---punk``.
    """
    if not any(tree.SEPARATOR in name for name in classes):
        return None
    ancestors, nodes = tree.lineage(classes)
    replicates = jackknife(rows.group, confidence)
    named = labels(rows.scores, kind, threshold)
    values = tree.hierarchical_f1(
        preds=named, target=rows.target, ancestors=ancestors, group=replicates.group, counts=replicates.counts
    )
    return {**replicates.estimate(values, 0, 1).to_dict(), "n_nodes": len(nodes)}


def _of_column(function: Callable[..., float], rows: ScoredTracks, i: int) -> float:
    return function(preds=rows.scores[:, [i]], target=rows.target[:, [i]])


def _number(value: float) -> float | None:
    """Round to what another machine's last bits leave alone; None for NaN."""
    return None if np.isnan(value) else round(float(value), 6)
