"""Metrics of a candidate: overall with intervals, per class, and of trivial baselines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from ostinato.metrics.replicates import Metric, ratio

FAMILIES: dict[str, ModuleType] = {"single": single, "multi": multi, "embedding": embedding}


def get_metrics(kind: Kind) -> dict[str, Metric]:
    """Return the metrics of a kind of task."""
    return FAMILIES[kind].METRICS


def compute_metrics(rows: ScoredTracks, kind: Kind, threshold: float | np.ndarray) -> dict[str, float | None]:
    """Compute all metrics.

    Parameters
    ----------
    rows : ScoredTracks
    kind : {"single", "multi"}
    threshold : float or np.ndarray [shape=(n_classes,)]
        Minimum score of a tag.

    Returns
    -------
    dict of str to float or None
        None where undefined; empty without rows.
    """
    if not len(rows):
        return {}
    return {
        name: _number(metric.function(preds=metric.prepare(rows.scores, kind, threshold), target=rows.target))
        for name, metric in get_metrics(kind).items()
    }


def compute_intervals(
    rows: ScoredTracks, kind: Kind, threshold: float | np.ndarray, confidence: float
) -> dict[str, dict[str, float | None]]:
    """Compute all metrics with confidence intervals.

    Parameters
    ----------
    rows, kind, threshold
        As for `compute_metrics`.
    confidence : float

    Returns
    -------
    dict of str to dict
        ``{"value", "low", "high"}``; None where undefined, or with too few groups for an interval.
    """
    intervals: dict[str, dict[str, float | None]] = {}
    replicates = jackknife(rows.group, confidence)
    for name, value in compute_metrics(rows, kind, threshold).items():
        metric = get_metrics(kind)[name]
        preds = metric.prepare(rows.scores, kind, threshold)
        values = metric.compute(preds, rows.target, replicates.group, replicates.counts)
        intervals[name] = replicates.estimate(values, 0, metric.maximum).to_dict() | {"value": value}
    return intervals


def compute_mean_and_deviation(points: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    """Compute mean and standard deviation of metrics over folds or runs.

    Parameters
    ----------
    points : sequence of mapping
        Metrics of each fold or run, from `compute_metrics`.

    Returns
    -------
    dict of str to dict
        ``{"mean", "deviation", "n"}`` of each metric that is defined at least twice;
        the deviation is that of a sample (n - 1).

    Examples
    --------
    >>> compute_mean_and_deviation([{"accuracy": 0.5}, {"accuracy": 0.7}])["accuracy"]
    {'mean': 0.6, 'deviation': 0.141421, 'n': 2}
    """
    summary = {}
    for name in points[0]:
        values = [value for point in points if (value := point[name]) is not None]
        if len(values) > 1:
            mean, deviation = _number(float(np.mean(values))), _number(float(np.std(values, ddof=1)))
            summary[name] = {"mean": mean, "deviation": deviation, "n": len(values)}
    return summary


def score_baselines(rows: ScoredTracks, shares: Mapping[int, np.ndarray], kind: Kind) -> dict[str, ScoredTracks]:
    """Score the test tracks by trivial predictors.

    Parameters
    ----------
    rows : ScoredTracks
    shares : mapping of int to np.ndarray [shape=(n_classes,)]
        Share of each class among a fold's training tracks.
    kind : {"single", "multi"}

    Returns
    -------
    dict of str to ScoredTracks
        ``majority``: the shares, which predict the most frequent class, or the tags
        of more than half of the tracks; ``all_negative`` (multi-label only): no tags.
    """
    missing = set(rows.fold.tolist()) - set(shares)
    if missing:
        raise DataError(f"splits: fold {min(missing)} has no training track; run split again")
    prior = np.stack([shares[f] for f in rows.fold.tolist()]) if len(rows) else rows.scores
    scores = {"majority": prior}
    if kind == "multi":
        scores["all_negative"] = np.zeros_like(rows.scores)
    return {name: replace(rows, scores=values) for name, values in scores.items()}


def compute_per_class(
    rows: ScoredTracks, classes: tuple[str, ...], kind: Kind, threshold: float | np.ndarray
) -> dict[str, dict[str, float | None]]:
    """Compute the metrics of each class: precision, recall, F1, AP, ROC AUC, calibration error and support.

    Returns
    -------
    dict of str to dict
        None where undefined: precision if the class is never predicted, recall, F1 and
        AP if no track has it, ROC AUC if no track or every track has it.
    """
    predicted, true = labels(rows.scores, kind, threshold), rows.target > 0
    hits, n_predicted, n_true = (x.sum(axis=0).astype(float) for x in (predicted & true, predicted, true))
    has_positives = n_true > 0
    precision = ratio(hits, n_predicted)
    recall = ratio(hits, n_true)
    f1 = np.where(has_positives, ratio(2 * hits, n_predicted + n_true), np.nan)
    ap = probabilities.average_precision(preds=rows.scores, target=rows.target)
    return {
        c: {
            "precision": _number(precision[i]),
            "recall": _number(recall[i]),
            "f1": _number(f1[i]),
            "ap": _number(ap[i]),
            "roc_auc": _number(_compute_column(probabilities.roc_auc_macro, rows, i)),
            "calibration_error": _number(_compute_column(probabilities.calibration_error, rows, i)),
            "support": int(n_true[i]),
        }
        for i, c in enumerate(classes)
    }


def count_confusion(rows: ScoredTracks, kind: Kind, threshold: float | np.ndarray) -> list[Any]:
    """Compute the confusion matrix.

    Returns
    -------
    list
        Single: counts by [true][predicted], (n_classes, n_classes). Multi: for each
        class ``[[true negatives, false positives], [false negatives, true positives]]``.
    """
    predicted = labels(rows.scores, kind, threshold).astype(np.int64)
    if kind == "single":
        return (rows.target.astype(np.int64).T @ predicted).tolist()
    return multilabel_confusion_matrix(rows.target.astype(np.int64), predicted).tolist()


def summarise_undefined(rows: ScoredTracks, classes: tuple[str, ...], kind: Kind) -> dict[str, Any]:
    """List the classes and tracks that metrics leave out.

    Returns
    -------
    dict
        ``classes_without_positives`` and ``classes_without_negatives`` with their names and
        number, ``tracks_without_labels`` and ``too_few_classes``, each with the metrics that
        leave them out; only those that exist.
    """
    n_positive = (rows.target > 0).sum(axis=0)
    empty = [c for c, n in zip(classes, n_positive, strict=True) if n == 0]
    unlabelled = int((~(rows.target > 0).any(axis=1)).sum())
    undefined: dict[str, Any] = {}
    if empty:
        undefined["classes_without_positives"] = {
            "n": len(empty),
            "classes": empty,
            "left_out_of": ["f1_macro", "map_macro", "roc_auc_macro"],
        }
    everywhere = [c for c, n in zip(classes, n_positive, strict=True) if len(rows) and n == len(rows)]
    if everywhere:
        undefined["classes_without_negatives"] = {
            "n": len(everywhere),
            "classes": everywhere,
            "left_out_of": ["roc_auc_macro"],
        }
    if unlabelled:
        undefined["tracks_without_labels"] = {"n": unlabelled, "left_out_of": ["cosine", "map_samples"]}
    if kind == "single" and len(classes) <= K:
        undefined["too_few_classes"] = {"n": len(classes), "left_out_of": [f"top_{K}"]}
    return undefined


def compute_hierarchical_f1(
    rows: ScoredTracks, classes: tuple[str, ...], kind: Kind, threshold: float, confidence: float
) -> dict[str, Any] | None:
    """Compute the hierarchical F1 of a tree of classes.

    Parameters
    ----------
    rows, kind, threshold, confidence
        As for `compute_intervals`.
    classes : tuple of str

    Returns
    -------
    dict or None
        ``value``, ``low``, ``high`` and ``n_nodes``; None if no class is a path such as ``rock---punk``.
    """
    if not any(tree.SEPARATOR in name for name in classes):
        return None
    ancestors, nodes = tree.find_ancestors(classes)
    replicates = jackknife(rows.group, confidence)
    predicted = labels(rows.scores, kind, threshold)
    values = tree.hierarchical_f1(
        preds=predicted, target=rows.target, ancestors=ancestors, group=replicates.group, counts=replicates.counts
    )
    return {**replicates.estimate(values, 0, 1).to_dict(), "n_nodes": len(nodes)}


def _compute_column(metric: Callable[..., float], rows: ScoredTracks, i: int) -> float:
    return metric(preds=rows.scores[:, [i]], target=rows.target[:, [i]])


def _number(value: float) -> float | None:
    """Round, to be the same on other machines; None for NaN."""
    return None if np.isnan(value) else round(float(value), 6)
