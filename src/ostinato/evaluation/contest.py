"""May a candidate replace what is in service: the rules that need both, on tracks neither was trained on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ostinato.evaluation.figures import family
from ostinato.evaluation.judged import Judged
from ostinato.metrics import _bootstrap
from ostinato.scores import Kind


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


def paired(
    new: Judged,
    old: pd.DataFrame,
    kind: Kind,
    metric: str,
    *,
    threshold: float,
    n_resamples: int,
    level: float,
    seed: int,
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
    threshold, n_resamples, level, seed
        As in params.yaml: evaluate.

    Returns
    -------
    Difference or None
        None if they share no test track with the same audio.
    """
    position = {key: i for i, key in enumerate(zip(old["track_id"], old["content_hash"], strict=True))}
    pairs = [(i, position[k]) for i, k in enumerate(zip(new.track_id, new.content, strict=True)) if k in position]
    if not pairs:
        return None
    mine, theirs = np.array(pairs).T
    group, counts = _bootstrap.draw(new.group[mine], n_resamples, seed)
    everything = np.vstack([np.ones((1, counts.shape[1]), np.int64), counts])
    measure = family(kind)[metric]
    both = (new.scores[mine], np.stack(old["scores"].to_list())[theirs].astype(np.float64))
    figures = [measure.over(measure.prepare(s, kind, threshold), new.target[mine], group, everything) for s in both]
    gain = (figures[0] - figures[1]) * (1 if measure.higher_is_better else -1)
    low, high = _bootstrap.interval(gain[1:], level)
    return Difference(float(gain[0]), low, high, len(pairs), counts.shape[1])


def file_rules(export: dict[str, Any], n_bytes: int, rules: Any) -> list[tuple[bool, str]]:
    """Judge the exported file by itself.

    Parameters
    ----------
    export : dict
        models/onnx/<name>/export.json.
    n_bytes : int
        Size of network.onnx.
    rules : object
        params.yaml: release.

    Returns
    -------
    list of (bool, str)
        Whether each rule is kept, and its figures.
    """
    parity, kept_parity = export["parity"], export["parity"] <= rules.parity
    fits = n_bytes <= rules.max_bytes
    return [
        (kept_parity, f"parity {parity:.2g} is {'at most' if kept_parity else 'above'} {rules.parity:g}"),
        (fits, f"{n_bytes:,} bytes are {'at most' if fits else 'above'} {rules.max_bytes:,}"),
    ]


def drop_rule(difference: Difference, metric: str, max_drop: float) -> tuple[bool, str]:
    """Judge the difference: its interval may not reach below the allowed drop.

    Parameters
    ----------
    difference : Difference
    metric : str
    max_drop : float
        How far the lower end may lie below no difference.

    Returns
    -------
    bool, str
    """
    passed = difference.low >= -max_drop
    bound = f"{'no lower than' if passed else 'below'} {-max_drop or 0:g}"
    return passed, f"{metric} against the released one: {difference}; the lower end is {bound}"


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
