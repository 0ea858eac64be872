"""The report of a study: win shares, strengths, agreement of listeners, and agreement with the metrics of `rank`."""

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from ostinato.core.counts import format_count
from ostinato.errors import DataError
from ostinato.labelling.agreement import compute_alpha
from ostinato.metrics.jackknife import MIN_GROUPS
from ostinato.study.answers import read_answers
from ostinato.study.estimates import CONFIDENCE, Clusters, Comparisons, estimate_share, fit_bradley_terry
from ostinato.study.folder import Study

SCORES = {"first": 1.0, "same": 0.5, "second": 0.0}


def report(study: Study, ranking: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Compute all figures of a study.

    Parameters
    ----------
    study : Study
    ranking : mapping, optional
        models/ranking.json.

    Returns
    -------
    dict
        Counts; ``first``, the share of the first side; ``pairs``, the share of each pair's first space;
        ``spaces``, what each is preferred in, and its strength if there are more than two; ``alpha``,
        Krippendorff's of the listeners; ``ranking``, if it has two of the spaces.

    Raises
    ------
    DataError
        If there is no answer.
    """
    answers = list(read_answers(study))
    if not answers:
        raise DataError(f"{study.folder}: has no answers yet; ask listeners with `ostinato serve --study`")
    comparisons, counts = _to_arrays(study, answers), Counter(answer["listener"] for answer in answers)
    figures: dict[str, Any] = {
        "confidence": CONFIDENCE,
        "n_questions": len(study.questions),
        "n_same": study.n_same,
        "n_listeners": len(counts),
        "n_complete": sum(n == len(study.questions) for n in counts.values()),
        "n_answers": len(answers),
        "n_ties": sum(answer["choice"] == "same" for answer in answers),
        "first": estimate_share(comparisons.scores, comparisons.clusters).to_dict(),
        "pairs": _estimate_pairs(study.spaces, comparisons),
        "spaces": _estimate_spaces(study.spaces, comparisons),
        "alpha": _compute_agreement(answers),
    }
    return figures | {"ranking": None if ranking is None else _compare_with_ranking(figures["pairs"], ranking)}


def _to_arrays(study: Study, answers: list[dict[str, Any]]) -> Comparisons:
    number = {space: i for i, space in enumerate(study.spaces)}
    first, second = (np.array([number[answer[side]] for answer in answers]) for side in ("first", "second"))
    clusters = Clusters(
        np.unique([answer["listener"] for answer in answers], return_inverse=True)[1],
        np.unique([study.questions[answer["question"]].group for answer in answers], return_inverse=True)[1],
    )
    return Comparisons(first, second, np.array([SCORES[answer["choice"]] for answer in answers]), clusters)


def _estimate_pairs(spaces: list[str], comparisons: Comparisons) -> list[dict[str, Any]]:
    """Estimate the share of the first space of each pair."""
    return [
        {
            "pair": [spaces[one], spaces[other]],
            "preferred": comparisons.estimate_share(one, other).to_dict(),
            "n_answers": comparisons.count(one, other),
        }
        for one, other in combinations(range(len(spaces)), 2)
    ]


def _estimate_spaces(spaces: list[str], comparisons: Comparisons) -> dict[str, dict[str, Any]]:
    """Estimate the share of each space in all its comparisons, and its strength if there are more than two."""
    every = range(len(spaces))
    figures = {space: {"preferred": comparisons.estimate_share(i, *every).to_dict()} for i, space in enumerate(spaces)}
    if len(spaces) > 2:
        for space, strength in zip(spaces, fit_bradley_terry(comparisons, len(spaces)), strict=True):
            figures[space]["strength"] = strength.to_dict()
    return figures


def _compute_agreement(answers: list[dict[str, Any]]) -> float | None:
    """Compute Krippendorff's alpha of which space is preferred, or neither."""
    labels: dict[int, list[str]] = {}
    for answer in answers:
        labels.setdefault(answer["question"], []).append(answer.get(answer["choice"], ""))
    alpha = compute_alpha(labels.values())
    return None if alpha is None else round(alpha, 4)


def _compare_with_ranking(pairs: list[dict[str, Any]], ranking: Mapping[str, Any]) -> dict[str, Any] | None:
    """Count the pairs that a metric orders as listeners do."""
    spaces = ranking.get("spaces", {})
    pairs = [p for p in pairs if set(p["pair"]) <= set(spaces) and p["preferred"]["value"] not in (None, 0.5)]
    metrics: dict[str, Any] = {}
    for name in sorted({m for p in pairs for space in p["pair"] for m in spaces[space] if "_above_" not in m}):
        values = [[spaces[space].get(name, {}).get("value") for space in p["pair"]] for p in pairs]
        rows = [(p, a, b) for p, (a, b) in zip(pairs, values, strict=True) if None not in (a, b) and a != b]
        agree = [(p["preferred"]["value"] > 0.5) == (a > b) for p, a, b in rows]
        metrics[name] = {
            "n_pairs": len(rows),
            "n_agree": sum(agree),
            "values": {space: v for p, *both in rows for space, v in zip(p["pair"], both, strict=True)},
        }
    return {"question": ranking["question"], "metrics": metrics} if metrics else None


def describe(figures: Mapping[str, Any]) -> str:
    """Write the report as text."""
    lines = [
        f"{format_count(figures['n_answers'], 'answer')} of {format_count(figures['n_listeners'], 'listener')} to "
        f"{format_count(figures['n_questions'], 'question')}; {figures['n_ties']} say no difference; "
        f"{format_count(figures['n_complete'], 'listener')} answered all",
        f"first side preferred: {_format(figures['first'])}",
    ]
    if figures["n_same"]:
        lines.append(f"{format_count(figures['n_same'], 'track')} left out, since two spaces recommend the same")
    for row in figures["pairs"]:
        one, other = row["pair"]
        n_answers = format_count(row["n_answers"], "answer")
        lines.append(f"{one} preferred to {other}: {_format(row['preferred'])}, {n_answers}")
    if len(figures["spaces"]) > 2:
        lines += [
            f"{space}: share preferred {_format(row['preferred'])}, strength {_format(row['strength'])}"
            for space, row in figures["spaces"].items()
        ]
    alpha = figures["alpha"]
    lines.append(f"agreement of listeners (Krippendorff's alpha): {'undefined' if alpha is None else f'{alpha:.3f}'}")
    for name, row in (figures["ranking"] or {"metrics": {}})["metrics"].items():
        values = ", ".join(f"{space} {value:.3f}" for space, value in row["values"].items())
        n_pairs = format_count(row["n_pairs"], "pair")
        lines.append(f"rank's {name} agrees with the listeners on {row['n_agree']} of {n_pairs}: {values}")
    if any(row["preferred"]["low"] is None for row in figures["pairs"]):
        lines.append(f"an interval needs answers of {MIN_GROUPS} listeners about tracks of {MIN_GROUPS} artists")
    return "\n".join(lines)


def _format(estimate: Mapping[str, float | None]) -> str:
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")
