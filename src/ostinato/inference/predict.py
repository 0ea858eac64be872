"""Predictions of files and folders: in parallel, resumable, one bad file passed over."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
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
    passed: frozenset[str] = frozenset(),
    near: Near | None = None,
) -> Iterator[Answer]:
    """Ask models about each file, decoding it once; the order does not depend on the workers.

    Parameters
    ----------
    targets : sequence of Path
        Files, and folders that are searched for audio.
    models : sequence of ReleasedModel
    over_time : bool
        Say what each chunk of a track scores, too.
    workers : int
        Files under way at once.
    passed : frozenset of str
        Paths that are passed over.
    near : Near, optional
        Finds the neighbours of an audio file or of a row of a table.

    Yields
    ------
    dict
        As `ostinato.inference.answers.answer_file`, or ``{"path", "error"}``: a file
        that cannot be read does not end the run.
    """
    everything = [(path, error) for path, error in list_files(targets) if encode_path(path) not in passed]

    def ask(item: tuple[Path, str | None]) -> list[Answer]:
        return _answer_target(*item, models, over_time, passed, near)

    for batch in map_threads(ask, tqdm(everything, unit="file", disable=None, leave=False), workers):
        yield from batch


def list_files(targets: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """List the audio files of files and folders, each once, in alphabetical order within a folder.

    Parameters
    ----------
    targets : sequence of Path
        A file is taken whatever its suffix; within a folder the suffix decides, and what is hidden is passed over.
        What several of them lead to, through links too, is listed under the first.

    Yields
    ------
    Path, str or None
        A file, or what was asked for and why there is none.
    """
    seen: set[str] = set()
    for path, error in _list_targets(targets):
        place = os.path.realpath(path)
        if place not in seen:
            seen.add(place)
            yield path, error


def _list_targets(targets: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """List the audio files of each target, those of several targets several times."""
    from ostinato.audio import find_audio

    for target in targets:
        if not target.is_dir():
            yield target, None if target.exists() else _explain_absence(target)
            continue
        listing = find_audio(target)
        yield from ((path, _explain_absence(path)) for path in (target / below for below in listing.paths))
        if not listing.paths:
            yield target, "no audio file in this folder"


def _explain_absence(path: Path) -> str | None:
    """Return why a path leads nowhere; None if something is there."""
    if path.exists():
        return None
    return f"a link to {os.readlink(path)}, which is not there" if path.is_symlink() else "no such file or folder"


def choose_models(released: Path, task: str | None) -> list[Path]:
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
    there = find_models(released)
    if not there:
        raise OstinatoError(
            f"{released}: no model is released; run `dvc repro` and `ostinato release`, or try --model musicnn"
        )
    if task == "all":
        return list(there.values())
    if task is not None:
        if task not in there:
            raise OstinatoError(f"{released}: nothing is released for {task!r}; there is {', '.join(there)}")
        return [there[task]]
    return [there["genre"]] if "genre" in there else list(there.values())


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
    """Print what the released models say.

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
        Files under way at once.
    out : file or Path, optional
        A path is added to: what it answers already is not asked again, and failures are told
        on `err`, too. Default: standard output.
    review : Path, optional
        Where to list the files by doubt, to be corrected and read as a table of the folder, those
        that cannot be read with the reason; nothing may be there.
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
        If nothing is released, `out` holds something else, or a table to review is there already.
    """
    err = err or sys.stderr
    resume.may_review(review, out, form)
    models = [ReleasedModel(folder, threads=1 if workers > 1 else 0) for folder in choose_models(released, task)]
    warn(models, over_time, err)
    warn_of_skipped(targets, err)
    before = resume.Progress()
    if isinstance(out, Path):
        asked = {encode_path(path): path for path, _ in list_files(targets)}
        catalog_hash = None if near is None else near.catalog_hash
        before = resume.resume(out, form, asked, models, over_time=over_time, catalog_hash=catalog_hash)
    doubtful = [json.loads(line) for line in before.lines] if review is not None else []
    n_failed = n_read = 0
    # threads of BLAS that wait for work would take the processor from files and network
    with resume.open_output(out, form) as file, threadpool_limits(1):
        for answer in predict(targets, models, over_time=over_time, workers=workers, passed=before.done, near=near):
            wrong = "error" in answer
            n_failed, n_read = n_failed + wrong, n_read + (not wrong)
            for line in form.lines(answer):
                print(line, file=err if wrong and form is TEXT else file, flush=True)
            if wrong and isinstance(out, Path):
                print(*TEXT.lines(answer), file=err)
            if review is not None and (not wrong or _is_sound(Path(answer["path"]))):
                doubtful.append(answer)
    if isinstance(out, Path):
        print(f"{out}: {_sum_up(before, form, n_read, n_failed)}", file=err)
    if review is not None:
        root = resume.review(review, targets, doubtful)
        print(
            f"{review}: paths are below {root}; fill in the empty column for each label that you have checked: "
            "only what stands there is read back",
            file=err,
        )
    return int(n_failed > 0)


def _sum_up(before: resume.Progress, form: Format, n_read: int, n_failed: int) -> str:
    """Count what a file of answers has gained."""
    n_known = len({(said.path, said.task) for line in before.lines if (said := form.read(line))})
    outdated = (
        f" ({before.n_outdated} of them again: the file, the model or the catalog has changed)"
        if before.n_outdated
        else ""
    )
    return f"{n_read} new{outdated}, {n_known} there before, {n_failed} failed"


def warn_of_skipped(targets: Sequence[Path], err: TextIO) -> None:
    """Warn of what folders hold that is passed over.

    Parameters
    ----------
    targets : sequence of Path
    err : file
    """
    from ostinato.audio import find_audio

    for target in targets:
        if target.is_dir() and (skipped := find_audio(target).explain()):
            print(f"{escape_line(encode_path(target))}: passed over: {escape_line(skipped)}", file=err)
    n_twice = len(list(_list_targets(targets))) - len(list(list_files(targets))) if len(targets) > 1 else 0
    if n_twice:
        print(f"passed over: {n_twice} that other paths given here lead to, too", file=err)


def _is_sound(path: Path) -> bool:
    """Return whether something is there that stands for sound, though no model could read it; a broken link, too."""
    return (path.is_file() or path.is_symlink()) and not tabular.is_table(path)


def warn(models: Sequence[ReleasedModel], over_time: bool, err: TextIO) -> None:
    """Warn of what models cannot tell.

    Parameters
    ----------
    models : sequence of ReleasedModel
    over_time : bool
        Whether chunks of tracks are asked for.
    err : file
    """
    for model in models:
        if model.embedded:
            print(f"{model.name}: trained on the embedded corpus; its labels mean nothing on real music", file=err)
        if model.unsure_below == float("inf"):
            print(f"{model.name}: {NO_PROMISE}; all its labels are marked unsure", file=err)
        if over_time and not model.can_score_chunks:
            print(f"{model.name}: judges a track by its whole and has nothing to say of its chunks", file=err)


def _answer_target(
    path: Path,
    error: str | None,
    models: Sequence[ReleasedModel],
    over_time: bool,
    passed: frozenset[str],
    near: Near | None,
) -> list[Answer]:
    """Decode a file and ask every model, or ask about each row of a table; one failure fails the file or the row."""
    if error:
        return [{"path": encode_path(path), "error": error}]
    content = resume.hash_content(path)
    hashes = {model.task: {"model_hash": model.hash, "content_hash": content} for model in models}
    try:
        if tabular.is_table(path):
            each = list(tabular.answer_rows(path, models, passed, near))
            return [answer if "error" in answer else answer | hashes[answer["task"]] for answer in each]
        more = {} if near is None else near.answer(str(path))
        return [answer | hashes[answer["task"]] | more for answer in answer_file(path, models, over_time=over_time)]
    except OstinatoError as failure:
        return [{"path": encode_path(path), "error": str(failure).removeprefix(f"{path}: ")}]
    except Exception as failure:  # no file, whatever is in it, ends the run over the others
        return [{"path": encode_path(path), "error": f"cannot be answered ({type(failure).__name__}: {failure})"}]
