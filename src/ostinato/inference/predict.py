"""Predictions of files and folders: in parallel, resumable, tolerant of single bad files."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ostinato.errors import OstinatoError
from ostinato.inference import resume, tabular
from ostinato.inference.answers import Answer, answer_file, encode_path
from ostinato.inference.formats import Format, Text
from ostinato.inference.model import NO_PROMISE, ReleasedModel
from ostinato.inference.tabular import Near
from ostinato.inference.threads import map_threads
from ostinato.io.escapes import escape_line
from ostinato.io.versions import find_models

TEXT = Text()


def predict(
    targets: Sequence[Path],
    models: Sequence[ReleasedModel],
    *,
    over_time: bool = False,
    workers: int = 1,
    skip: frozenset[str] = frozenset(),
    near: Near | None = None,
) -> Iterator[Answer]:
    """Predict each file with all models, decoding it once, in an order independent of the workers.

    Parameters
    ----------
    targets : sequence of Path
        Files, and folders of audio files.
    models : sequence of ReleasedModel
    over_time : bool
        Include the scores of each chunk of a track.
    workers : int
        Number of files processed in parallel.
    skip : frozenset of str
        Paths to skip.
    near : Near, optional
        Returns the neighbours of an audio file or of a row of a table.

    Yields
    ------
    dict
        As from `ostinato.inference.answers.answer_file`, or ``{"path", "error"}`` for a file that
        cannot be read.
    """
    files = [(path, error) for path, error in list_files(targets) if encode_path(path) not in skip]
    answer = partial(_answer_target, models=models, over_time=over_time, skip=skip, near=near)
    for answers in map_threads(answer, tqdm(files, unit="file", disable=None, leave=False), workers):
        yield from answers


def list_files(targets: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """List audio files and those of folders, each once, in alphabetical order within a folder.

    Parameters
    ----------
    targets : sequence of Path
        A file is listed whatever its suffix; in a folder, files with a suffix of audio that are not hidden.
        A file that several of them lead to, even through links, is listed under the first.

    Yields
    ------
    Path, str or None
        A path, and why it is not a file; None if it is one.
    """
    seen: set[str] = set()
    for path, error in _list_targets(targets):
        real_path = os.path.realpath(path)
        if real_path not in seen:
            seen.add(real_path)
            yield path, error


def _list_targets(targets: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """List the audio files of each target, with repetitions."""
    from ostinato.audio import find_audio

    for target in targets:
        if not target.is_dir():
            yield target, None if target.exists() else _explain_absence(target)
            continue
        listing = find_audio(target)
        yield from ((target / name, _explain_absence(target / name)) for name in listing.paths)
        if not listing.paths:
            yield target, "no audio file in this folder"


def _explain_absence(path: Path) -> str | None:
    """Return why a path does not exist; None if it does."""
    if path.exists():
        return None
    return f"a link to {os.readlink(path)}, which does not exist" if path.is_symlink() else "no such file or folder"


def choose_models(released: Path, task: str | None) -> list[Path]:
    """Choose the released models of a task.

    Parameters
    ----------
    released : Path
        models/released.
    task : str or None
        A task, ``"all"``, or None: genre if it is released, else all.

    Returns
    -------
    list of Path
        Folders of models.

    Raises
    ------
    OstinatoError
        If there is none.
    """
    folders = find_models(released)
    if not folders:
        raise OstinatoError(
            f"{released}: no model is released; run `dvc repro` and `ostinato release`, or try --model musicnn"
        )
    if task == "all":
        return list(folders.values())
    if task is not None:
        if task not in folders:
            raise OstinatoError(f"{released}: nothing is released for {task!r}; there is {', '.join(folders)}")
        return [folders[task]]
    return [folders["genre"]] if "genre" in folders else list(folders.values())


def run(
    targets: Sequence[Path],
    released: Path,
    *,
    task: str | None = None,
    form: Format = TEXT,
    over_time: bool = False,
    workers: int = 1,
    out: TextIO | Path | None = None,
    review: Path | None = None,
    near: Near | None = None,
    err: TextIO | None = None,
) -> int:
    """Print the predictions of released models.

    Parameters
    ----------
    targets : sequence of Path
        Files and folders.
    released : Path
        models/released.
    task : str, optional
        See `choose_models`.
    form : Format
    over_time : bool
    workers : int
        Number of files processed in parallel.
    out : file or Path, optional
        A path is appended to: files with an answer there are skipped, and failures are printed
        on `err`, too. Default: standard output.
    review : Path, optional
        Table to write, of files from the most to the least doubtful, for a person to correct; must not exist.
    near : Near, optional
        See `predict`.
    err : file, optional
        Default: standard error.

    Returns
    -------
    int
        Exit status: 1 if any file failed.

    Raises
    ------
    OstinatoError
        If nothing is released, `out` holds something else, or `review` exists.
    """
    err = err or sys.stderr
    resume.check_review(review, out, form)
    models = [ReleasedModel(folder, threads=1 if workers > 1 else 0) for folder in choose_models(released, task)]
    warn(models, over_time, err)
    warn_of_skipped(targets, err)
    progress = resume.Progress()
    if isinstance(out, Path):
        files = {encode_path(path): path for path, _ in list_files(targets)}
        catalog_hash = None if near is None else near.catalog_hash
        progress = resume.resume(out, form, files, models, over_time=over_time, catalog_hash=catalog_hash)
    rows = [json.loads(line) for line in progress.lines] if review is not None else []
    n_failed = n_read = 0
    # idle threads of BLAS would take the processor from decoding and ONNX Runtime
    with resume.open_output(out, form) as file, threadpool_limits(1):
        for answer in predict(targets, models, over_time=over_time, workers=workers, skip=progress.done, near=near):
            is_failure = "error" in answer
            n_failed, n_read = n_failed + is_failure, n_read + (not is_failure)
            for line in form.lines(answer):
                print(line, file=err if is_failure and form is TEXT else file, flush=True)
            if is_failure and isinstance(out, Path):
                print(*TEXT.lines(answer), file=err)
            if review is not None and (not is_failure or _is_audio(Path(answer["path"]))):
                rows.append(answer)
    if isinstance(out, Path):
        print(f"{out}: {_summarise(progress, form, n_read, n_failed)}", file=err)
    if review is not None:
        root = resume.write_review(review, targets, rows)
        print(
            f"{review}: paths are relative to {root}; fill in the empty column for each label that you have checked: "
            "only that column is read back",
            file=err,
        )
    return int(n_failed > 0)


def _summarise(progress: resume.Progress, form: Format, n_read: int, n_failed: int) -> str:
    """Count the answers of a file by what became of them."""
    n_known = len({(key.path, key.task) for line in progress.lines if (key := form.read(line))})
    n_outdated = progress.n_outdated
    outdated = f" ({n_outdated} of them again: the file, the model or the catalog has changed)" if n_outdated else ""
    return f"{n_read} new{outdated}, {n_known} already there, {n_failed} failed"


def warn_of_skipped(targets: Sequence[Path], err: TextIO) -> None:
    """Warn of files in folders that are skipped.

    Parameters
    ----------
    targets : sequence of Path
    err : file
    """
    from ostinato.audio import find_audio

    for target in targets:
        if target.is_dir() and (skipped := find_audio(target).explain()):
            print(f"{escape_line(encode_path(target))}: skipped: {escape_line(skipped)}", file=err)
    n_twice = len(list(_list_targets(targets))) - len(list(list_files(targets))) if len(targets) > 1 else 0
    if n_twice:
        print(f"skipped: {n_twice} that other given paths lead to", file=err)


def _is_audio(path: Path) -> bool:
    """Return whether a path is a file or link that should be audio, readable or not."""
    return (path.is_file() or path.is_symlink()) and not tabular.is_table(path)


def warn(models: Sequence[ReleasedModel], over_time: bool, err: TextIO) -> None:
    """Warn of the limits of models.

    Parameters
    ----------
    models : sequence of ReleasedModel
    over_time : bool
        Whether scores of chunks are requested.
    err : file
    """
    for model in models:
        if model.embedded:
            print(f"{model.name}: trained on the embedded corpus; its labels mean nothing on real music", file=err)
        if model.unsure_below == float("inf"):
            print(f"{model.name}: {NO_PROMISE}; all its labels are marked unsure", file=err)
        if over_time and not model.can_score_chunks:
            print(f"{model.name}: scores whole tracks only, without chunks", file=err)


def _answer_target(
    target: tuple[Path, str | None],
    *,
    models: Sequence[ReleasedModel],
    over_time: bool,
    skip: frozenset[str],
    near: Near | None,
) -> list[Answer]:
    """Predict a file, or each row of a table, with every model; a failure of one model fails the file or the row."""
    path, error = target
    if error:
        return [{"path": encode_path(path), "error": error}]
    content = resume.hash_content(path)
    hashes = {model.task: {"model_hash": model.hash, "content_hash": content} for model in models}
    try:
        if tabular.is_table(path):
            answers = tabular.answer_rows(path, models, skip, near)
            return [answer if "error" in answer else answer | hashes[answer["task"]] for answer in answers]
        more = {} if near is None else near.answer(str(path))
        return [answer | hashes[answer["task"]] | more for answer in answer_file(path, models, over_time=over_time)]
    except OstinatoError as failure:
        return [{"path": encode_path(path), "error": str(failure).removeprefix(f"{path}: ")}]
    except Exception as failure:  # no file, whatever it contains, may end the run
        return [{"path": encode_path(path), "error": f"cannot be predicted ({type(failure).__name__}: {failure})"}]
