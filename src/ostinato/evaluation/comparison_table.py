"""The result of a comparison with a git revision as Markdown tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ostinato.core.task import COLUMNS
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.evidence import Evidence
from ostinato.evaluation.revision import Revision


@dataclass(frozen=True)
class Row:
    """The comparison of one metric of a candidate, or of all candidates of a task together.

    Parameters
    ----------
    name, metric : str
    old, new : float or None
    evidence : Evidence or None
        None if the metric cannot be compared.
    floor : float
        Tolerated fall.
    bound : str
        Bound of the gate that the metric violates only here, in words; empty if none.
    """

    name: str
    metric: str
    old: float | None
    new: float | None
    evidence: Evidence | None
    floor: float
    bound: str = ""

    def is_worse(self, level: float) -> bool:
        """Return whether the fall exceeds the floor and is significant."""
        e = self.evidence
        return e is not None and e.gain < -self.floor - 1e-9 and e.p <= level


@dataclass
class Notes:
    """Notes with the candidates that they apply to."""

    by_text: dict[str, list[str]] = field(default_factory=dict)

    def add(self, text: str, name: str) -> None:
        """Add a candidate to a note."""
        self.by_text.setdefault(text, []).append(name)

    def __iter__(self) -> Iterator[str]:
        for text, names in self.by_text.items():
            yield f"- {text}: {', '.join(f'`{n}`' for n in names)}"


def describe_regression(row: Row) -> str:
    """Describe a regression in a line."""
    if row.old is None or row.new is None:
        return f"{row.name}: {row.metric} fell by {-row.evidence.gain:.4f} on average" if row.evidence else row.name
    return f"{row.name}: {row.metric} went from {row.old:.4f} to {row.new:.4f}{f', {row.bound}' if row.bound else ''}"


def format_markdown(
    here: Revision,
    there: Revision,
    rows: Sequence[Row],
    notes: Notes,
    comparable: Sequence[str],
    alpha: float,
    level: float,
    regressions: Sequence[str],
) -> str:
    """Format a comparison as Markdown.

    Parameters
    ----------
    here, there : Revision
    rows : sequence of Row
    notes : Notes
        Candidates without any difference are added.
    comparable : sequence of str
        Names of the candidates that were compared.
    alpha : float
        Probability of a false alarm, over all tests.
    level : float
        Significance level of each test.
    regressions : sequence of str
        From `describe_regression`.

    Returns
    -------
    str
    """
    rev = there.label
    lines = [f"# Metrics against `{rev}`", ""]
    if regressions:
        lines += ["**Worse beyond tolerance and chance:**", "", *(f"- {r}" for r in regressions), ""]
    else:
        lines += ["Nothing is worse beyond tolerance and chance.", ""]
    different = [row for row in rows if row.evidence is None or row.new != row.old or row.new is None]
    if different:
        n_tests = round(alpha / level)
        lines += [
            f"| candidate | metric | {rev} | here | gain | p | |",
            "|---|---|---:|---:|---:|---:|---|",
            *(_format_row(row, level) for row in different),
            "",
            f"A fall counts from p <= {level:.4g} on: {alpha:g} shared by {n_tests} test(s).",
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
        conclusion = "**worse**"
    elif e.gain >= 0:
        conclusion = "better" if e.gain > 0 else "as good"
    else:
        conclusion = "worse, tolerated" if e.gain >= -row.floor - 1e-9 else "worse, which may be chance"
    conclusion += f", {row.bound}" if row.bound else ""
    return f"{values} {e.gain:+.4f}{interval} | {e.p:.4f} | {conclusion} ({e.basis}) |"


def _format_details(here: Revision, there: Revision, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the name and a line for each metric of each candidate that differs."""
    lines = []
    for name in names:
        new, old = here.metrics[name]["test"], there.metrics[name]["test"]
        for metric in get_metrics(COLUMNS[here.metrics[name]["task"]]):
            a, b = (metrics.get(metric, {}).get("value") for metrics in (new, old))
            if a != b:
                difference = "" if a is None or b is None else f"{a - b:+.4f}"
                lines.append((name, f"| {name} | {metric} | {_format(b)} | {_format(a)} | {difference} |"))
    return lines


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
