"""Regressions of a recipe, as a table in Markdown."""

from typing import Any

from ostinato.core.paths import Paths
from ostinato.io.files import read_json


def describe(inside: Paths) -> list[str]:
    """Tabulate the regressions of a run.

    Parameters
    ----------
    inside : Paths
        Of the run.

    Returns
    -------
    list of str
        Lines of Markdown.
    """
    lines = [
        "Numbers, on test artists without a track in the training; the baseline is the mean of the training tracks:",
        "",
        "| regression | column | R² | Spearman | MAE | MAE of the baseline | tracks tested | unknown | accepted |",
        "|---|---|---|---|---|---|---:|---:|---|",
    ]
    for name, result in read_json(inside.regressions).items():
        if "skipped" in result:
            lines.append(f"| {name} | {result['column']} | skipped: {result['skipped']} | | | | | | |")
            continue
        r2, spearman, mae = (_format(result["test"][metric]) for metric in ("r2", "spearman", "mae"))
        lines.append(
            f"| {name} | {result['column']} | {r2} | {spearman} | {mae} | {result['baseline']['mae']['value']:.3f} "
            f"| {result['n_test']:,} | {result['n_unknown']:,} | {'yes' if result['accepted'] else 'no'} |"
        )
    return lines


def _format(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return "undefined"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"
