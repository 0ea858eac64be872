"""Figures and verdict as Prefect artifacts."""

from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from ostinato.core.params import get_sections
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.io.files import read_json


def leaderboard(project: Path, params: Params) -> list[dict[str, Any]]:
    """Make a table of the candidates' figures on the test split.

    Parameters
    ----------
    project : Path
    params : Params
        Names the candidates; figures of one that was taken out may still lie about.

    Returns
    -------
    list of dict of str to str
        A row per candidate: candidate, task, architecture, feature, and each
        figure with its interval; a candidate that the dataset cannot serve has
        the reason instead.
    """
    names = sorted(get_sections(params))
    return [_row(name, read_json(Paths(project).metrics(name))) for name in names]


def verdict(project: Path) -> str:
    """Put the last release's answer in Markdown.

    Parameters
    ----------
    project : Path

    Returns
    -------
    str
    """
    lines = ["# Release", ""]
    for task, answer in sorted(read_json(Paths(project).verdict).items()):
        lines += [f"## {task}", "", f"released: {answer['released']}, before: {answer['previous']}", ""]
        lines += [f"- {reason}" for reason in answer["reasons"]] + [""]
    return "\n".join(lines)


def show_metrics(project: Path, params: Params) -> None:
    """Keep the leaderboard as an artifact of the run."""
    create_table_artifact(key="metrics", table=leaderboard(project, params), description="Test split")


def show_verdict(project: Path) -> None:
    """Keep the verdict as an artifact of the run."""
    create_markdown_artifact(key="verdict", markdown=verdict(project), description="What the release decided")


def _row(name: str, metrics: dict[str, Any]) -> dict[str, str]:
    if "skipped" in metrics:
        return {"candidate": name, "skipped": metrics["skipped"]}
    figures = {key: _figure(value) for key, value in metrics["test"].items()}
    return {"candidate": name, **{key: str(metrics[key]) for key in ("task", "architecture", "feature")}, **figures}


def _figure(value: dict[str, float]) -> str:
    """Write a figure with its interval.

    >>> _figure({"value": 0.5, "low": 0.41, "high": 0.6})
    '0.500 [0.410, 0.600]'
    """
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
