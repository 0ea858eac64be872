"""Release rules beyond the gate: those that need the exported file or the model it would replace."""

import hashlib
import re
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.evaluation import paired
from ostinato.evaluation.paired import Difference
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.io.files import read_json, read_parquet
from ostinato.io.versions import find_damage, list_model_files
from ostinato.metrics.jackknife import MIN_GROUPS
from ostinato.release.rules import RuleResult, at_most

TOO_FEW = f"the test tracks of both come from fewer than {MIN_GROUPS} artists; add tracks of other artists"
NETWORK, MODEL, TEST = "network.onnx", "model.json", "test.parquet"
NON_COMMERCIAL_TERMS = re.compile(
    r"\bNC\b|non-?\s?commercial|research[- ]only|(research|academic) (use|purposes)", re.IGNORECASE
)
"""Wording of licences that forbid commercial use; the Academic Free License does not match."""


def check_exported_file(
    paths: Paths, name: str, bounds: Mapping[str, float], use: str = "research"
) -> list[RuleResult]:
    """Check a candidate's exported file: parity, size, licences, and latency and robustness where bounded.

    Parameters
    ----------
    paths : Paths
    name : str
        The candidate.
    bounds : mapping of str to float
        By `release.rules.release_bounds`.
    use : {"research", "commercial"}
        Intended use of the release.

    Returns
    -------
    list of RuleResult
    """
    folder = paths.onnx(name)
    n_bytes = sum((folder / file).stat().st_size for file in list_model_files(folder) if file != MODEL)
    results = file_rules(read_json(folder / "export.json"), n_bytes, bounds)
    results += license_rules(read_json(folder / MODEL), use)
    if "latency_ms" in bounds:
        from ostinato.inference import latency

        latency_ms = latency.compute_latency_ms(folder)
        results.append(at_most("latency_ms", latency_ms, bounds["latency_ms"], f"one chunk takes {latency_ms:.2f} ms,"))
    if "robustness" in bounds:
        path, digest = paths.robustness(name), hashlib.sha256((folder / NETWORK).read_bytes()).hexdigest()
        robustness = read_json(path) if path.exists() else None
        results.append(robustness_rule(robustness, name, digest, bounds["robustness"]))
    return results


def compare_with_released(
    folder: Path, onnx: Path, rows: ScoredTracks, params: Params, metric: str, bounds: Mapping[str, float]
) -> tuple[str | None, list[RuleResult]]:
    """Compare a new model with the released one.

    Parameters
    ----------
    folder, onnx : Path
        Folders of the released model and of the new one.
    rows : ScoredTracks
        Test tracks of the new model.
    params : Params
        With seed and evaluate.
    metric : str
        The leading metric of the task.
    bounds : mapping of str to float
        By `release.rules.release_bounds`.

    Returns
    -------
    obstacle : str or None
        Why they cannot be compared, if they cannot.
    results : list of RuleResult
    """
    if damage := find_damage(folder):
        return damage, []
    new, old = read_json(onnx / MODEL), read_json(folder / MODEL)
    obstacle = find_incompatibility(new, old)
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
        return "no track was tested with both", []
    results = [drop_rule(difference, metric, bounds["drop"])]
    if "latency_ratio" in bounds:
        from ostinato.inference import latency

        ratio = latency.compute_latency_ratio(onnx, folder)
        text = f"one chunk takes {ratio:.2f} times as long as before,"
        results.append(at_most("latency_ratio", ratio, bounds["latency_ratio"], text))
    return None, results


def file_rules(export: dict[str, Any], n_bytes: int, bounds: Mapping[str, float]) -> list[RuleResult]:
    """Check parity and size of the exported file.

    Parameters
    ----------
    export : dict
        models/onnx/<name>/export.json.
    n_bytes : int
        Total size of network.onnx and its encoders.
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


def license_rules(metadata: Mapping[str, Any], use: str) -> list[RuleResult]:
    """Check that the licences of a model's encoders allow its intended use.

    Parameters
    ----------
    metadata : mapping
        model.json.
    use : {"research", "commercial"}

    Returns
    -------
    list of RuleResult
        One per encoder; none for research.

    Examples
    --------
    >>> license_rules({"encoders": {"effnet": {"license": "CC BY-NC-SA 4.0"}}}, "commercial")[0].reason
    'the licence of effnet, CC BY-NC-SA 4.0, forbids commercial use'
    """
    if use != "commercial":
        return []
    results = []
    for name, encoder in metadata.get("encoders", {}).items():
        text = encoder.get("license")
        passed = bool(text) and not NON_COMMERCIAL_TERMS.search(text)
        verdict = "does not forbid commercial use" if passed else "forbids commercial use"
        reason = f"the licence of {name}, {text}, {verdict}" if text else f"the licence of {name} is unknown"
        results.append(RuleResult("license", passed, None, None, reason))
    return results


def robustness_rule(robustness: Mapping[str, Any] | None, name: str, network: str, bound: float) -> RuleResult:
    """Check how far the metric falls on degraded sound.

    Parameters
    ----------
    robustness : mapping or None
        models/robustness/<name>.json, if it exists.
    name : str
        The candidate.
    network : str
        SHA-256 of the file to be released.
    bound : float
        Largest allowed drop under any perturbation.

    Returns
    -------
    RuleResult
        Broken if it was not measured, or measured on another file.
    """
    if robustness is None or robustness["network"] != network:
        state = "was not measured" if robustness is None else "was measured on another file"
        reason = f"robustness {state}; run `ostinato robustness {name}`"
        return RuleResult("robustness", False, None, bound, reason)
    worst, perturbed = max(robustness["perturbed"].items(), key=lambda item: item[1]["drop"])
    text = f"{robustness['metric']} falls by {perturbed['drop']:.4f} at worst, under {worst}:"
    return at_most("robustness", perturbed["drop"], bound, text)


def drop_rule(difference: Difference, metric: str, max_drop: float) -> RuleResult:
    """Test non-inferiority: the interval of the difference may not reach below the allowed drop.

    Parameters
    ----------
    difference : Difference
    metric : str
    max_drop : float
        Non-inferiority margin: the lower end must be at least ``-max_drop``.

    Returns
    -------
    RuleResult
        Broken without an interval. If the difference itself is within the margin, the reason states how many groups
        would make the interval narrow enough: its width falls with their square root.
    """
    if np.isnan(difference.low):
        return RuleResult("drop", False, None, -max_drop, f"{metric} has no interval: {TOO_FEW}")
    passed = difference.low >= -max_drop
    bound = f"{'no lower than' if passed else 'below'} {-max_drop or 0:g}"
    reason = f"{metric} against the released one: {difference}; the lower end is {bound}"
    margin, width = difference.value + max_drop, difference.value - difference.low
    if not passed and margin > 0:
        n_groups = ceil(difference.n_groups * (width / margin) ** 2)
        reason += f", though the difference is not: too few test groups to decide; about {n_groups:,} would be enough"
    return RuleResult("drop", passed, difference.low, -max_drop, reason)


def find_incompatibility(new: dict[str, Any], old: dict[str, Any]) -> str | None:
    """Return why two models cannot be compared; None if they can.

    Parameters
    ----------
    new, old : dict
        Their model.json.
    """
    if new["dataset"]["name"] != old["dataset"]["name"]:
        return f"trained on {new['dataset']['name']}, the released one on {old['dataset']['name']}"
    if new["classes"] != old["classes"]:
        removed = ", ".join(sorted({*old["classes"]} - {*new["classes"]})) or "-"
        added = ", ".join(sorted({*new["classes"]} - {*old["classes"]})) or "-"
        return f"other classes than the released one (gone: {removed}; new: {added})"
    return None
