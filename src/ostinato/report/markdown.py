"""The leaderboards as Markdown, for a pull request."""

from ostinato.evaluation.significance import Contrast
from ostinato.report.boards import build_leaderboard
from ostinato.report.material import Material
from ostinato.report.page import format_number

NOTE = (
    "Differences are on the same tracks, signed so that higher is better, with the paired interval over "
    "groups; p is from McNemar's exact test (sign test for tags), adjusted by Holm."
)


def render_markdown(material: Material) -> str:
    """Write the leaderboards for a pull request.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str
        Markdown: for each task the leading metric with its interval, the difference from
        the leader and from the released model, the calibration error, the number of
        parameters, and whether the gate accepts it.
    """
    lines = []
    for task in material.tasks:
        leaderboard = build_leaderboard(material, task)
        leading = leaderboard["leading"]
        released = [f"against {leaderboard['released']}"] * bool(leaderboard["released"])
        paper = ["paper"] * leaderboard["has_paper"]
        heads = ["candidate", leading, "interval", *paper, "against the leader", *released]
        heads += ["calibration error", "parameters", "gate"]
        lines += [f"## {task}", "", _line(heads), _line(["---"] * len(heads))]
        for row in leaderboard["rows"]:
            test, contrasts = row["metrics"]["test"], row["contrasts"]
            best, error = test[leading], test.get("calibration_error", {}).get("value")
            cells = [
                row["entry"].name,
                format_number(best["value"], 4),
                f"{format_number(best['low'], 4)} to {format_number(best['high'], 4)}",
            ]
            cells += [format_number(row["paper"], 4)] * len(paper) + [_format_contrast(contrasts.get("leader"))]
            cells += [_format_contrast(contrasts.get("released"))] * len(released) + [format_number(error, 4)]
            cells += ["–" if row["n_parameters"] is None else f"{row['n_parameters']:,}"]
            lines.append(_line([*cells, "accepted" if row["verdict"]["accepted"] else "not accepted"]))
        for name, _, test in leaderboard["baselines"]:
            lines.append(_line([f"*{name}*", format_number(test[leading]["value"], 4), *[""] * (len(heads) - 2)]))
        lines += [f"\n{entry.name} was skipped: {reason}" for entry, reason in leaderboard["skipped"]]
        lines += ["", NOTE, ""] if leaderboard["rows"] else [""]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _format_contrast(contrast: Contrast | None) -> str:
    """Format a difference with its interval and p-value."""
    if contrast is None:
        return "–"
    difference = contrast.difference
    return f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}], p {contrast.p:.2g}"
