"""What the released models say of files and folders."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from ostinato.errors import OstinatoError
from ostinato.runtime.answers import Answer, answers
from ostinato.runtime.session import Released


def predict(targets: Sequence[Path], models: Sequence[Released]) -> Iterator[Answer]:
    """Ask models about each file, decoding it once.

    Parameters
    ----------
    targets : sequence of Path
        Files, and folders that are searched for audio.
    models : sequence of Released

    Yields
    ------
    dict
        ``{"path", "task", "model", "label", "scores"}`` per file and model, or
        ``{"path", "error"}``: a file that cannot be read does not end the run.
    """
    for path, error in tqdm(list(found(targets)), unit="file", disable=None, leave=False):
        if error:
            yield {"path": str(path), "error": error}
        else:
            try:
                yield from answers(path, models)
            except OstinatoError as failure:
                yield {"path": str(path), "error": str(failure).removeprefix(f"{path}: ")}


def found(targets: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """List the audio files of files and folders, in alphabetical order within a folder.

    Parameters
    ----------
    targets : sequence of Path
        A file is taken whatever its suffix; within a folder the suffix decides.

    Yields
    ------
    Path, str or None
        A file, or what was asked for and why there is none.
    """
    from ostinato.audio import SUFFIXES

    for target in targets:
        if not target.is_dir():
            yield target, None if target.exists() else "there is no such file"
            continue
        files = sorted(p for p in target.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        yield from ((p, None) for p in files)
        if not files:
            yield target, "no audio file in this folder"


def chosen(released: Path, task: str | None) -> list[Path]:
    """Choose whose released model is asked.

    Parameters
    ----------
    released : Path
        models/released.
    task : str or None
        A task, ``"all"``, or None: genre if that is released, else the only one there is.

    Returns
    -------
    list of Path
        Folders of models.

    Raises
    ------
    OstinatoError
        If there is none such.
    """
    there = sorted(p for p in released.glob("[!.]*") if (p / "model.json").is_file()) if released.is_dir() else []
    names = [p.name for p in there]
    if not there:
        raise OstinatoError(f"{released}: no model is released; run `dvc repro` and `ostinato release`")
    if task == "all":
        return there
    if task is not None:
        if task not in names:
            raise OstinatoError(f"{released}: nothing is released for {task!r}; there is {', '.join(names)}")
        return [released / task]
    return [released / "genre"] if "genre" in names else there


def run(
    targets: Sequence[Path],
    released: Path,
    *,
    task: str | None = None,
    as_json: bool = False,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Print what the released models say.

    Parameters
    ----------
    targets : sequence of Path
        Files and folders.
    released : Path
        models/released.
    task : str, optional
        See `chosen`.
    as_json : bool
        One object a line, instead of text.
    out, err : file
        Default: standard output and error.

    Returns
    -------
    int
        Exit status: 1 if any file failed.
    """
    out, err = out or sys.stdout, err or sys.stderr
    models = [Released(folder) for folder in chosen(released, task)]
    for model in models:
        if model.embedded:
            print(f"{model.name}: trained on the embedded corpus; its labels mean nothing on real music", file=err)
    failed = False
    for answer in predict(targets, models):
        failed |= "error" in answer
        if as_json:
            print(json.dumps(answer, ensure_ascii=False), file=out, flush=True)
        else:
            print(_text(answer), file=err if "error" in answer else out, flush=True)
    return int(failed)


def _text(answer: Answer) -> str:
    """Put an answer on one line: the label and the three best scores."""
    if "error" in answer:
        return f"{answer['path']}: {answer['error']}"
    best = sorted(answer["scores"].items(), key=lambda item: -item[1])[:3]
    label = answer["label"] if isinstance(answer["label"], str) else ", ".join(answer["label"]) or "-"
    return f"{answer['path']}: {label} ({', '.join(f'{c} {s:.2f}' for c, s in best)})"
