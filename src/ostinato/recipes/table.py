"""Tables in Markdown that compare a run's figures with the paper's."""

from collections.abc import Mapping
from math import isnan
from typing import Any, TypeAlias

import pandas as pd

from ostinato.core import params
from ostinato.core.candidates import get_candidates
from ostinato.core.paths import Paths
from ostinato.core.task import COLUMNS, Task
from ostinato.evaluation import paired
from ostinato.evaluation.predictions import KEYS, join_labels
from ostinato.evaluation.similarity import artist_embedding
from ostinato.evaluation.similarity.leaderboard import MAIN_METRIC
from ostinato.io.files import read_json, read_parquet
from ostinato.metrics.ranking import METRICS
from ostinato.recipes import Figure, Leaky, Pair, Recipe

Gain: TypeAlias = Mapping[str, Any]
"""Value, low and high end of a difference."""
VERDICTS = ("better", "worse", "undecided")


def report(inside: Paths, recipe: Recipe) -> str:
    """Compare the paper's figures with ours.

    Parameters
    ----------
    inside : Paths
        Of the run.
    recipe : Recipe

    Returns
    -------
    str
        Tables in Markdown. Ours are for tracks that the network never saw, with
        intervals and, for several folds, their mean and deviation.
    """
    lines = [f"# {recipe.title}", "", recipe.source, "", recipe.size.strip(), ""]
    if recipe.tracks is not None:
        lines += [_count_tracks(inside, recipe.tracks), ""]
    lines += _figures(inside, recipe.figures)
    if recipe.leaky:
        lines += ["", *_leaky(inside, recipe.leaky)]
    if recipe.pairs:
        lines += ["", *_pairs(inside, recipe)]
    return "\n".join(lines)


def _count_tracks(inside: Paths, expected: int) -> str:
    """Compare the number of usable tracks with the paper's."""
    every = set(read_parquet(inside.tracks, columns=["track_id"])["track_id"])
    broken = every & set(read_parquet(inside.quarantine, columns=["track_id"])["track_id"])
    n_usable = len(every) - len(broken)
    mark = "the" if n_usable == expected else "NOT the"
    text = f"{len(every):,}, of which {len(broken):,} in quarantine"
    if inside.warnings.exists():
        n_warned = read_parquet(inside.warnings, columns=["track_id"])["track_id"].nunique()
        text += f" and {n_warned:,} kept with a warning" if n_warned else ""
    return f"Tracks: {text}; {n_usable:,} left, {mark} {expected:,} of the paper."


def _figures(inside: Paths, figures: list[Figure]) -> list[str]:
    """Write the main table, with the name of the split."""
    split = read_json(inside.classes)["name"] if inside.classes.exists() else "tracks that the network never saw"
    lines = [
        f"| row | metric | paper | where | ours: {split} | mean and deviation of folds | note |",
        "|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        ours, folds = ("", "") if figure.candidate is None else _ours(inside, figure.candidate, figure.metric)
        default_note = "quoted from another paper" if figure.candidate is None else ""
        lines.append(
            f"| {figure.row} | {figure.metric} | {_paper(figure)} | {figure.source or ''} | {ours} | {folds} "
            f"| {figure.note or default_note} |"
        )
    return lines


def _leaky(inside: Paths, protocol: Leaky) -> list[str]:
    """Compare the results of the published protocol with those by track."""
    results = read_json(inside.root / "leaky.json")
    lines = [
        f"LEAKY, as published: tracks cut into {protocol.pieces} pieces, which are split at random, so that test pieces"
        " have their neighbours in training. Do not quote it as accuracy on new music.",
        "",
        "| row | metric | paper | ours, LEAKY | ours by track |",
        "|---|---|---|---|---|",
    ]
    for figure in protocol.figures:
        name = str(figure.candidate)
        leaky, ours = _interval(results[name]["test"].get(figure.metric)), _ours(inside, name, figure.metric)[0]
        lines.append(f"| {figure.row} | {figure.metric} | {_paper(figure)} | {leaky} | {ours} |")
    return lines


def _pairs(inside: Paths, recipe: Recipe) -> list[str]:
    """Write the gains of candidates over others on the same tracks."""
    lines = ["| gain | metric | paper | ours, paired | with 95 % |", "|---|---|---|---|---|"]
    counts = dict.fromkeys(VERDICTS, 0)
    for pair in recipe.pairs:
        paper = "" if pair.value is None else f"{pair.value:+g}"
        gain = _gain(inside, pair)
        verdict = "" if isinstance(gain, str) else _verdict(gain)
        cell = gain if isinstance(gain, str) else _write_gain(gain)
        lines.append(f"| {pair.candidate} over {pair.over} | {pair.metric} | {paper} | {cell} | {verdict} |")
        if verdict:
            counts[verdict] += 1
    if recipe.hypothesis:
        summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
        lines += ["", f"Hypothesis: {recipe.hypothesis} Of {sum(counts.values())} comparisons: {summary}."]
        lines += ["The intervals are for single comparisons; one in twenty misleads by chance."]
    return lines


def _write_gain(gain: Gain) -> str:
    """Format a difference with its interval, if it has one."""
    value, low, high = (gain[k] for k in ("value", "low", "high"))
    if low is None or isnan(low):
        return f"{value:+.4f}, too few groups for an interval"
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


def _verdict(gain: Gain) -> str:
    """Return whether the interval of a difference excludes 0."""
    if gain["low"] is None or isnan(gain["low"]):
        return "undecided"
    return "better" if gain["low"] > 0 else "worse" if gain["high"] < 0 else "undecided"


def _gain(inside: Paths, pair: Pair) -> Gain | str:
    """Return a candidate's gain on the same tracks, or why it is unknown."""
    config = params.load(inside.params)
    if pair.over == config.recommend.baseline:
        return _gain_in_space(inside, pair)
    task, tracks = _labels(inside, get_candidates(config)[pair.candidate].task)
    splits, rows = read_parquet(inside.splits), []
    for name in (pair.candidate, pair.over):
        file = inside.predictions(name) / "predictions.parquet"
        if not file.exists():
            return f"{name} was skipped"
        rows.append(read_parquet(file, columns=[*KEYS, "logits"]))
    confidence = config.evaluate.confidence
    if task.kind == "embedding" and pair.metric in METRICS:
        artists = read_parquet(inside.target(task.name) / "artists.parquet", columns=["artist", "related"])
        first, second = _alike(rows, tracks)
        return artist_embedding.compute_gain(first, second, artists, pair.metric, confidence, config.seed)
    new, old = (join_labels(table, splits, tracks, task, "test") for table in rows)
    difference = paired.compare(
        new, paired.make_record(old), task.kind, pair.metric, threshold=config.evaluate.threshold, confidence=confidence
    )
    return (
        {"value": difference.value, "low": difference.low, "high": difference.high}
        if difference
        else "no track in common"
    )


def _gain_in_space(inside: Paths, pair: Pair) -> Gain | str:
    """Return the gain of a space over the baseline statistics."""
    ranking = read_json(inside.ranking)
    of_space = ranking.get("spaces", {}).get(pair.candidate, {})
    return of_space.get(f"{MAIN_METRIC}_above_{pair.over}") or ranking.get("skipped") or f"{pair.candidate} was skipped"


def _alike(rows: list[pd.DataFrame], tracks: pd.DataFrame) -> list[pd.DataFrame]:
    """Align tables to their common tracks, with the columns of queries."""
    columns = tracks[["track_id", "artist", "genre", "tags"]]
    common = set.intersection(*(set(table["track_id"]) for table in rows))
    return [
        table[table["track_id"].isin(common)].merge(columns, on="track_id").sort_values(KEYS, ignore_index=True)
        for table in rows
    ]


def _labels(inside: Paths, name: str) -> tuple[Task, pd.DataFrame]:
    """Return a task, and the tracks with its target: a class, tags, or the artist's vector."""
    tracks = read_parquet(inside.tracks)
    if COLUMNS[name] != "embedding":
        return Task(name, tuple(read_json(inside.classes)[name])), tracks
    artists = read_parquet(inside.target(name) / "artists.parquet", columns=["artist", "vector"])
    vectors = dict(zip(artists["artist"], artists["vector"], strict=True))
    tracks[name] = pd.Series([vectors.get(artist) for artist in tracks["artist"]], tracks.index, dtype=object)
    width = int(read_json(inside.target(name) / "about.json")["dimension"])
    return Task(name, tuple(map(str, range(width)))), tracks


def _paper(figure: Figure) -> str:
    if figure.value is None:
        return "none given"
    return f"{figure.value:g}" + ("" if figure.deviation is None else f" ± {figure.deviation:g}")


def _ours(inside: Paths, candidate: str, metric: str) -> tuple[str, str]:
    """Return our metric with its interval, and its mean and deviation over folds."""
    metrics = read_json(inside.metrics(candidate))
    if "skipped" in metrics:
        return f"skipped: {metrics['skipped']}", ""
    spread = metrics.get("spread", {}).get("folds", {}).get(metric)
    folds = f"{spread['mean']:.4f} ± {spread['deviation']:.4f}" if spread else ""
    return _interval(metrics["test"].get(metric)), folds


def _interval(estimate: Any) -> str:
    if estimate is None or estimate["value"] is None:
        return "undefined"
    if estimate["low"] is None:
        return f"{estimate['value']:.4f}"
    return f"{estimate['value']:.4f} [{estimate['low']:.4f}, {estimate['high']:.4f}]"
