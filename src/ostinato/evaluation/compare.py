"""Figures here against those of a git revision, as Markdown.

Figures are committed, so that git alone tells which fell. Whether a fall is more than
chance needs the predictions of both: where they are at hand the paired interval
decides, else the tolerance alone.
"""

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ostinato.contract.task import COLUMNS
from ostinato.errors import OstinatoError
from ostinato.evaluation.candidate.figures import family
from ostinato.evaluation.contest import Difference
from ostinato.files import read_json

Metrics: TypeAlias = Mapping[str, Any]
Paired: TypeAlias = Callable[[str, str, str], Difference | None]
"""Gives of a candidate, its task and a metric the difference with its interval, if it can be known."""


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    markdown : str
        A table per candidate that differs, and what else there is in a line each.
    regressions : tuple of str
        What became worse beyond the tolerance.
    """

    markdown: str
    regressions: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """1 if anything became worse."""
        return int(bool(self.regressions))


def unpaired(name: str, task: str, metric: str) -> None:
    """Know no difference but that of the figures."""


def compare(root: Path, rev: str, names: Iterable[str], tolerance: float, paired: Paired = unpaired) -> Comparison:
    """Compare the working folder's figures with a revision's.

    Parameters
    ----------
    root : Path
        The project, inside a git repository.
    rev : str
        What git calls a revision: a branch, a tag, a hash.
    names : iterable of str
        The candidates of params.yaml.
    tolerance : float
        How far a metric may go the wrong way.
    paired : callable, optional
        Asked for the interval of each fall beyond the tolerance, which counts only if that lies below 0.

    Returns
    -------
    Comparison

    Raises
    ------
    OstinatoError
        If git knows no such revision, or the revision holds no figures.
    """
    here = {n: read_json(p) for n in names if (p := root / "models" / "metrics" / f"{n}.json").exists()}
    missing = [n for n in names if n not in here]
    there = _at(root, rev, "models/metrics")
    if not there:
        raise OstinatoError(
            f"{rev}: holds no models/metrics; commit them there (`cache: false` in dvc.yaml) and compare again"
        )
    gates = _gate(root), _at(root, rev, "models").get("gate", {})
    return tabulate(here, there, gates, rev, tolerance, missing, paired)


def tabulate(
    here: Mapping[str, Metrics],
    there: Mapping[str, Metrics],
    gates: tuple[Metrics, Metrics],
    rev: str,
    tolerance: float,
    missing: Iterable[str] = (),
    paired: Paired = unpaired,
) -> Comparison:
    """Put two sets of figures side by side.

    Parameters
    ----------
    here, there : mapping
        Per candidate, its models/metrics/<name>.json.
    gates : tuple of mapping
        models/gate.json here and there.
    rev : str
        What `there` is called.
    tolerance : float
    missing : iterable of str
        Candidates of params.yaml without figures.
    paired : callable, optional
        As for `compare`.

    Returns
    -------
    Comparison
    """
    lines, regressions = [f"# Figures against `{rev}`", ""], []
    same: list[str] = []
    skipped: dict[str, list[str]] = {}
    for name in (n for n in here if n in there):
        if "skipped" in here[name] or "skipped" in there[name]:
            skipped.setdefault(_skipped(here[name], there[name], rev), []).append(name)
            continue
        text, worse = _candidate(name, here[name], there[name], rev, tolerance, paired)
        lines += [f"## {name}", "", *text, ""] if text else []
        same += [] if text else [name]
        regressions += worse
    lost = [n for n in here if n in there and _accepted(gates[1], n) and not _accepted(gates[0], n)]
    regressions += [f"{n}: the gate accepted it in {rev} and does not any more" for n in lost]
    notes = [f"unchanged: {', '.join(f'`{n}`' for n in same)}"] if same else []
    notes += [f"{why}: {', '.join(f'`{n}`' for n in names)}" for why, names in skipped.items()]
    notes += [f"`{n}` is new: {rev} has no figures of it" for n in here if n not in there]
    notes += [f"`{n}` is gone: only {rev} has figures of it" for n in there if n not in here and n not in missing]
    notes += [f"`{n}` is missing: it is in params.yaml and has no figures; run `dvc repro`" for n in missing]
    lines += [f"- {note}" for note in notes] + [""] * bool(notes)
    lines += (
        [f"**Worse by more than {tolerance:g} and chance:**", "", *(f"- {r}" for r in regressions)]
        if regressions
        else [f"Nothing is worse by more than {tolerance:g} and chance."]
    )
    return Comparison("\n".join(lines) + "\n", tuple(regressions))


def _skipped(here: Metrics, there: Metrics, rev: str) -> str:
    """Say on which side a candidate was skipped, and why."""
    if "skipped" in here:
        return f"skipped here, {here['skipped']}"
    return f"skipped in {rev}, {there['skipped']}"


def _candidate(
    name: str, here: Metrics, there: Metrics, rev: str, tolerance: float, paired: Paired
) -> tuple[list[str], list[str]]:
    """Compare one candidate: the lines of what differs, none if nothing does, and what became worse."""
    rows, worse, n_same = [], [], 0
    metrics = family(COLUMNS[here["task"]])
    for metric in [m for m in metrics if m in here["test"]]:
        new, old = here["test"][metric]["value"], there["test"].get(metric, {}).get("value")
        if new == old:
            n_same += 1
            continue
        if new is None or old is None:
            rows.append(f"| {metric} | {_shown(old)} | {_shown(new)} | | not comparable |")
            continue
        gain = (new - old) * (1 if metrics[metric].higher_is_better else -1)
        # a hair's breadth of tolerance, so that 0.52 - 0.50 is within 0.02 in binary too
        beyond = gain < -tolerance - 1e-9
        sure = paired(name, here["task"], metric) if beyond else None
        mark = _beyond(sure) if beyond else "better" if gain > 0 else "worse, tolerated"
        rows.append(f"| {metric} | {old:.4f} | {new:.4f} | {new - old:+.4f} | {mark} |")
        if beyond and (sure is None or sure.high < 0):
            worse.append(f"{name}: {metric} went from {old:.4f} to {new:.4f}")
    lines = []
    if here["split"]["hash"] != there["split"]["hash"]:
        lines += ["The tracks are split otherwise than there, so a difference is not the candidate's alone.", ""]
    if rows:
        lines += [f"| metric | {rev} | here | difference | |", "|---|---:|---:|---:|---|", *rows]
        lines += ["", f"{n_same} other metrics are the same."] if n_same else []
    return lines, worse


def _beyond(sure: Difference | None) -> str:
    """Say of a fall beyond the tolerance whether it is more than chance."""
    if sure is None:
        return "**worse** (figures alone: the predictions of both are not at hand)"
    found = f"paired {sure.value:+.4f} [{sure.low:+.4f}, {sure.high:+.4f}] on {sure.n_tracks} tracks"
    return f"**worse**: {found}" if sure.high < 0 else f"worse, which may be chance: {found}"


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _accepted(gate: Metrics, name: str) -> bool:
    return bool(gate.get(name, {}).get("accepted"))


def _gate(root: Path) -> Metrics:
    path = root / "models" / "gate.json"
    return read_json(path) if path.exists() else {}


def _at(root: Path, rev: str, folder: str) -> dict[str, Any]:
    """Read the JSON files of a folder as they stand in a revision, by stem."""
    paths = [p for p in _git(root, "ls-tree", "--name-only", rev, f"{folder}/").splitlines() if p.endswith(".json")]
    return {Path(p).stem: json.loads(_git(root, "show", f"{rev}:./{p}")) for p in paths}


def _git(root: Path, *arguments: str) -> str:
    """Run git in a folder."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise OstinatoError("compare: git is not installed; install it") from error
    if done.returncode:
        raise OstinatoError(f"git {' '.join(arguments)}: {done.stderr.strip()}; name a revision such as main or HEAD~1")
    return done.stdout
