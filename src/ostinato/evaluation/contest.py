"""May a candidate replace what is in service: the rules that need both, on tracks neither was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from ostinato.contract.scores import Kind
from ostinato.evaluation.candidate.figures import family
from ostinato.evaluation.candidate.judged import Judged
from ostinato.evaluation.rules import Answer, at_most
from ostinato.metrics.jackknife import MIN_GROUPS, jackknife

TOO_FEW = f"the tracks that both were tested on are of fewer than {MIN_GROUPS} artists; add tracks of others"


@dataclass(frozen=True)
class Difference:
    """How much better the new one is, on the tracks that both were tested on.

    Parameters
    ----------
    value, low, high : float
        New minus released, turned so that more is better.
    n_tracks, n_groups : int
    """

    value: float
    low: float
    high: float
    n_tracks: int
    n_groups: int

    def __str__(self) -> str:
        where = f"{self.n_tracks} tracks of {self.n_groups} groups"
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}] on {where} that neither was trained on"


def kept(rows: Judged) -> pd.DataFrame:
    """Make the table by which a released model is compared with later ones.

    Parameters
    ----------
    rows : Judged
        Its test tracks.

    Returns
    -------
    DataFrame
        track_id, content_hash, scores.
    """
    return pd.DataFrame(
        {
            "track_id": rows.track_id.astype(str),
            "content_hash": rows.content.astype(str),
            "scores": [s.astype(np.float32) for s in rows.scores],
        }
    )


def shared(new: Judged, old: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Find the test tracks of both that hold the same audio.

    Parameters
    ----------
    new : Judged
    old : DataFrame
        What `kept` made of another's test tracks.

    Returns
    -------
    np.ndarray, np.ndarray [shape=(n_shared,), dtype=int64]
        Their rows in `new` and in `old`.
    """
    position = {key: i for i, key in enumerate(zip(old["track_id"], old["content_hash"], strict=True))}
    pairs = [(i, position[k]) for i, k in enumerate(zip(new.track_id, new.content, strict=True)) if k in position]
    mine, theirs = np.array(pairs, np.int64).reshape(-1, 2).T
    return mine, theirs


def paired(
    new: Judged,
    old: pd.DataFrame,
    kind: Kind,
    metric: str,
    *,
    threshold: float,
    confidence: float,
) -> Difference | None:
    """Compare two models on the same tracks, drawing the same groups for both.

    Parameters
    ----------
    new : Judged
        Test tracks of the new one, with today's labels and groups.
    old : DataFrame
        What `kept` made of the released one's test tracks.
    kind : {"single", "multi"}
    metric : str
    threshold, confidence
        As in params.yaml: evaluate.

    Returns
    -------
    Difference or None
        None if they share no test track with the same audio.
    """
    mine, theirs = shared(new, old)
    if not len(mine):
        return None
    replicates, measure = jackknife(new.group[mine], confidence), family(kind)[metric]
    both = (new.scores[mine], np.stack(old["scores"].to_list())[theirs].astype(np.float64))
    figures = [
        measure.over(measure.prepare(s, kind, threshold), new.target[mine], replicates.group, replicates.counts)
        for s in both
    ]
    gain = replicates.estimate((figures[0] - figures[1]) * (1 if measure.higher_is_better else -1))
    return Difference(*gain, len(mine), replicates.n_groups)


def file_rules(export: dict[str, Any], n_bytes: int, bounds: Mapping[str, float]) -> list[Answer]:
    """Judge the exported file by itself.

    Parameters
    ----------
    export : dict
        models/onnx/<name>/export.json.
    n_bytes : int
        Size of network.onnx.
    bounds : mapping of str to float
        By `rules.release_bounds`.

    Returns
    -------
    list of Answer
    """
    return [
        at_most("parity", export["parity"], bounds["parity"], f"parity {export['parity']:.2g} is"),
        at_most("bytes", n_bytes, bounds["bytes"], f"{n_bytes:,} bytes are"),
    ]


def robustness_rule(measured: Mapping[str, Any] | None, name: str, network: str, bound: float) -> Answer:
    """Judge how much worse a file is on worse sound.

    Parameters
    ----------
    measured : mapping or None
        models/robustness/<name>.json, if it is there.
    name : str
        The candidate.
    network : str
        SHA-256 of the file that is to be released.
    bound : float
        How far the figure may fall under any perturbation.

    Returns
    -------
    Answer
        Not kept if it was not measured, or of another file.
    """
    if measured is None or measured["network"] != network:
        why = "was not measured" if measured is None else "was measured of another file"
        reason = f"robustness {why}; run `ostinato robustness {name}`"
        return Answer("robustness", False, None, bound, reason)
    worst, found = max(measured["perturbed"].items(), key=lambda item: item[1]["drop"])
    shown = f"{measured['metric']} falls by {found['drop']:.4f} at worst, under {worst}:"
    return at_most("robustness", found["drop"], bound, shown)


def drop_rule(difference: Difference, metric: str, max_drop: float) -> Answer:
    """Judge the difference by a non-inferiority margin: its interval may not reach below the allowed drop.

    Parameters
    ----------
    difference : Difference
    metric : str
    max_drop : float
        How far the lower end may lie below no difference.

    Returns
    -------
    Answer
        Not kept where there is no interval. Where the figure itself is within the margin, the reason says of how
        many groups an interval would be narrow enough, as it narrows with their square root.
    """
    if np.isnan(difference.low):
        return Answer("drop", False, None, -max_drop, f"{metric} has no interval: {TOO_FEW}")
    kept = difference.low >= -max_drop
    bound = f"{'no lower than' if kept else 'below'} {-max_drop or 0:g}"
    reason = f"{metric} against the released one: {difference}; the lower end is {bound}"
    room, width = difference.value + max_drop, difference.value - difference.low
    if not kept and room > 0:
        n_groups = ceil(difference.n_groups * (width / room) ** 2)
        reason += f", though the figure is not: too few test groups to decide, some {n_groups:,} would"
    return Answer("drop", kept, difference.low, -max_drop, reason)


def incomparable(new: dict[str, Any], old: dict[str, Any]) -> str | None:
    """Say why two models cannot be compared, if they cannot.

    Parameters
    ----------
    new, old : dict
        Their model.json.
    """
    if new["dataset"]["name"] != old["dataset"]["name"]:
        return f"trained on {new['dataset']['name']}, the released one on {old['dataset']['name']}"
    if new["classes"] != old["classes"]:
        gone = sorted(set(old["classes"]) - set(new["classes"]))
        come = sorted(set(new["classes"]) - set(old["classes"]))
        return f"other classes than the released one (gone: {', '.join(gone) or '-'}; new: {', '.join(come) or '-'})"
    return None
