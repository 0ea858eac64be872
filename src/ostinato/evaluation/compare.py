"""Metrics here against those of a git revision, as Markdown: which candidates became worse, by evidence.

The metrics that `gate.<task>` of params.yaml bounds decide, for every candidate but the
trivial ones; all others are shown. A fall counts if it exceeds the tolerance and
its p-value is below what all tests share. See `ostinato.evaluation.evidence`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ostinato.core.task import COLUMNS
from ostinato.evaluation.classification import get_metrics
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

TRIVIAL = ("majority",)
"""Estimators that learn nothing of the sound: what they lose, nobody misses."""
MIN_TRACKS = 2
"""A fall of fewer tracks than this never counts."""
TOGETHER = "all together"
NO_COMMON_TRACK = "no test track is common to both"


@dataclass(frozen=True)
class Settings:
    """What a comparison needs of params.yaml.

    Parameters
    ----------
    tolerance : float
        What a metric may fall by, as a share of the way from the majority baseline to a perfect score.
    alpha : float
        Probability of a false alarm in a comparison of all candidates.
    gate : mapping
        Per task the bounds of metrics.
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


def merge_settings(given: Any, base: Revision) -> Settings:
    """Take the tolerance and the gate of the base revision, so that a change cannot loosen what judges it.

    Parameters
    ----------
    given : object
        The params here, with the sections ``seed``, ``evaluate``, ``paired`` and ``gate``.
    base : Revision
    """
    known, rules = base.params.get("compare") or {}, base.params.get("gate")
    here = {task: {m: {"min": b.min, "max": b.max} for m, b in bounds.items()} for task, bounds in given.gate.items()}
    return Settings(
        tolerance=float(known.get("tolerance", given.compare.tolerance)),
        alpha=float(known.get("alpha", given.compare.alpha)),
        gate=here if rules is None else rules,
        threshold=given.evaluate.threshold,
        confidence=given.evaluate.confidence,
        seed=given.seed,
    )


@dataclass(frozen=True)
class Row:
    """A metric that decides, of a candidate or of all candidates of a task together.

    Parameters
    ----------
    name, metric : str
    old, new : float or None
    evidence : Evidence or None
        None if it cannot be compared.
    floor : float
        A fall up to this is tolerated.
    bound : str
        What of the gate it no longer keeps, in words; empty if nothing.
    """

    name: str
    metric: str
    old: float | None
    new: float | None
    evidence: Evidence | None
    floor: float
    bound: str = ""

    def is_worse(self, level: float) -> bool:
        """Return whether it fell beyond the floor and chance."""
        e = self.evidence
        return e is not None and e.gain < -self.floor - 1e-9 and e.p <= level


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Parameters
    ----------
    markdown : str
    regressions : tuple of str
        What became worse beyond tolerance and chance.
    """

    markdown: str
    regressions: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """1 if anything became worse."""
        return int(bool(self.regressions))


@dataclass
class _Notes:
    """Candidates by what is to be said of them."""

    by_text: dict[str, list[str]] = field(default_factory=dict)

    def add(self, text: str, name: str) -> None:
        self.by_text.setdefault(text, []).append(name)

    def __iter__(self) -> Iterator[str]:
        for text, names in self.by_text.items():
            yield f"- {text}: {', '.join(f'`{n}`' for n in names)}"


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
    rev, notes = there.label, _Notes()
    datasets = [(side.params.get("dataset") or {}).get("name") for side in (here, there)]
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
    regressions = tuple(_describe(row) for row in rows if row.is_worse(level))
    text = _format_markdown(here, there, rows, notes, comparable, settings, level, regressions)
    return Comparison(text, regressions)


def _note_presence(here: Revision, there: Revision, notes: _Notes) -> None:
    """Note candidates that only one side has."""
    rev = there.label
    for name in here.names:
        if name not in here.metrics:
            notes.add("missing, run `dvc repro`; in params.yaml and without metrics", name)
        elif name not in there.metrics:
            notes.add(f"new, {rev} has no metrics", name)
    # the metrics of a candidate that was removed long ago may still lie in git
    for name in there.names:
        if name not in here.names and name in there.metrics:
            notes.add(f"gone, in params.yaml of {rev} only", name)


def _find_obstacle(here: Revision, there: Revision, name: str) -> str:
    """Return why a candidate cannot be compared; empty if it can."""
    new, old, rev = here.metrics[name], there.metrics[name], there.label
    if "skipped" in new:
        return f"skipped here, {new['skipped']}"
    if "skipped" in old:
        return f"skipped in {rev}, {old['skipped']}"
    if new["task"] != old["task"]:
        return f"not compared, the task is {new['task']} here and {old['task']} in {rev}"
    classes = [set(side.get("per_class", {})) for side in (new, old)]
    if classes[0] != classes[1]:
        gone, come = (", ".join(sorted(x)) or "none" for x in (classes[1] - classes[0], classes[0] - classes[1]))
        return f"not compared, other classes than in {rev} (gone: {gone}; new: {come})"
    return ""


def list_decisive(gate: Mapping[str, Mapping[str, Any]], task: str) -> list[str]:
    """Return the metrics that decide for a task: those that the gate bounds."""
    return [metric for metric in gate.get(task) or {} if metric in get_metrics(COLUMNS[task])]


def _compare_candidate(
    name: str, here: Revision, there: Revision, settings: Settings, notes: _Notes, pairs: dict[str, list[Pair]]
) -> list[Row]:
    """Compare the metrics that decide for one candidate; add its pair to those of its task."""
    new, old = here.metrics[name], there.metrics[name]
    task, metrics = new["task"], list_decisive(settings.gate, new["task"])
    if new["architecture"] in TRIVIAL or not metrics:
        return []
    same_split = new["split"]["hash"] == old["split"]["hash"]
    pair, obstacle = _pair(name, here, there, settings, metrics)
    if pair is None:
        by_intervals = same_split and obstacle != NO_COMMON_TRACK
        if new["test"] == old["test"]:
            return []
        start = "compared by intervals, which show only large falls" if by_intervals else "not compared"
        notes.add(f"{start}, since {obstacle}", name)
        if not by_intervals:
            return []
    elif not same_split:
        notes.add("the tracks are split otherwise, so that a difference is not the candidate's alone", name)
    rows = []
    for metric in metrics:
        figures = [side["test"].get(metric, {}) for side in (new, old)]
        values = [figure.get("value") for figure in figures]
        evidence = None
        if None not in values and pair is not None and pair.has(metric):
            evidence = compare_pair(pair, metric, confidence=settings.confidence, seed=settings.seed)
        elif None not in values:
            better = get_metrics(COLUMNS[task])[metric].higher_is_better
            evidence = compare_intervals(figures[0], figures[1], better, settings.confidence)
        bound = _find_broken_bound(values[0], values[1], (settings.gate[task] or {})[metric])
        rows.append(Row(name, metric, values[1], values[0], evidence, _compute_floor(old, metric, settings), bound))
    if pair is not None:
        pairs.setdefault(task, []).append(pair)
    if there.is_accepted(name) and not here.is_accepted(name):
        notes.add(f"accepted by the gate in {there.label} and not any more", name)
    return rows


def _pair(
    name: str, here: Revision, there: Revision, settings: Settings, metrics: Sequence[str]
) -> tuple[Pair | None, str]:
    """Match the test tracks of a candidate, or return why that cannot be done."""
    kind = COLUMNS[here.metrics[name]["task"]]
    tables = []
    for side in (here, there):
        if name not in side.scores:
            return None, f"models/test_scores is not {'here' if side is here else 'in ' + side.label}"
        table = parse_scores(side.scores[name], kind, f"{side.label}: models/test_scores/{name}.csv")
        if not is_table_of(table, side.metrics[name], kind, metrics, settings.threshold):
            where = "here" if side is here else f"in {side.label}"
            return None, f"models/test_scores {where} is not of the same run as models/metrics; run `dvc repro`"
        tables.append(table)
    pair = pair_tables(tables[0], tables[1], kind, settings.threshold)
    return pair, "" if pair else NO_COMMON_TRACK


def _compare_together(pairs: Mapping[str, Sequence[Pair]], settings: Settings) -> list[Row]:
    """Test for each task whether the mean of its leading metric over all candidates that differ fell."""
    rows = []
    for task, every in pairs.items():
        metric = list_decisive(settings.gate, task)[0]
        different = [pair for pair in every if pair.has(metric) and len(pair.find_differing_groups(metric))]
        if len(different) < 2:
            continue
        p, p_least, gain = compute_p(different, metric, settings.seed)
        evidence = Evidence(gain, float("nan"), float("nan"), p, p_least, f"mean of {len(different)} candidates")
        # the mean of several candidates may fall by less than two tracks' share and be sure of it
        rows.append(Row(f"{task}, {TOGETHER}", metric, None, None, evidence, settings.tolerance))
    return rows


def _compute_floor(old: Mapping[str, Any], metric: str, settings: Settings) -> float:
    """Compute what a metric may fall by: a share of the way from the majority baseline to a perfect score."""
    baseline = old.get("baseline", {}).get("majority", {}).get(metric, {}).get("value")
    best = float(get_metrics(COLUMNS[old["task"]])[metric].higher_is_better)
    way = 1.0 if baseline is None else abs(best - baseline)
    return max(settings.tolerance, MIN_TRACKS / max(old["split"]["n_test"], 1)) * way


def _find_broken_bound(new: float | None, old: float | None, bound: Mapping[str, Any]) -> str:
    """Return which bound of the gate a metric kept there and breaks here; empty if none."""
    if new is None or old is None:
        return ""
    low, high = bound.get("min"), bound.get("max")
    if low is not None and new < low <= old:
        return f"below the gate's {low:g}"
    return f"above the gate's {high:g}" if high is not None and old <= high < new else ""


def _describe(row: Row) -> str:
    if row.old is None or row.new is None:
        return f"{row.name}: {row.metric} fell by {-row.evidence.gain:.4f} on average" if row.evidence else row.name
    return f"{row.name}: {row.metric} went from {row.old:.4f} to {row.new:.4f}{f', {row.bound}' if row.bound else ''}"


def _format_markdown(
    here: Revision,
    there: Revision,
    rows: Sequence[Row],
    notes: _Notes,
    comparable: Sequence[str],
    settings: Settings,
    level: float,
    regressions: Sequence[str],
) -> str:
    rev = there.label
    lines = [f"# Metrics against `{rev}`", ""]
    if regressions:
        lines += ["**Worse beyond tolerance and chance:**", "", *(f"- {r}" for r in regressions), ""]
    else:
        lines += ["Nothing is worse beyond tolerance and chance.", ""]
    different = [row for row in rows if row.evidence is None or row.new != row.old or row.new is None]
    if different:
        n_tests = round(settings.alpha / level)
        lines += [
            f"| candidate | metric | {rev} | here | gain | p | |",
            "|---|---|---:|---:|---:|---:|---|",
            *(_format_row(row, level) for row in different),
            "",
            f"A fall counts from p <= {level:.4g} on: {settings.alpha:g} shared by {n_tests} test(s).",
            "",
        ]
    details = _format_details(here, there, comparable)
    changed = {name for name, _ in details} | {row.name for row in different}
    for name in comparable:
        if name not in changed:
            notes.add("unchanged", name)
    lines += [*notes, ""] if notes.by_text else []
    if details:
        lines += ["<details><summary>All metrics that differ, without judgement</summary>", ""]
        lines += [f"| candidate | metric | {rev} | here | difference |", "|---|---|---:|---:|---:|"]
        lines += [line for _, line in details] + ["", "</details>", ""]
    return "\n".join(lines)


def _format_row(row: Row, level: float) -> str:
    e = row.evidence
    values = f"| {row.name} | {row.metric} | {_format(row.old)} | {_format(row.new)} |"
    if e is None:
        return f"{values} | | not comparable |"
    interval = "" if e.low != e.low else f" [{e.low:+.4f}, {e.high:+.4f}]"
    if row.is_worse(level):
        answer = "**worse**"
    elif e.gain >= 0:
        answer = "better" if e.gain > 0 else "as good"
    else:
        answer = "worse, tolerated" if e.gain >= -row.floor - 1e-9 else "worse, which may be chance"
    answer += f", {row.bound}" if row.bound else ""
    return f"{values} {e.gain:+.4f}{interval} | {e.p:.4f} | {answer} ({e.basis}) |"


def _format_details(here: Revision, there: Revision, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return a line for each metric of each candidate that differs, with the candidate's name."""
    lines = []
    for name in names:
        new, old = here.metrics[name]["test"], there.metrics[name]["test"]
        for metric in get_metrics(COLUMNS[here.metrics[name]["task"]]):
            a, b = (side.get(metric, {}).get("value") for side in (new, old))
            if a != b:
                gap = "" if a is None or b is None else f"{a - b:+.4f}"
                lines.append((name, f"| {name} | {metric} | {_format(b)} | {_format(a)} | {gap} |"))
    return lines


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
