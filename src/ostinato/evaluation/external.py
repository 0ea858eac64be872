"""Evaluate a released model on a collection that it was not trained on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato.core import names
from ostinato.core.registry import instead
from ostinato.core.task import Task
from ostinato.curation.remarks import format_count, format_remark, get_remarks
from ostinato.datasets import folder
from ostinato.errors import DataError
from ostinato.evaluation.classification import summarise_undefined, with_intervals
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.inference.answers import Answer, audio_warnings, sound_faults
from ostinato.inference.model import ReleasedModel
from ostinato.inference.predict import predict


def judge(
    model: ReleasedModel,
    root: Path,
    *,
    table: str | None = None,
    renamed: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    workers: int = 1,
    find_copies: Callable[[list[str]], Mapping[str, str]] | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """Judge a released model on a labelled folder.

    Parameters
    ----------
    model : ReleasedModel
    root : Path
        A directory per genre, or audio with a `table`; see `ostinato.datasets.folder`.
    table : str, optional
    renamed : mapping of str to str, optional
        Their class to the model's, both in any spelling; classes neither renamed nor known are left out and counted.
    confidence : float
        Of the intervals, over artists where they are known, else over tracks.
    workers : int
        Files under way at once.
    find_copies : callable, optional
        Gives those of some paths below `root` that repeat a training track, and which; they are left out and
        counted. See `overlap.find_training_copies`. Default: copies are not looked for.
    note : str, optional
        What that leaves open.

    Returns
    -------
    dict
        ``figures`` as in models/metrics, ``n_tracks``, ``left_out`` by class, the ``classes`` it knows,
        ``copies`` of training tracks by path and the ``copies_note``; by path what else no figure counts:
        ``unreadable`` files and ``unusable`` ones, which `validate` would not let pass; the ``reasons`` of
        files that are counted and sound unlike those of training, what is ``undefined``, and ``remarks`` about the
        table and the labels.

    Raises
    ------
    DataError
        If no track has a class that the model knows, all that have one are copies of training tracks, or a
        renaming changes nothing.
    """
    task = Task(model.task, model.classes)
    paths = folder.audio_files(root)
    tracks = folder.describe_files(root, paths, [{} for _ in paths], folder.Options(table=table, max_unmatched_share=1))
    remarks = [format_remark(remark) for remark in get_remarks(tracks)]
    if not tracks[task.name].dropna().map(len).any():
        raise DataError(f"{root}: no track has a {task.name}; give a table with that column")
    _check_renaming(renamed or {}, tracks[task.name], model)
    tracks, left_out = _select_known(tracks, task, renamed or {})
    if not len(tracks):
        raise DataError(
            f"{root}: none of its classes ({', '.join(left_out) or 'none'}) is one of {model.name}'s "
            f"({', '.join(model.classes)}); say which is which by --rename theirs=ours, once for each"
        )
    copies = dict(find_copies(tracks["path"].tolist())) if find_copies else {}
    tracks = tracks[~tracks["path"].isin(copies)]
    if not len(tracks):
        raise DataError(f"{root}: all {len(copies)} tracks repeat training tracks of {model.name}; judge it on others")
    answers = list(predict([root / p for p in tracks["path"]], [model], workers=workers))
    unusable = {a["path"]: faults for a in answers if (faults := sound_faults(a))}
    rows, unreadable = _rows(tracks, [a for a in answers if a["path"] not in unusable], task, root)
    figures = with_intervals(rows, task.kind, model.thresholds, confidence)
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


def markdown(judged: Mapping[str, Any]) -> str:
    """Put what `judge` found in words and a table."""
    lines = [f"{judged['model']} on {format_count(judged['n_tracks'], 'track')}", ""]
    lines += ["| metric | value | interval |", "|---|---:|---|"]
    for name, figure in judged["figures"].items():
        if figure["value"] is not None:
            between = "" if figure["low"] is None else f"{figure['low']:.4f} to {figure['high']:.4f}"
            lines.append(f"| {name} | {figure['value']:.4f} | {between} |")
    lines += [f"\n{remark}" for remark in judged["remarks"]]
    lines += [f"\nleft out: {n} of {c!r}, which the model does not know" for c, n in judged["left_out"].items()]
    if judged["left_out"]:
        lines.append(
            f"\nit knows {', '.join(judged['classes'])}; `--rename theirs=ours` lets a class count as one of them"
        )
    if copies := judged["copies"]:
        path, track = next(iter(copies.items()))
        lines.append(
            f"\nleft out: {format_count(len(copies), 'file')} that repeat training tracks, such as {path} (of {track})"
        )
    if judged["copies_note"]:
        lines.append(f"\ncopies of training tracks: {judged['copies_note']}")
    lines += [f"\nleft out: {path} cannot be read ({error})" for path, error in judged["unreadable"].items()]
    lines += [f"\nleft out: {path} ({'; '.join(faults)})" for path, faults in judged["unusable"].items()]
    if judged["reasons"]:
        path, reasons = next(iter(judged["reasons"].items()))
        lines.append(
            f"\nunlike the training tracks: {len(judged['reasons'])} of {format_count(judged['n_tracks'], 'file')}, "
            f"such as {path} ({'; '.join(reasons)})"
        )
    return "\n".join(lines) + "\n"


def mapping(pairs: Iterable[str]) -> dict[str, str]:
    """Read renamings such as ``hip-hop=hiphop``.

    Raises
    ------
    DataError
        If one has no ``=``.

    Examples
    --------
    >>> mapping(["hip-hop=hiphop"])
    {'hip-hop': 'hiphop'}
    """
    split = [pair.partition("=") for pair in pairs]
    if wrong := [theirs for theirs, equals, _ in split if not equals]:
        raise DataError(f"{wrong[0]!r} renames nothing; write theirs=ours")
    return {theirs: ours for theirs, _, ours in split}


def _check_renaming(renamed: Mapping[str, str], labels: pd.Series, model: ReleasedModel) -> None:
    """Refuse a renaming that changes nothing."""
    names.check_renaming(renamed, labels, "--rename {}={}")
    for old, new in renamed.items():
        if not any(names.are_same(new, own) for own in model.classes):
            raise DataError(f"--rename {old}={new}: {model.name} knows no {new!r}; {instead(new, model.classes)}")


def _select_known(tracks: pd.DataFrame, task: Task, renamed: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Name labels as the model does and keep the tracks that it can be right about; count the rest by class."""
    own = {names.identity(name): name for name in task.classes}

    def write(label: Any) -> Any:
        return [write(name) for name in label] if isinstance(label, list) else own.get(names.identity(label), label)

    unified = names.unify(tracks[task.name], renamed)
    tracks = tracks.assign(**{task.name: pd.Series(list(map(write, unified)), tracks.index, dtype=object)})
    if task.kind == "multi":
        return tracks[tracks[task.name].map(len) > 0], {}
    known = tracks[task.name].isin(task.classes)
    strange = tracks.loc[~known, task.name].dropna().value_counts().sort_index()
    return tracks[known], {str(c): int(n) for c, n in strange.items()}


def _rows(
    tracks: pd.DataFrame, answers: Sequence[Answer], task: Task, root: Path
) -> tuple[ScoredTracks, dict[str, str]]:
    """Put answers beside labels; what could not be read is named."""
    said = {a["path"]: a for a in answers}
    tracks = tracks[[str(root / p) in said for p in tracks["path"]]]
    found = [said[str(root / p)] for p in tracks["path"]]
    unreadable = {a["path"]: a["error"] for a in found if "error" in a}
    read = np.array(["error" not in a for a in found])
    if not read.any():
        raise DataError(f"{root}: none of its files can be used; `ostinato predict {root}` says why")
    kept = tracks[read]
    scores = np.array([list(a["scores"].values()) for a in found if "error" not in a])
    ids = kept["track_id"].to_numpy(object)
    artists = kept["artist"] if "artist" in kept else [None] * len(kept)
    group = np.array([names.identity(artist) or i for artist, i in zip(artists, ids, strict=True)], object)
    return ScoredTracks(ids, scores, task.target(kept), group, ids, np.zeros(len(kept), np.int64)), unreadable
