"""The leaderboards as Markdown, for a pull request."""

from ostinato.report.boards import board
from ostinato.report.material import Material
from ostinato.report.page import shown


def markdown(material: Material) -> str:
    """Write the leaderboards for a pull request.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str
        Markdown: per task the leading metric with its interval, the calibration
        error, parameters, and whether the gate accepts.
    """
    lines = []
    for task in material.tasks:
        found = board(material, task)
        leading = found["leading"]
        lines += [f"## {task}", "", f"| candidate | {leading} | interval | calibration error | parameters | gate |"]
        lines += ["|---|---:|---|---:|---:|---|"]
        for row in found["rows"]:
            test, n = row["metrics"]["test"], row["n_parameters"]
            best, error = test[leading], test.get("calibration_error", {}).get("value")
            cells = [row["entry"].name, shown(best["value"], 4)]
            cells.append(f"{shown(best['low'], 4)} to {shown(best['high'], 4)}")
            cells += [shown(error, 4), "–" if n is None else f"{n:,}"]
            lines.append(f"| {' | '.join(cells)} | {'accepted' if row['verdict']['accepted'] else 'not accepted'} |")
        lines += [f"| *{name}* | {shown(test[leading]['value'], 4)} | | | | |" for name, _, test in found["baselines"]]
        lines += [f"\n{entry.name} was skipped: {reason}" for entry, reason in found["skipped"]]
        lines.append("")
    return "\n".join(lines)
