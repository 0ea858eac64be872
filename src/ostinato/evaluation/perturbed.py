"""Robustness to worse sound: the metric on clips as they are and after each perturbation."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.audio.perturb import PERTURBATIONS, perturb
from ostinato.errors import DataError
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.inference.model import ReleasedModel
from ostinato.metrics.jackknife import jackknife

CLEAN = "clean"


def score_clip(model: ReleasedModel, clip: tuple[np.ndarray, int], seed: int) -> dict[str, np.ndarray]:
    """Ask a model about a clip as it is, and perturbed.

    Parameters
    ----------
    model : ReleasedModel
    clip : tuple of np.ndarray [shape=(n_samples,)] and int
        Waveform and its rate in Hz.
    seed : int

    Returns
    -------
    dict of str to np.ndarray [shape=(n_classes,)]
        Scores, by `CLEAN` and the names of the perturbations.
    """
    y, sample_rate = clip
    found = {CLEAN: model.scores(AudioContext(y, sample_rate))}
    for name in PERTURBATIONS:
        found[name] = model.scores(AudioContext(perturb(name, y, sample_rate, seed), sample_rate))
    return found


def judge(
    rows: ScoredTracks, scores: Mapping[str, np.ndarray], model: ReleasedModel, metric: str, confidence: float
) -> dict[str, Any]:
    """Compute the drop under each perturbation.

    Parameters
    ----------
    rows : ScoredTracks
        The clips; their own scores are not looked at.
    scores : mapping of str to np.ndarray [shape=(n_clips, n_classes)]
        By perturbation, and `CLEAN`.
    model : ReleasedModel
    metric : str
        Of the model's task.
    confidence : float
        Of the paired intervals.

    Returns
    -------
    dict
        ``metric``, ``n_tracks``, ``clean``, and ``perturbed``: by name ``value``,
        ``drop`` (more is worse, whichever way the metric is better), ``low``, ``high`` of the
        drop, None where there are too few groups.

    Raises
    ------
    DataError
        If the metric is undefined on these clips.
    """
    measure = get_metrics(model.kind)[metric]
    replicates = jackknife(rows.group, confidence)
    drawn = {
        name: measure.over(
            measure.prepare(s, model.kind, model.thresholds), rows.target, replicates.group, replicates.counts
        )
        for name, s in scores.items()
    }
    sign = 1 if measure.higher_is_better else -1

    if np.isnan([values[0] for values in drawn.values()]).any():
        raise DataError(f"{metric} is undefined on {len(rows)} clips; take more of them (--clips)")

    def drop(name: str) -> dict[str, float | None]:
        fall = replicates.estimate(sign * (drawn[CLEAN] - drawn[name]))
        numbers = {"value": drawn[name][0], "drop": fall.value, "low": fall.low, "high": fall.high}
        return {k: None if np.isnan(v) else round(float(v), 6) for k, v in numbers.items()}

    found = {name: drop(name) for name in scores if name != CLEAN}
    return {"metric": metric, "n_tracks": len(rows), "clean": round(float(drawn[CLEAN][0]), 6), "perturbed": found}


def markdown(found: Mapping[str, Any]) -> str:
    """Put what `judge` found into a table, the worst first."""
    lines = [f"{found['metric']} of {found['n_tracks']} clips as they are: {found['clean']:.4f}", ""]
    lines += ["| perturbation | figure | drop | interval |", "|---|---:|---:|---|"]
    for name, f in sorted(found["perturbed"].items(), key=lambda item: -item[1]["drop"]):
        between = "" if f["low"] is None else f"{f['low']:+.4f} to {f['high']:+.4f}"
        lines.append(f"| {name} | {f['value']:.4f} | {f['drop']:+.4f} | {between} |")
    return "\n".join(lines) + "\n"


def score_all_clips(
    model: ReleasedModel, rows: ScoredTracks, load: Callable[[str], tuple[np.ndarray, int]], seed: int
) -> dict[str, np.ndarray]:
    """Ask about every clip, decoding each once.

    Parameters
    ----------
    model : ReleasedModel
    rows : ScoredTracks
    load : callable
        Decodes a track by its id.
    seed : int

    Returns
    -------
    dict of str to np.ndarray [shape=(n_clips, n_classes)]
    """
    clips = [score_clip(model, load(str(track_id)), seed + i) for i, track_id in enumerate(rows.track_id)]
    return {name: np.stack([clip[name] for clip in clips]) for name in (CLEAN, *PERTURBATIONS)}
