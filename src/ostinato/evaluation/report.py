"""The report: one page without a server, a script or a date, and the same figures as tables for `dvc plots`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ostinato.evaluation import plots
from ostinato.evaluation.figures import family
from ostinato.evaluation.roster import Entry
from ostinato.task import COLUMNS

TEMPLATE = "report.html.j2"
BASELINES = {"majority": "class shares of the training tracks", "all_negative": "no tag at all"}


@dataclass(frozen=True)
class Material:
    """All that the report shows.

    Parameters
    ----------
    roster : mapping of str to Entry
    metrics, gate, tuned : mapping of str to mapping
        Per candidate, the content of models/metrics, models/gate.json, models/tuned.
    leading : mapping of str to str
        Per task, the metric that ranks.
    curves : mapping of str to DataFrame
        Per network, fold, epoch, train_loss, val_loss, val_score.
    classes : mapping
        data/interim/classes.json.
    tracks, splits, quarantine : DataFrame
    """

    roster: Mapping[str, Entry]
    metrics: Mapping[str, Mapping[str, Any]]
    gate: Mapping[str, Mapping[str, Any]]
    tuned: Mapping[str, Mapping[str, Any]]
    leading: Mapping[str, str]
    curves: Mapping[str, pd.DataFrame]
    classes: Mapping[str, Any]
    tracks: pd.DataFrame
    splits: pd.DataFrame
    quarantine: pd.DataFrame


def page(material: Material) -> str:
    """Write the page.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str
        HTML that needs no other file.
    """
    environment = Environment(
        loader=PackageLoader("ostinato", "evaluation"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _shown
    return environment.get_template(TEMPLATE).render(
        tasks=[board(material, task) for task in _tasks(material)],
        curves=_curves(material),
        tuned=_tuned(material),
        data=_data(material),
        palette=list(enumerate(plots.SERIES)),
    )


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
    for task in _tasks(material):
        found = board(material, task)
        leading = found["leading"]
        lines += [f"## {task}", "", f"| candidate | {leading} | interval | calibration error | parameters | gate |"]
        lines += ["|---|---:|---|---:|---:|---|"]
        for row in found["rows"]:
            test, n = row["metrics"]["test"], row["n_parameters"]
            best, error = test[leading], test.get("calibration_error", {}).get("value")
            cells = [row["entry"].name, _shown(best["value"], 4)]
            cells.append(f"{_shown(best['low'], 4)} to {_shown(best['high'], 4)}")
            cells += [_shown(error, 4), "–" if n is None else f"{n:,}"]
            lines.append(f"| {' | '.join(cells)} | {'accepted' if row['verdict']['accepted'] else 'not accepted'} |")
        lines += [f"| *{name}* | {_shown(test[leading]['value'], 4)} | | | | |" for name, _, test in found["baselines"]]
        lines += [f"\n{entry.name} was skipped: {reason}" for entry, reason in found["skipped"]]
        lines.append("")
    return "\n".join(lines)


def board(material: Material, task: str) -> dict[str, Any]:
    """Rank a task's candidates by its leading metric, skipped ones last.

    Parameters
    ----------
    material : Material
    task : str

    Returns
    -------
    dict
        What the template shows of a task.
    """
    metrics = family(COLUMNS[task])
    leading = material.leading.get(task, next(iter(metrics)))
    entries = [e for e in material.roster.values() if e.task == task]
    skipped = [(e, material.metrics[e.name]["skipped"]) for e in entries if "skipped" in material.metrics[e.name]]
    judged = [e for e in entries if "skipped" not in material.metrics[e.name]]
    sign = -1 if metrics[leading].higher_is_better else 1
    judged.sort(key=lambda e: _rank(material.metrics[e.name]["test"][leading]["value"], sign))
    first = material.metrics[judged[0].name] if judged else None
    baselines = [] if first is None else [(n, BASELINES[n], test) for n, test in first["baseline"].items()]
    shown = {e.name: material.metrics[e.name]["test"] for e in judged}
    return {
        "name": task,
        "leading": leading,
        "columns": [(n, metrics[n].higher_is_better) for n in metrics],
        "best": {
            n: _best([test[n]["value"] for test in shown.values()], m.higher_is_better) for n, m in metrics.items()
        },
        "rows": [_row(material, e) for e in judged],
        "baselines": baselines,
        "skipped": skipped,
        "scale": _scale([*shown.values(), *(test for _, _, test in baselines)], leading),
        "split": None if first is None else first["split"],
        "undefined": {} if first is None else first["undefined"],
    }


def tables(material: Material) -> dict[str, pd.DataFrame]:
    """Make the tables that `dvc plots` draws.

    Parameters
    ----------
    material : Material

    Returns
    -------
    dict of str to DataFrame
        By file name below plots/: every figure, those that rank, mean curves,
        and for each genre candidate one row a test track, with actual and predicted class.
    """
    figures = _figures(material)
    rank = [
        material.leading.get(task) == metric for task, metric in zip(figures["task"], figures["metric"], strict=True)
    ]
    found = {"metrics.csv": figures, "leaderboard.csv": figures[rank].sort_values(["task", "value"], kind="stable")}
    for name, curve in material.curves.items():
        found[f"curves/{name}.csv"] = plots.mean_curve(curve)
    for name, entry in material.roster.items():
        metrics = material.metrics[name]
        if "skipped" not in metrics and COLUMNS[entry.task] == "single":
            found[f"confusion/{name}.csv"] = _pairs(metrics["confusion"], list(metrics["per_class"]))
    return found


def picture(material: Material) -> str | None:
    """Draw the validation curves by themselves, for `dvc plots`.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str or None
        SVG; None if no network has curves.
    """
    means = _means(material)
    return plots.curves(means, list(means), legend=True) if means else None


def _means(material: Material) -> dict[str, pd.DataFrame]:
    means = {n: plots.mean_curve(c) for n, c in material.curves.items()}
    return {n: m for n, m in means.items() if len(m)}


def _figures(material: Material) -> pd.DataFrame:
    rows = [
        {"task": e.task, "candidate": e.name, "metric": metric, **figure}
        for e in material.roster.values()
        for metric, figure in material.metrics[e.name].get("test", {}).items()
    ]
    return pd.DataFrame(rows, columns=["task", "candidate", "metric", "value", "low", "high"])


def _pairs(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> pd.DataFrame:
    counts = np.asarray(confusion, dtype=np.int64)
    actual, predicted = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), len(classes))
    names = np.asarray(classes, dtype=object)
    return pd.DataFrame({"actual": names[actual], "predicted": names[predicted]})


def _tasks(material: Material) -> list[str]:
    return [t for t in COLUMNS if COLUMNS[t] != "embedding" and any(e.task == t for e in material.roster.values())]


def _row(material: Material, entry: Entry) -> dict[str, Any]:
    metrics = material.metrics[entry.name]
    single = COLUMNS[entry.task] == "single"
    return {
        "entry": entry,
        "metrics": metrics,
        "verdict": material.gate[entry.name],
        "confusion": _confusion(metrics) if single else None,
        "n_parameters": metrics.get("n_parameters"),
    }


def _confusion(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Give a confusion matrix with each row's shares."""
    counts = np.asarray(metrics["confusion"], dtype=np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = zip(metrics["per_class"], counts.tolist(), shares.tolist(), strict=True)
    return {
        "classes": list(metrics["per_class"]),
        "rows": [(name, list(zip(n, share, strict=True))) for name, n, share in rows],
    }


def _rank(value: float | None, sign: int) -> float:
    return float("inf") if value is None else sign * value


def _best(values: Sequence[float | None], higher_is_better: bool) -> float | None:
    known = [v for v in values if v is not None]
    return (max if higher_is_better else min)(known) if known else None


def _scale(tests: Sequence[Mapping[str, Any]], metric: str) -> tuple[float, float]:
    """Span the axis of intervals: 0 to 1, or as far as a loss reaches."""
    ends = [v for t in tests for v in t[metric].values() if v is not None]
    return 0.0, max([1.0, *ends])


def _curves(material: Material) -> dict[str, Any] | None:
    """Draw the validation curves of all networks that have some."""
    means = _means(material)
    if not means:
        return None
    order = list(means)
    return {
        "picture": Markup(plots.themed(plots.curves(means, order))),
        "legend": [(name, i % len(plots.SERIES), plots.style(i)[1]) for i, name in enumerate(order)],
    }


def _tuned(material: Material) -> list[dict[str, Any]]:
    """List what the studies chose."""
    rows = []
    for name, tuned in material.tuned.items():
        if tuned.get("n_trials"):
            groups = {k: v for k, v in tuned.items() if isinstance(v, Mapping)}
            chosen = [f"{key} {value}" for group in groups.values() for key, value in sorted(group.items())]
            rows.append({"name": name, "n_trials": tuned["n_trials"], "value": tuned.get("value"), "chosen": chosen})
    return rows


def _data(material: Material) -> dict[str, Any]:
    """Sum up tracks, splits and what was left out."""
    durations = material.tracks["duration"].dropna().to_numpy(float)
    first = material.splits.drop_duplicates("track_id")
    kept = material.tracks[material.tracks["track_id"].isin(first["track_id"])]
    in_fold = material.splits[material.splits["fold"] == material.splits["fold"].min()]
    labelled = in_fold.merge(material.tracks[["track_id", "genre", "tags"]], on="track_id")
    counts = {
        "genre": pd.crosstab(labelled["genre"], labelled["split"]),
        "tags": _crosstab(labelled.explode("tags")),
    }
    return {
        "name": material.classes["name"],
        "hash": material.classes["hash"][:12],
        "n_tracks": len(material.tracks),
        "n_kept": len(kept),
        "n_groups": int(first["group"].nunique()),
        "n_folds": int(material.splits["fold"].nunique()),
        "hours": durations.sum() / 3600,
        "sizes": in_fold["split"].value_counts().to_dict(),
        "classes": {t: _bars(table, material.classes.get(t, [])) for t, table in counts.items() if len(table)},
        "quarantine": material.quarantine["reason"].value_counts().sort_index().to_dict(),
        "durations": Markup(plots.themed(plots.histogram(durations, "duration (s)"))) if len(durations) else None,
    }


def _crosstab(labelled: pd.DataFrame) -> pd.DataFrame:
    labelled = labelled.dropna(subset=["tags"])
    return pd.crosstab(labelled["tags"], labelled["split"])


def _bars(table: pd.DataFrame, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Give each class's tracks per split, and their share of the largest class."""
    table = table.reindex(list(classes), fill_value=0).reindex(columns=["train", "validation", "test"], fill_value=0)
    largest = max(int(table.sum(axis=1).max()), 1) if len(table) else 1
    return [
        {"name": name, "total": int(row.sum()), "parts": [(s, int(n), 100 * n / largest) for s, n in row.items()]}
        for name, row in table.iterrows()
    ]


def _shown(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
