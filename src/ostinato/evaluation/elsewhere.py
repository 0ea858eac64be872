"""A released model on another collection: trained on one folder, judged on the next."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato.contract.task import Task
from ostinato.datasets import folder
from ostinato.errors import DataError
from ostinato.evaluation.candidate.figures import undefined, with_intervals
from ostinato.evaluation.candidate.judged import Judged
from ostinato.registry import instead
from ostinato.runtime.answers import Answer
from ostinato.runtime.predict import predict
from ostinato.runtime.session import Released


def judge(
    model: Released,
    root: Path,
    *,
    table: str | None = None,
    renamed: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    workers: int = 1,
) -> dict[str, Any]:
    """Judge a released model on a labelled folder.

    Parameters
    ----------
    model : Released
    root : Path
        A directory per genre, or audio with a `table`; see `ostinato.datasets.folder`.
    table : str, optional
    renamed : mapping of str to str, optional
        Their class to the model's; classes neither renamed nor known are left out and counted.
    confidence : float
        Of the intervals, over artists where they are known, else over tracks.
    workers : int
        Files under way at once.

    Returns
    -------
    dict
        ``figures`` as in models/metrics, ``n_tracks``, ``left_out`` by class, the ``classes`` it knows,
        ``unreadable`` files, the ``reasons`` of files that sound unlike those of training, and what is ``undefined``.

    Raises
    ------
    DataError
        If no track has a class that the model knows, or a renaming changes nothing.
    """
    task = Task(model.task, model.classes)
    tracks = folder.tracks(root, folder.Options(table=table))
    if task.name not in tracks:
        raise DataError(f"{root}: no track has a {task.name}; give a table with that column")
    _meaningful(renamed or {}, tracks[task.name], model)
    tracks, left_out = _known(tracks, task, renamed or {})
    if not len(tracks):
        raise DataError(
            f"{root}: none of its classes ({', '.join(left_out) or 'none'}) is one of {model.name}'s "
            f"({', '.join(model.classes)}); say which is which by --rename theirs=ours, once for each"
        )
    answers = list(predict([root / p for p in tracks["path"]], [model], workers=workers))
    rows, unreadable = _rows(tracks, answers, task, root)
    figures = with_intervals(rows, task.kind, model.thresholds, confidence)
    return {
        "model": model.name,
        "task": task.name,
        "n_tracks": len(rows),
        "left_out": left_out,
        "classes": list(model.classes),
        "unreadable": unreadable,
        "reasons": {a["path"]: a["reasons"] for a in answers if a.get("reasons")},
        "figures": figures,
        "undefined": undefined(rows, task.classes, task.kind),
    }


def markdown(judged: Mapping[str, Any]) -> str:
    """Put what `judge` found in words and a table."""
    lines = [f"{judged['model']} on {judged['n_tracks']} tracks", ""]
    lines += ["| metric | value | interval |", "|---|---:|---|"]
    for name, figure in judged["figures"].items():
        if figure["value"] is not None:
            between = "" if figure["low"] is None else f"{figure['low']:.4f} to {figure['high']:.4f}"
            lines.append(f"| {name} | {figure['value']:.4f} | {between} |")
    lines += [f"\nleft out: {n} tracks of {c!r}, which the model does not know" for c, n in judged["left_out"].items()]
    if judged["left_out"]:
        lines.append(
            f"\nit knows {', '.join(judged['classes'])}; `--rename theirs=ours` lets a class count as one of them"
        )
    lines += [f"\nunreadable: {path} ({error})" for path, error in judged["unreadable"].items()]
    if judged["reasons"]:
        path, reasons = next(iter(judged["reasons"].items()))
        lines.append(
            f"\nunlike the training tracks: {len(judged['reasons'])} of {judged['n_tracks']} files, "
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


def _meaningful(renamed: Mapping[str, str], labels: pd.Series, model: Released) -> None:
    """Refuse a renaming that changes nothing."""
    many = labels.dropna().map(lambda label: [label] if isinstance(label, str) else list(label))
    theirs = sorted({str(label) for row in many for label in row})
    for old, new in renamed.items():
        if old not in theirs:
            raise DataError(f"--rename {old}={new}: no track has {old!r}; {instead(old, theirs)}")
        if new not in model.classes:
            raise DataError(f"--rename {old}={new}: {model.name} knows no {new!r}; {instead(new, model.classes)}")


def _known(tracks: pd.DataFrame, task: Task, renamed: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Rename labels and keep the tracks that the model can be right about; count the rest by class."""
    labels = tracks[task.name]
    if task.kind == "multi":
        tags = [[renamed.get(t, t) for t in row] if isinstance(row, Sequence | np.ndarray) else None for row in labels]
        return tracks.assign(tags=pd.Series(tags, tracks.index))[[t is not None for t in tags]], {}
    ours = labels.map(lambda label: renamed.get(label, label))
    known = ours.isin(task.classes)
    strange = ours[~known].dropna().value_counts().sort_index()
    return tracks.assign(**{task.name: ours})[known], {str(c): int(n) for c, n in strange.items()}


def _rows(tracks: pd.DataFrame, answers: Sequence[Answer], task: Task, root: Path) -> tuple[Judged, dict[str, str]]:
    """Put answers beside labels; what could not be read is named."""
    said = {a["path"]: a for a in answers}
    found = [said[str(root / p)] for p in tracks["path"]]
    unreadable = {a["path"]: a["error"] for a in found if "error" in a}
    read = np.array(["error" not in a for a in found])
    if not read.any():
        raise DataError(f"{root}: none of {len(found)} files can be decoded")
    kept = tracks[read]
    scores = np.array([list(a["scores"].values()) for a in found if "error" not in a])
    ids = kept["track_id"].to_numpy(object)
    group = kept["artist"].fillna(kept["track_id"]).to_numpy(object) if "artist" in kept else ids
    return Judged(ids, scores, task.target(kept), group, ids, np.zeros(len(kept), np.int64)), unreadable
