"""Model card of a regression: what it says of a track, how well, and what it must not be used for.

References
----------
M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from collections.abc import Mapping
from typing import Any

METRICS = {
    "r2": "R² (share of the variance)",
    "spearman": "Spearman's rank correlation",
    "mae": "mean absolute error",
    "mae_ratio": "the same, as a share of the baseline's",
    "huber": "Huber's loss, in standard deviations",
}
WORTH_NOTHING = 0.1
"""Shares of the variance below this are called next to nothing."""


def write_card(name: str, figures: Mapping[str, Any]) -> str:
    """Write the card of a regression.

    Parameters
    ----------
    name : str
    figures : mapping
        Its entry of models/regressions.json, not skipped.

    Returns
    -------
    str
        Markdown.
    """
    column = figures["column"]
    parts = [
        f"# {name}",
        f"Predicts the number `{column}` of a track from {figures['input']}, by `{figures['regressor']}`.",
        "## Data",
        _describe_data(figures),
        "## Figures",
        "On test artists of whom no track was in the training, with intervals over artists. The baseline is the mean "
        "of the training tracks:",
        _tabulate(figures),
        _judge(figures),
        "## What it must not be used for",
        _list_misuses(column),
        "## Limits",
        f"- It has learnt what went with {column} in this collection, at the time it was counted. Attention also "
        "follows money, playlists, language, place and luck, of which it hears nothing.\n"
        f"- It says nothing of why a track has its {column}: changing a track towards a higher prediction need not "
        "change its number.\n"
        "- Its errors differ between genres, countries and years. Evaluate it on each group it is used on.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _describe_data(figures: Mapping[str, Any]) -> str:
    target, unknown = figures["target"], figures["n_unknown"]
    return (
        f"- {figures['n_tracks']:,} tracks with a number, {figures['n_test']:,} of them tested, by "
        f"{figures['n_groups']:,} groups of artists\n"
        f"- {unknown:,} more have no number and were left out\n"
        f"- the number: mean {target['mean']:.4g}, standard deviation {target['deviation']:.4g}, from "
        f"{target['min']:.4g} to {target['max']:.4g}"
    )


def _tabulate(figures: Mapping[str, Any]) -> str:
    rows = ["| metric | value | interval | baseline |", "|---|---:|---|---:|"]
    for metric, title in METRICS.items():
        own, plain = figures["test"][metric], figures["baseline"][metric]["value"]
        interval = "" if own["low"] is None else f"{own['low']:.4f} to {own['high']:.4f}"
        cells = ["undefined" if value is None else f"{value:.4f}" for value in (own["value"], plain)]
        rows.append(f"| {title} | {cells[0]} | {interval} | {cells[1]} |")
    return "\n".join(rows)


def _judge(figures: Mapping[str, Any]) -> str:
    r2 = figures["test"]["r2"]
    if r2["low"] is None or r2["low"] <= 0:
        return "**It is not surely better than the mean of all tracks. Do not use it.**"
    if r2["value"] < WORTH_NOTHING:
        return (
            f"It explains {r2['value']:.1%} of the variance: enough to tell that the input and the number are related, "
            "and next to nothing about a single track."
        )
    return f"It explains {r2['value']:.0%} of the variance; the rest is not in its input."


def _list_misuses(column: str) -> str:
    return "\n".join(
        (
            "- Decisions about people: whom to sign, pay, book, fund, promote or play.",
            "- Ranking or filtering recommendations and search results. What is predicted to be unpopular would be "
            "heard less, and the next model would learn that it is.",
            f"- Judging the worth of music. {column} counts attention in one place at one time.",
            "- Choosing or changing recordings so that they score higher.",
            f"- Filling in missing values of {column} as if they had been observed.",
        )
    )
