"""Comparison of the candidates' metrics with those of a git revision: which ones became worse.

The metrics with bounds in `gate.<task>` of params.yaml are tested, for all candidates but
the trivial ones; other metrics are only shown. A fall counts as a regression if it exceeds
the tolerance and its p-value is at most the significance level, which is corrected for the
number of tests. See `ostinato.evaluation.evidence`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ostinato.core.task import COLUMNS
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.comparison_table import Notes, Row, describe_regression, format_markdown
from ostinato.evaluation.evidence import (
    Evidence,
    Pair,
    compare_intervals,
    compare_pair,
    compute_p,
    is_table_of,
    pair_tables,
    share_alpha,
)
from ostinato.evaluation.revision import Revision
from ostinato.evaluation.score_table import parse_scores

TRIVIAL_ESTIMATORS = ("majority",)
"""Estimators that do not use the features; their metrics are not tested."""
MIN_TRACKS = 2
"""A fall that corresponds to fewer tracks is tolerated."""
ALL_CANDIDATES = "all together"
NO_COMMON_TRACK = "no test track is common to both"


@dataclass(frozen=True)
class Settings:
    """Settings of a comparison.

    Parameters
    ----------
    tolerance : float
        Tolerated fall of a metric, as a share of the range from the majority baseline to a perfect score.
    alpha : float
        Probability of a false alarm, over all candidates.
    gate : mapping
        Bounds of metrics, by task.
    threshold, confidence
        As in ``evaluate``.
    seed : int
    """

    tolerance: float
    alpha: float
    gate: Mapping[str, Mapping[str, Any]]
    threshold: float
    confidence: float
    seed: int


def merge_settings(params: Any, base: Revision) -> Settings:
    """Merge settings; tolerance and gate are those of the base revision, so that a change cannot relax its own test.

    Parameters
    ----------
    params : Params
        With the sections ``seed``, ``evaluate``, ``compare`` and ``gate``.
    base : Revision
    """
    section, base_gate = base.params.get("compare") or {}, base.params.get("gate")
    gate = {task: {m: {"min": b.min, "max": b.max} for m, b in bounds.items()} for task, bounds in params.gate.items()}
    return Settings(
        tolerance=float(section.get("tolerance", params.compare.tolerance)),
        alpha=float(section.get("alpha", params.compare.alpha)),
        gate=gate if base_gate is None else base_gate,
        threshold=params.evaluate.threshold,
        confidence=params.evaluate.confidence,
        seed=params.seed,
    )


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Parameters
    ----------
    markdown : str
    regressions : tuple of str
        What became worse, beyond tolerance and chance.
    """

    markdown: str
    regressions: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """1 if anything became worse, else 0."""
        return int(bool(self.regressions))


def compare(here: Revision, there: Revision, settings: Settings) -> Comparison:
    """Compare the candidates of two revisions.

    Parameters
    ----------
    here, there : Revision
    settings : Settings

    Returns
    -------
    Comparison
    """
    rev, notes = there.label, Notes()
    datasets = [(revision.params.get("dataset") or {}).get("name") for revision in (here, there)]
    if None not in datasets and datasets[0] != datasets[1]:
        text = f"Not compared: the dataset is `{datasets[0]}` here and `{datasets[1]}` in `{rev}`."
        return Comparison(f"# Metrics against `{rev}`\n\n{text}\n", ())
    rows: list[Row] = []
    pairs: dict[str, list[Pair]] = {}
    _note_presence(here, there, notes)
    names = [n for n in here.names if n in here.metrics and n in there.metrics]
    obstacles = {n: _find_obstacle(here, there, n) for n in names}
    for name, obstacle in obstacles.items():
        if obstacle:
            notes.add(obstacle, name)
    comparable = [n for n in names if not obstacles[n]]
    for name in comparable:
        rows += _compare_candidate(name, here, there, settings, notes, pairs)
    rows += _compare_together(pairs, settings)
    level = share_alpha([r.evidence.p_least for r in rows if r.evidence], settings.alpha)
    regressions = tuple(describe_regression(row) for row in rows if row.is_worse(level))
    text = format_markdown(here, there, rows, notes, comparable, settings.alpha, level, regressions)
    return Comparison(text, regressions)


def _note_presence(here: Revision, there: Revision, notes: Notes) -> None:
    """Note candidates that are in only one of the revisions."""
    rev = there.label
    for name in here.names:
        if name not in here.metrics:
            notes.add("missing, run `dvc repro`; in params.yaml and without metrics", name)
        elif name not in there.metrics:
            notes.add(f"new, {rev} has no metrics", name)
    # git may still contain metrics of candidates that were removed before
    for name in there.names:
        if name not in here.names and name in there.metrics:
            notes.add(f"gone, in params.yaml of {rev} only", name)


def _find_obstacle(here: Revision, there: Revision, name: str) -> str:
    """Return the reason why a candidate cannot be compared; empty if it can."""
    new, old, rev = here.metrics[name], there.metrics[name], there.label
    if "skipped" in new:
        return f"skipped here, {new['skipped']}"
    if "skipped" in old:
        return f"skipped in {rev}, {old['skipped']}"
    if new["task"] != old["task"]:
        return f"not compared, the task is {new['task']} here and {old['task']} in {rev}"
    new_classes, old_classes = (set(metrics.get("per_class", {})) for metrics in (new, old))
    if new_classes != old_classes:
        gone, added = (", ".join(sorted(x)) or "none" for x in (old_classes - new_classes, new_classes - old_classes))
        return f"not compared, other classes than in {rev} (gone: {gone}; new: {added})"
    return ""


def list_bounded(gate: Mapping[str, Mapping[str, Any]], task: str) -> list[str]:
    """List the metrics of a task that have a bound in the gate."""
    return [metric for metric in gate.get(task) or {} if metric in get_metrics(COLUMNS[task])]


def _compare_candidate(
    name: str, here: Revision, there: Revision, settings: Settings, notes: Notes, pairs: dict[str, list[Pair]]
) -> list[Row]:
    """Compare the bounded metrics of one candidate; add its pair to those of its task."""
    new, old = here.metrics[name], there.metrics[name]
    task, metrics = new["task"], list_bounded(settings.gate, new["task"])
    if new["architecture"] in TRIVIAL_ESTIMATORS or not metrics:
        return []
    same_split = new["split"]["hash"] == old["split"]["hash"]
    pair, obstacle = _match_tracks(name, here, there, settings, metrics)
    if pair is None:
        by_intervals = same_split and obstacle != NO_COMMON_TRACK
        if new["test"] == old["test"]:
            return []
        outcome = "compared by intervals, which show only large falls" if by_intervals else "not compared"
        notes.add(f"{outcome}, since {obstacle}", name)
        if not by_intervals:
            return []
    elif not same_split:
        notes.add("the split differs, so that differences are not due to the candidate alone", name)
    rows = []
    for metric in metrics:
        estimates = [metrics["test"].get(metric, {}) for metrics in (new, old)]
        values = [estimate.get("value") for estimate in estimates]
        evidence = None
        if None not in values and pair is not None and pair.has(metric):
            evidence = compare_pair(pair, metric, confidence=settings.confidence, seed=settings.seed)
        elif None not in values:
            higher_is_better = get_metrics(COLUMNS[task])[metric].higher_is_better
            evidence = compare_intervals(estimates[0], estimates[1], higher_is_better, settings.confidence)
        bound = _find_violated_bound(values[0], values[1], (settings.gate[task] or {})[metric])
        rows.append(Row(name, metric, values[1], values[0], evidence, _compute_floor(old, metric, settings), bound))
    if pair is not None:
        pairs.setdefault(task, []).append(pair)
    if there.is_accepted(name) and not here.is_accepted(name):
        notes.add(f"accepted by the gate in {there.label}, but no longer", name)
    return rows


def _match_tracks(
    name: str, here: Revision, there: Revision, settings: Settings, metrics: Sequence[str]
) -> tuple[Pair | None, str]:
    """Match the test tracks of a candidate, or return the reason why that is impossible."""
    kind = COLUMNS[here.metrics[name]["task"]]
    tables = []
    for revision in (here, there):
        where = "here" if revision is here else f"in {revision.label}"
        if name not in revision.scores:
            return None, f"models/test_scores is not {where}"
        table = parse_scores(revision.scores[name], kind, f"{revision.label}: models/test_scores/{name}.csv")
        if not is_table_of(table, revision.metrics[name], kind, metrics, settings.threshold):
            return None, f"models/test_scores {where} is not of the same run as models/metrics; run `dvc repro`"
        tables.append(table)
    pair = pair_tables(tables[0], tables[1], kind, settings.threshold)
    return pair, "" if pair else NO_COMMON_TRACK


def _compare_together(pairs: Mapping[str, Sequence[Pair]], settings: Settings) -> list[Row]:
    """Test for each task whether the mean of its first metric fell, over all candidates that differ."""
    rows = []
    for task, task_pairs in pairs.items():
        metric = list_bounded(settings.gate, task)[0]
        different = [pair for pair in task_pairs if pair.has(metric) and len(pair.find_differing_groups(metric))]
        if len(different) < 2:
            continue
        p, p_least, gain = compute_p(different, metric, settings.seed)
        evidence = Evidence(gain, float("nan"), float("nan"), p, p_least, f"mean of {len(different)} candidates")
        # the mean of several candidates may fall significantly by less than the share of two tracks
        rows.append(Row(f"{task}, {ALL_CANDIDATES}", metric, None, None, evidence, settings.tolerance))
    return rows


def _compute_floor(old: Mapping[str, Any], metric: str, settings: Settings) -> float:
    """Compute the tolerated fall: a share of the range from the majority baseline to a perfect score."""
    baseline = old.get("baseline", {}).get("majority", {}).get(metric, {}).get("value")
    best = float(get_metrics(COLUMNS[old["task"]])[metric].higher_is_better)
    span = 1.0 if baseline is None else abs(best - baseline)
    return max(settings.tolerance, MIN_TRACKS / max(old["split"]["n_test"], 1)) * span


def _find_violated_bound(new: float | None, old: float | None, bound: Mapping[str, Any]) -> str:
    """Return the bound of the gate that a metric violates here but not there; empty if none."""
    if new is None or old is None:
        return ""
    low, high = bound.get("min"), bound.get("max")
    if low is not None and new < low <= old:
        return f"below the gate's {low:g}"
    return f"above the gate's {high:g}" if high is not None and old <= high < new else ""
