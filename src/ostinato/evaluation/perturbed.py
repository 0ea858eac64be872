"""Robustness to perturbed audio: a metric on clean clips and after each perturbation."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.audio.perturb import PERTURBATIONS, perturb
from ostinato.core.counts import format_count
from ostinato.errors import DataError
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.inference.model import ReleasedModel
from ostinato.metrics.jackknife import jackknife

CLEAN_KEY = "clean"


def score_clip(model: ReleasedModel, clip: tuple[np.ndarray, int], seed: int) -> dict[str, np.ndarray]:
    """Score a clip, clean and with each perturbation.

    Parameters
    ----------
    model : ReleasedModel
    clip : tuple of np.ndarray [shape=(n_samples,)] and int
        Waveform and sample rate in Hz.
    seed : int

    Returns
    -------
    dict of str to np.ndarray [shape=(n_classes,)]
        Scores, by `CLEAN_KEY` and the names of the perturbations.
    """
    y, sample_rate = clip
    scores = {CLEAN_KEY: model.scores(AudioContext(y, sample_rate))}
    for name in PERTURBATIONS:
        scores[name] = model.scores(AudioContext(perturb(name, y, sample_rate, seed), sample_rate))
    return scores


def compute_drops(
    rows: ScoredTracks, scores: Mapping[str, np.ndarray], model: ReleasedModel, metric: str, confidence: float
) -> dict[str, Any]:
    """Compute the drop of a metric under each perturbation.

    Parameters
    ----------
    rows : ScoredTracks
        The clips; their scores are ignored.
    scores : mapping of str to np.ndarray [shape=(n_clips, n_classes)]
        By perturbation and `CLEAN_KEY`.
    model : ReleasedModel
    metric : str
        A metric of the model's task.
    confidence : float
        Confidence of the paired intervals.

    Returns
    -------
    dict
        ``metric``, ``n_tracks``, ``clean``, and ``perturbed``: by name ``value``,
        ``drop`` (positive: worse, also if lower values are better), ``low`` and ``high``
        of the drop, None with too few groups.

    Raises
    ------
    DataError
        If the metric is undefined on these clips.
    """
    function = get_metrics(model.kind)[metric]
    replicates = jackknife(rows.group, confidence)
    values = {
        name: function.compute(
            function.prepare(s, model.kind, model.thresholds), rows.target, replicates.group, replicates.counts
        )
        for name, s in scores.items()
    }
    sign = 1 if function.higher_is_better else -1

    if np.isnan([v[0] for v in values.values()]).any():
        raise DataError(f"{metric} is undefined on {format_count(len(rows), 'clip')}; take more of them (--clips)")

    def compute_drop(name: str) -> dict[str, float | None]:
        drop = replicates.estimate(sign * (values[CLEAN_KEY] - values[name]))
        numbers = {"value": values[name][0], "drop": drop.value, "low": drop.low, "high": drop.high}
        return {k: None if np.isnan(v) else round(float(v), 6) for k, v in numbers.items()}

    drops = {name: compute_drop(name) for name in scores if name != CLEAN_KEY}
    return {
        "metric": metric,
        "n_tracks": len(rows),
        "clean": round(float(values[CLEAN_KEY][0]), 6),
        "perturbed": drops,
    }


def format_markdown(result: Mapping[str, Any]) -> str:
    """Format the result of `compute_drops` as a table, the largest drop first."""
    lines = [f"{result['metric']} of {format_count(result['n_tracks'], 'clean clip')}: {result['clean']:.4f}", ""]
    lines += ["| perturbation | value | drop | interval |", "|---|---:|---:|---|"]
    for name, row in sorted(result["perturbed"].items(), key=lambda item: -item[1]["drop"]):
        interval = "" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}"
        lines.append(f"| {name} | {row['value']:.4f} | {row['drop']:+.4f} | {interval} |")
    return "\n".join(lines) + "\n"


def score_all_clips(
    model: ReleasedModel, rows: ScoredTracks, load: Callable[[str], tuple[np.ndarray, int]], seed: int
) -> dict[str, np.ndarray]:
    """Score all clips, decoding each once.

    Parameters
    ----------
    model : ReleasedModel
    rows : ScoredTracks
    load : callable
        Decodes a track, by its id.
    seed : int

    Returns
    -------
    dict of str to np.ndarray [shape=(n_clips, n_classes)]
    """
    clips = [score_clip(model, load(str(track_id)), seed + i) for i, track_id in enumerate(rows.track_id)]
    return {name: np.stack([clip[name] for clip in clips]) for name in (CLEAN_KEY, *PERTURBATIONS)}
