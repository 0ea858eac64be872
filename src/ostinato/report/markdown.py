"""The leaderboards as Markdown, for a pull request."""

from ostinato.evaluation.significance import Contrast
from ostinato.report.boards import board
from ostinato.report.material import Material
from ostinato.report.page import format_number

NOTE = (
    "Differences are on the same tracks, turned so that more is better, with the paired interval over "
    "groups; p is of McNemar's exact test (sign test for tags), adjusted by Holm."
)


def markdown(material: Material) -> str:
    """Write the leaderboards for a pull request.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str
        Markdown: per task the leading metric with its interval, the difference from
        the leader and from what is released, the calibration error, parameters, and
        whether the gate accepts.
    """
    lines = []
    for task in material.tasks:
        found = board(material, task)
        leading = found["leading"]
        released = [f"against {found['released']}"] * bool(found["released"])
        paper = ["paper"] * found["has_paper"]
        heads = ["candidate", leading, "interval", *paper, "against the leader", *released]
        heads += ["calibration error", "parameters", "gate"]
        lines += [f"## {task}", "", _line(heads), _line(["---"] * len(heads))]
        for row in found["rows"]:
            test, of = row["metrics"]["test"], row["contrasts"]
            best, error = test[leading], test.get("calibration_error", {}).get("value")
            cells = [
                row["entry"].name,
                format_number(best["value"], 4),
                f"{format_number(best['low'], 4)} to {format_number(best['high'], 4)}",
            ]
            cells += [format_number(row["paper"], 4)] * len(paper) + [_against(of.get("leader"))]
            cells += [_against(of.get("released"))] * len(released) + [format_number(error, 4)]
            cells += ["–" if row["n_parameters"] is None else f"{row['n_parameters']:,}"]
            lines.append(_line([*cells, "accepted" if row["verdict"]["accepted"] else "not accepted"]))
        for name, _, test in found["baselines"]:
            lines.append(_line([f"*{name}*", format_number(test[leading]["value"], 4), *[""] * (len(heads) - 2)]))
        lines += [f"\n{entry.name} was skipped: {reason}" for entry, reason in found["skipped"]]
        lines += ["", NOTE, ""] if found["rows"] else [""]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _against(found: Contrast | None) -> str:
    """Write a difference with its interval and p-value."""
    if found is None:
        return "–"
    about = found.difference
    return f"{about.value:+.4f} [{about.low:+.4f}, {about.high:+.4f}], p {found.p:.2g}"
