"""Checks of a release beyond the gate: rules that need the exported file, or the model that it would replace."""

import hashlib
import re
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.evaluation import paired
from ostinato.evaluation.paired import Difference
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.io.files import read_json, read_parquet
from ostinato.io.versions import check_digests, list_model_files
from ostinato.metrics.jackknife import MIN_GROUPS
from ostinato.release.rules import RuleResult, at_most

TOO_FEW = f"the tracks that both were tested on are of fewer than {MIN_GROUPS} artists; add tracks of others"
NETWORK, MODEL, TEST = "network.onnx", "model.json", "test.parquet"
NON_COMMERCIAL = re.compile(
    r"\bNC\b|non-?\s?commercial|research[- ]only|(research|academic) (use|purposes)", re.IGNORECASE
)
"""What licences say that forbid commercial use; the Academic Free License does not."""


def check_exported_file(
    paths: Paths, name: str, bounds: Mapping[str, float], use: str = "research"
) -> list[RuleResult]:
    """Judge a candidate's exported file: parity, size, licences, and latency and robustness where they are bounded.

    Parameters
    ----------
    paths : Paths
    name : str
        The candidate.
    bounds : mapping of str to float
        By `release.rules.release_bounds`.
    use : {"research", "commercial"}
        What the release is for.

    Returns
    -------
    list of RuleResult
    """
    folder = paths.onnx(name)
    n_bytes = sum((folder / file).stat().st_size for file in list_model_files(folder) if file != MODEL)
    answers = file_rules(read_json(folder / "export.json"), n_bytes, bounds)
    answers += license_rules(read_json(folder / MODEL), use)
    if "latency_ms" in bounds:
        from ostinato.inference import latency

        taken = latency.compute_latency_ms(folder)
        answers.append(at_most("latency_ms", taken, bounds["latency_ms"], f"one chunk takes {taken:.2f} ms,"))
    if "robustness" in bounds:
        path, digest = paths.robustness(name), hashlib.sha256((folder / NETWORK).read_bytes()).hexdigest()
        measured = read_json(path) if path.exists() else None
        answers.append(robustness_rule(measured, name, digest, bounds["robustness"]))
    return answers


def find_damage(folder: Path) -> str | None:
    """Return which file of a released model is not the one that was released; None if all are."""
    try:
        check_digests(folder)
    except OstinatoError as error:
        return str(error)
    return None


def compare_with_released(
    folder: Path, onnx: Path, rows: ScoredTracks, params: Params, metric: str, bounds: Mapping[str, float]
) -> tuple[str | None, list[RuleResult]]:
    """Compare with what is released: what forbids comparing, or the rules that compare.

    Parameters
    ----------
    folder, onnx : Path
        Of the released model and of the new one.
    rows : ScoredTracks
        Test tracks of the new one.
    params : Params
        With seed and evaluate.
    metric : str
        The one that leads the task.
    bounds : mapping of str to float
        By `release.rules.release_bounds`.

    Returns
    -------
    str or None, list of RuleResult
    """
    if damage := find_damage(folder):
        return damage, []
    new, old = read_json(onnx / MODEL), read_json(folder / MODEL)
    obstacle = incomparable(new, old)
    if obstacle:
        return obstacle, []
    difference = paired.compare(
        rows,
        read_parquet(folder / TEST),
        new["kind"],
        metric,
        threshold=params.evaluate.threshold,
        confidence=params.evaluate.confidence,
    )
    if difference is None:
        return "no track was a test track of both", []
    answers = [drop_rule(difference, metric, bounds["drop"])]
    if "latency_ratio" in bounds:
        from ostinato.inference import latency

        ratio = latency.compute_latency_ratio(onnx, folder)
        shown = f"one chunk takes {ratio:.2f} times as long as before,"
        answers.append(at_most("latency_ratio", ratio, bounds["latency_ratio"], shown))
    return None, answers


def file_rules(export: dict[str, Any], n_bytes: int, bounds: Mapping[str, float]) -> list[RuleResult]:
    """Judge the exported file by itself.

    Parameters
    ----------
    export : dict
        models/onnx/<name>/export.json.
    n_bytes : int
        Size of network.onnx and of the encoders beside it.
    bounds : mapping of str to float
        By `rules.release_bounds`.

    Returns
    -------
    list of RuleResult
    """
    return [
        at_most("parity", export["parity"], bounds["parity"], f"parity {export['parity']:.2g} is"),
        at_most("bytes", n_bytes, bounds["bytes"], f"{n_bytes:,} bytes are"),
    ]


def license_rules(about: Mapping[str, Any], use: str) -> list[RuleResult]:
    """Ask whether the licences of the encoders that a model reads allow what it is released for.

    Parameters
    ----------
    about : mapping
        model.json.
    use : {"research", "commercial"}

    Returns
    -------
    list of RuleResult
        One an encoder; none for research.

    Examples
    --------
    >>> license_rules({"encoders": {"effnet": {"license": "CC BY-NC-SA 4.0"}}}, "commercial")[0].reason
    'the licence of effnet, CC BY-NC-SA 4.0, forbids commercial use'
    """
    if use != "commercial":
        return []
    answers = []
    for name, encoder in about.get("encoders", {}).items():
        text = encoder.get("license")
        kept = bool(text) and not NON_COMMERCIAL.search(text)
        verdict = "says nothing against commercial use" if kept else "forbids commercial use"
        reason = f"the licence of {name}, {text}, {verdict}" if text else f"the licence of {name} is not known"
        answers.append(RuleResult("license", kept, None, None, reason))
    return answers


def robustness_rule(measured: Mapping[str, Any] | None, name: str, network: str, bound: float) -> RuleResult:
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
    RuleResult
        Not kept if it was not measured, or of another file.
    """
    if measured is None or measured["network"] != network:
        why = "was not measured" if measured is None else "was measured of another file"
        reason = f"robustness {why}; run `ostinato robustness {name}`"
        return RuleResult("robustness", False, None, bound, reason)
    worst, found = max(measured["perturbed"].items(), key=lambda item: item[1]["drop"])
    shown = f"{measured['metric']} falls by {found['drop']:.4f} at worst, under {worst}:"
    return at_most("robustness", found["drop"], bound, shown)


def drop_rule(difference: Difference, metric: str, max_drop: float) -> RuleResult:
    """Judge the difference by a non-inferiority margin: its interval may not reach below the allowed drop.

    Parameters
    ----------
    difference : Difference
    metric : str
    max_drop : float
        How far the lower end may lie below no difference.

    Returns
    -------
    RuleResult
        Not kept where there is no interval. Where the figure itself is within the margin, the reason says of how
        many groups an interval would be narrow enough, as it narrows with their square root.
    """
    if np.isnan(difference.low):
        return RuleResult("drop", False, None, -max_drop, f"{metric} has no interval: {TOO_FEW}")
    kept = difference.low >= -max_drop
    bound = f"{'no lower than' if kept else 'below'} {-max_drop or 0:g}"
    reason = f"{metric} against the released one: {difference}; the lower end is {bound}"
    room, width = difference.value + max_drop, difference.value - difference.low
    if not kept and room > 0:
        n_groups = ceil(difference.n_groups * (width / room) ** 2)
        reason += f", though the figure is not: too few test groups to decide, some {n_groups:,} would"
    return RuleResult("drop", kept, difference.low, -max_drop, reason)


def incomparable(new: dict[str, Any], old: dict[str, Any]) -> str | None:
    """Return why two models cannot be compared, if they cannot.

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
