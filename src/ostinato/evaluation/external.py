"""Evaluate a released model on another collection, which it was not trained on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato.core import names
from ostinato.core.counts import format_count
from ostinato.core.registry import instead
from ostinato.core.task import Task
from ostinato.curation.remarks import format_remark, get_remarks
from ostinato.datasets import folder
from ostinato.errors import DataError
from ostinato.evaluation.classification import compute_intervals, summarise_undefined
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.inference.answers import Answer, audio_warnings, sound_faults
from ostinato.inference.model import ReleasedModel
from ostinato.inference.predict import predict


def evaluate(
    model: ReleasedModel,
    root: Path,
    *,
    table: str | None = None,
    renaming: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    workers: int = 1,
    find_copies: Callable[[list[str]], Mapping[str, str]] | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Evaluate a released model on a labelled folder.

    Parameters
    ----------
    model : ReleasedModel
    root : Path
        A folder per genre, or audio with a `table`; see `ostinato.datasets.folder`.
    table : str, optional
    renaming : mapping of str to str, optional
        Class of the model by class of the collection, both in any spelling. Unknown classes are left out.
    confidence : float
        Confidence of the intervals, over artists or, if unknown, over tracks.
    workers : int
        Number of files to process at once.
    find_copies : callable, optional
        Returns those of some paths relative to `root` that are copies of training tracks, with the tracks; they are
        left out. See `overlap.find_training_copies`. Default: no search.
    note : str, optional
        Limits of that search.

    Returns
    -------
    dict
        ``figures``, metrics with intervals; ``n_tracks``; ``left_out``, numbers of tracks by unknown class;
        ``classes`` of the model; ``copies`` of training tracks by path, and ``copies_note``; ``unreadable`` and
        ``unusable`` files by path, the latter because validation rejects them; ``reasons`` by path why files sound
        unlike the training tracks, though they count; ``undefined`` classes and ``remarks`` about table and labels.

    Raises
    ------
    DataError
        If no track has a class of the model, all that do are copies of training tracks, or a renaming has no
        effect.
    """
    task = Task(model.task, model.classes)
    paths = folder.audio_files(root)
    tracks = folder.describe_files(root, paths, [{} for _ in paths], folder.Options(table=table, max_unmatched_share=1))
    remarks = [format_remark(remark) for remark in get_remarks(tracks)]
    if not tracks[task.name].dropna().map(len).any():
        raise DataError(f"{root}: no track has a {task.name}; give a table with that column")
    _check_renaming(renaming or {}, tracks[task.name], model)
    tracks, left_out = _select_known(tracks, task, renaming or {})
    if not len(tracks):
        raise DataError(
            f"{root}: none of its classes ({', '.join(left_out) or 'none'}) is one of {model.name}'s "
            f"({', '.join(model.classes)}); say which is which by --rename theirs=ours, once for each"
        )
    copies = dict(find_copies(tracks["path"].tolist())) if find_copies else {}
    tracks = tracks[~tracks["path"].isin(copies)]
    if not len(tracks):
        raise DataError(f"{root}: every file is a copy of a training track of {model.name}; use others")
    answers = list(predict([root / p for p in tracks["path"]], [model], workers=workers))
    unusable = {a["path"]: faults for a in answers if (faults := sound_faults(a))}
    rows, unreadable = _join_answers(tracks, [a for a in answers if a["path"] not in unusable], task, root)
    figures = compute_intervals(rows, task.kind, model.thresholds, confidence)
    return {
        "model": model.name,
        "task": task.name,
        "n_tracks": len(rows),
        "left_out": left_out,
        "remarks": remarks,
        "classes": list(model.classes),
        "copies": copies,
        "copies_note": note,
        "unreadable": unreadable,
        "unusable": unusable,
        "reasons": {
            a["path"]: reasons for a in answers if a["path"] not in unusable and (reasons := audio_warnings(a))
        },
        "figures": figures,
        "undefined": summarise_undefined(rows, task.classes, task.kind),
    }


def format_markdown(result: Mapping[str, Any]) -> str:
    """Format the result of `evaluate` as Markdown."""
    lines = [f"{result['model']} on {format_count(result['n_tracks'], 'track')}", ""]
    lines += ["| metric | value | interval |", "|---|---:|---|"]
    for name, figure in result["figures"].items():
        if figure["value"] is not None:
            interval = "" if figure["low"] is None else f"{figure['low']:.4f} to {figure['high']:.4f}"
            lines.append(f"| {name} | {figure['value']:.4f} | {interval} |")
    lines += [f"\n{remark}" for remark in result["remarks"]]
    lines += [f"\nleft out: {n} of {c!r}, which the model does not know" for c, n in result["left_out"].items()]
    if result["left_out"]:
        lines.append(
            f"\nit knows {', '.join(result['classes'])}; `--rename theirs=ours` lets a class count as one of them"
        )
    if copies := result["copies"]:
        path, track = next(iter(copies.items()))
        lines.append(
            f"\nleft out: {format_count(len(copies), 'file')} that repeat training tracks, such as {path} (of {track})"
        )
    if result["copies_note"]:
        lines.append(f"\ncopies of training tracks: {result['copies_note']}")
    lines += [f"\nleft out: {path} cannot be read ({error})" for path, error in result["unreadable"].items()]
    lines += [f"\nleft out: {path} ({'; '.join(faults)})" for path, faults in result["unusable"].items()]
    if result["reasons"]:
        path, reasons = next(iter(result["reasons"].items()))
        lines.append(
            f"\nunlike the training tracks: {len(result['reasons'])} of {format_count(result['n_tracks'], 'file')}, "
            f"such as {path} ({'; '.join(reasons)})"
        )
    return "\n".join(lines) + "\n"


def parse_renaming(pairs: Iterable[str]) -> dict[str, str]:
    """Parse renamings of classes such as ``hip-hop=hiphop``.

    Raises
    ------
    DataError
        If ``=`` is missing.

    Examples
    --------
    >>> parse_renaming(["hip-hop=hiphop"])
    {'hip-hop': 'hiphop'}
    """
    parts = [pair.partition("=") for pair in pairs]
    if invalid := [theirs for theirs, equals, _ in parts if not equals]:
        raise DataError(f"{invalid[0]!r}is not a renaming; write theirs=ours")
    return {theirs: ours for theirs, _, ours in parts}


def _check_renaming(renaming: Mapping[str, str], labels: pd.Series, model: ReleasedModel) -> None:
    """Raise an error if a renaming has no effect."""
    names.check_renaming(renaming, labels, "--rename {}={}")
    for old, new in renaming.items():
        if not any(names.are_same(new, own) for own in model.classes):
            raise DataError(f"--rename {old}={new}: {model.name} has no class {new!r}; {instead(new, model.classes)}")


def _select_known(tracks: pd.DataFrame, task: Task, renaming: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Spell labels as the model does and select the tracks with its classes; count the others by class."""
    spellings = {names.identity(name): name for name in task.classes}

    def spell(label: Any) -> Any:
        if isinstance(label, list):
            return [spell(name) for name in label]
        return spellings.get(names.identity(label), label)

    labels = map(spell, names.unify(tracks[task.name], renaming))
    tracks = tracks.assign(**{task.name: pd.Series(list(labels), tracks.index, dtype=object)})
    if task.kind == "multi":
        return tracks[tracks[task.name].map(len) > 0], {}
    is_known = tracks[task.name].isin(task.classes)
    unknown = tracks.loc[~is_known, task.name].dropna().value_counts().sort_index()
    return tracks[is_known], {str(c): int(n) for c, n in unknown.items()}


def _join_answers(
    tracks: pd.DataFrame, answers: Sequence[Answer], task: Task, root: Path
) -> tuple[ScoredTracks, dict[str, str]]:
    """Join answers with labels; return errors by path of the files that could not be read."""
    by_path = {a["path"]: a for a in answers}
    tracks = tracks[[str(root / p) in by_path for p in tracks["path"]]]
    answers = [by_path[str(root / p)] for p in tracks["path"]]
    unreadable = {a["path"]: a["error"] for a in answers if "error" in a}
    is_readable = np.array(["error" not in a for a in answers])
    if not is_readable.any():
        raise DataError(f"{root}: none of its files can be used; `ostinato predict {root}` says why")
    tracks = tracks[is_readable]
    scores = np.array([list(a["scores"].values()) for a in answers if "error" not in a])
    ids = tracks["track_id"].to_numpy(object)
    artists = tracks["artist"] if "artist" in tracks else [None] * len(tracks)
    group = np.array([names.identity(artist) or i for artist, i in zip(artists, ids, strict=True)], object)
    return ScoredTracks(ids, scores, task.target(tracks), group, ids, np.zeros(len(tracks), np.int64)), unreadable
