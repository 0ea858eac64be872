"""A run's figures beside the paper's, in Markdown."""

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
from ostinato.evaluation.similarity.leaderboard import LEADING
from ostinato.io.files import read_json, read_parquet
from ostinato.metrics.ranking import METRICS
from ostinato.recipes import Figure, Leaky, Pair, Recipe

Gain: TypeAlias = Mapping[str, Any]
"""Value, low and high end of a difference."""
VERDICTS = ("better", "worse", "undecided")


def report(inside: Paths, recipe: Recipe) -> str:
    """Put the paper's figures beside ours.

    Parameters
    ----------
    inside : Paths
        Of the run.
    recipe : Recipe

    Returns
    -------
    str
        Tables in Markdown. Ours is of tracks that the network never saw, with its
        interval; over several folds also the mean and deviation of the folds.
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


def _count_tracks(inside: Paths, wanted: int) -> str:
    """Return how many tracks decoding left, beside how many the paper had left."""
    every = set(read_parquet(inside.tracks, columns=["track_id"])["track_id"])
    broken = every & set(read_parquet(inside.quarantine, columns=["track_id"])["track_id"])
    left = len(every) - len(broken)
    mark = "the" if left == wanted else "NOT the"
    found = f"{len(every):,}, of which {len(broken):,} are in quarantine"
    if inside.warnings.exists():
        n_warned = read_parquet(inside.warnings, columns=["track_id"])["track_id"].nunique()
        found += f" and {n_warned:,} kept with a warning" if n_warned else ""
    return f"Tracks: {found}; {left:,} left, {mark} {wanted:,} of the paper."


def _figures(inside: Paths, figures: list[Figure]) -> list[str]:
    """Write the main table, with the name of the split that ours is of."""
    split = read_json(inside.classes)["name"] if inside.classes.exists() else "tracks that the network never saw"
    lines = [
        f"| row | metric | paper | where | ours: {split} | mean and deviation of folds | note |",
        "|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        ours, folds = ("", "") if figure.candidate is None else _ours(inside, figure.candidate, figure.metric)
        quoted = "quoted from another paper" if figure.candidate is None else ""
        lines.append(
            f"| {figure.row} | {figure.metric} | {_paper(figure)} | {figure.source or ''} | {ours} | {folds} "
            f"| {figure.note or quoted} |"
        )
    return lines


def _leaky(inside: Paths, protocol: Leaky) -> list[str]:
    """Write what the published protocol gives, beside what is true of whole tracks."""
    found = read_json(inside.root / "leaky.json")
    lines = [
        f"LEAKY, as published: tracks cut into {protocol.pieces}, the pieces parted at random, so that test pieces have"
        " their neighbours in training. Not to be quoted as accuracy on new music.",
        "",
        "| row | metric | paper | ours, LEAKY | ours by track |",
        "|---|---|---|---|---|",
    ]
    for figure in protocol.figures:
        name = str(figure.candidate)
        leaky, ours = _interval(found[name]["test"].get(figure.metric)), _ours(inside, name, figure.metric)[0]
        lines.append(f"| {figure.row} | {figure.metric} | {_paper(figure)} | {leaky} | {ours} |")
    return lines


def _pairs(inside: Paths, recipe: Recipe) -> list[str]:
    """Write what one candidate gains over another on the same tracks."""
    lines = ["| gain | metric | paper | ours, paired | with 95 % |", "|---|---|---|---|---|"]
    counts = dict.fromkeys(VERDICTS, 0)
    for pair in recipe.pairs:
        paper = "" if pair.value is None else f"{pair.value:+g}"
        found = _gain(inside, pair)
        verdict = "" if isinstance(found, str) else _verdict(found)
        said = found if isinstance(found, str) else _write_gain(found)
        lines.append(f"| {pair.candidate} over {pair.over} | {pair.metric} | {paper} | {said} | {verdict} |")
        if verdict:
            counts[verdict] += 1
    if recipe.hypothesis:
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
        lines += ["", f"Hypothesis: {recipe.hypothesis} Of {sum(counts.values())} comparisons: {told}."]
        lines += ["The intervals are those of single comparisons; one in twenty misleads by chance."]
    return lines


def _write_gain(gain: Gain) -> str:
    """Write a difference with its interval, if there is one."""
    value, low, high = (gain[k] for k in ("value", "low", "high"))
    if low is None or isnan(low):
        return f"{value:+.4f}, too few groups for an interval"
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


def _verdict(found: Gain) -> str:
    """Return whether the interval of a difference lies on one side of none."""
    if found["low"] is None or isnan(found["low"]):
        return "undecided"
    return "better" if found["low"] > 0 else "worse" if found["high"] < 0 else "undecided"


def _gain(inside: Paths, pair: Pair) -> Gain | str:
    """Return how much better one candidate is on the same tracks, or say why that is not known."""
    made = params.load(inside.params)
    if pair.over == made.recommend.baseline:
        return _gain_in_space(inside, pair)
    task, tracks = _labels(inside, get_candidates(made)[pair.candidate].task)
    splits, rows = read_parquet(inside.splits), []
    for name in (pair.candidate, pair.over):
        file = inside.predictions(name) / "predictions.parquet"
        if not file.exists():
            return f"{name} was skipped"
        rows.append(read_parquet(file, columns=[*KEYS, "logits"]))
    confidence = made.evaluate.confidence
    if task.kind == "embedding" and pair.metric in METRICS:
        artists = read_parquet(inside.target(task.name) / "artists.parquet", columns=["artist", "related"])
        mine, theirs = _alike(rows, tracks)
        return artist_embedding.gain(mine, theirs, artists, pair.metric, confidence, made.seed)
    new, old = (join_labels(table, splits, tracks, task, "test") for table in rows)
    found = paired.compare(
        new, paired.make_record(old), task.kind, pair.metric, threshold=made.evaluate.threshold, confidence=confidence
    )
    return {"value": found.value, "low": found.low, "high": found.high} if found else "no track in common"


def _gain_in_space(inside: Paths, pair: Pair) -> Gain | str:
    """Look up how much nearer a space is than the statistics that all are compared with."""
    said = read_json(inside.ranking)
    of_space = said.get("spaces", {}).get(pair.candidate, {})
    return of_space.get(f"{LEADING}_above_{pair.over}") or said.get("skipped") or f"{pair.candidate} was skipped"


def _alike(rows: list[pd.DataFrame], tracks: pd.DataFrame) -> list[pd.DataFrame]:
    """Put the rows of the same tracks in the same order, with what questions ask of them."""
    asked = tracks[["track_id", "artist", "genre", "tags"]]
    shared = set.intersection(*(set(table["track_id"]) for table in rows))
    return [
        table[table["track_id"].isin(shared)].merge(asked, on="track_id").sort_values(KEYS, ignore_index=True)
        for table in rows
    ]


def _labels(inside: Paths, name: str) -> tuple[Task, pd.DataFrame]:
    """Return a task and the tracks with what it asks for: a class, tags, or the direction of the artist."""
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
    """Return our figure with its interval, and mean and deviation over folds."""
    metrics = read_json(inside.metrics(candidate))
    if "skipped" in metrics:
        return f"skipped: {metrics['skipped']}", ""
    spread = metrics.get("spread", {}).get("folds", {}).get(metric)
    folds = f"{spread['mean']:.4f} ± {spread['deviation']:.4f}" if spread else ""
    return _interval(metrics["test"].get(metric)), folds


def _interval(found: Any) -> str:
    if found is None or found["value"] is None:
        return "undefined"
    if found["low"] is None:
        return f"{found['value']:.4f}"
    return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"
