"""Files of answers: resumed where they stopped, and listed by doubt for a person to correct."""

import csv
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple, TextIO

from ostinato.errors import OstinatoError
from ostinato.inference import tabular
from ostinato.inference.answers import Answer, doubt, score_doubt
from ostinato.inference.formats import AnswerKey, Format, Json
from ostinato.inference.model import NO_PROMISE, ReleasedModel
from ostinato.io.escapes import escape_cell
from ostinato.io.files import atomic_write


class Progress(NamedTuple):
    """Progress of a file of answers.

    Attributes
    ----------
    done : frozenset of str
        Paths with complete answers of every model.
    lines : sequence of str
        Lines of those answers.
    n_outdated : int
        Number of answers removed because the file, the model or the catalog has changed.
    """

    done: frozenset[str] = frozenset()
    lines: Sequence[str] = ()
    n_outdated: int = 0


def resume(
    out: Path,
    form: Format,
    files: Mapping[str, Path],
    models: Sequence[ReleasedModel],
    *,
    over_time: bool = False,
    catalog_hash: str | None = None,
) -> Progress:
    """Read a file of answers and prepare it for new ones.

    Parameters
    ----------
    out : Path
        Answers about `files` are removed from it if they are failures or incomplete, or were given by another
        model, for other content or from another catalog.
    form : Format
    files : mapping of str to Path
        Files by their path in answers.
    models : sequence of ReleasedModel
    over_time : bool
        Whether an answer must have chunks, if the model can score them.
    catalog_hash : str, optional
        If given, an answer must have neighbours from this catalog (`tabular.Near`).

    Returns
    -------
    Progress

    Raises
    ------
    OstinatoError
        If the file holds something else than answers of this form.
    """
    if not out.is_file():  # a device or a pipe cannot be read back
        return Progress()
    answers = _read_answers(out, form)
    hashes = {m.task: m.hash for m in models}
    with_chunks = {m.task for m in models if over_time and m.can_score_chunks}
    contents: dict[str, str | None] = {}

    def find_file(key: AnswerKey) -> str | None:
        return next((p for p in (key.path, key.path.rpartition(tabular.MARK)[0]) if p in files), None)

    def is_current(key: AnswerKey) -> bool:
        file = find_file(key)
        if file is None or key.task is None or key.model_hash != hashes.get(key.task):
            return False
        if catalog_hash is not None and key.catalog_hash not in (None, catalog_hash):
            return False
        if file not in contents:
            contents[file] = hash_content(files[file])
        return key.content_hash is not None and key.content_hash == contents[file]

    def is_complete(key: AnswerKey) -> bool:
        has_neighbours = catalog_hash is None or key.catalog_hash is not None
        return has_neighbours and (key.over_time or key.task not in with_chunks)

    relevant = [(line, key) for line, key in answers if find_file(key) and key.task in hashes]
    current = [(line, key) for line, key in relevant if is_current(key)]
    tasks_of: dict[str, set[str | None]] = {}
    for _, key in current:
        if is_complete(key):
            tasks_of.setdefault(key.path, set()).add(key.task)
    done = frozenset(path for path, tasks in tasks_of.items() if tasks >= set(hashes))
    lines = [line for line, key in current if key.path in done]
    keep = set(lines) | {line for line, key in answers if not find_file(key) or key.task not in (None, *hashes)}
    with atomic_write(out) as partial_file:
        rest = [line for line, _ in answers if line in keep]
        text = "".join(f"{line}\n" for line in [*([form.header] if form.header else []), *rest])
        partial_file.write_text(text, encoding="utf-8")
    outdated = {(k.path, k.task) for _, k in relevant} - {(k.path, k.task) for _, k in current}
    return Progress(done, lines, len(outdated))


def hash_content(path: Path) -> str | None:
    """Compute the SHA-256 of a file in hexadecimal; None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _read_answers(out: Path, form: Format) -> list[tuple[str, AnswerKey]]:
    """Read the complete lines of a file of answers, with their keys; refuse any other file, so as not to destroy it."""
    first = form.header or '{"path"'
    try:
        text = out.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = "\0"
    lines = [line for line in text.rpartition("\n")[0].split("\n") if line and line != form.header]
    answers = [(line, key) for line in lines if (key := form.read(line))]
    if text[: len(first)] != first[: len(text)] or len(answers) < len(lines):
        raise OstinatoError(f"{out}: does not hold answers in this format; give --out another file")
    return answers


def open_output(out: TextIO | Path | None, form: Format) -> AbstractContextManager[TextIO]:
    """Open the output, standard output by default; a table begins with its header."""
    if not isinstance(out, Path):
        file = out or sys.stdout
        if form.header:
            print(form.header, file=file)
        return nullcontext(file)
    is_new = not out.exists()
    out.parent.mkdir(parents=True, exist_ok=True)
    file = open(out, "a", encoding="utf-8")  # noqa: SIM115 (the caller's `with` closes it)
    if form.header and is_new:
        print(form.header, file=file)
    return file


PREFIX = "predicted_"
"""Prefix of columns of predictions, which are never read as labels."""


def write_review(path: Path, targets: Sequence[Path], answers: Sequence[Answer]) -> Path:
    """Write a table of files, the most doubtful first, that `dataset: {name: folder, table: ...}` reads.

    Next to each prediction is an empty column for the label, so that only what a person fills in is read as one.

    Parameters
    ----------
    path : Path
        Table to write.
    targets : sequence of Path
        Files and folders of the prediction.
    answers : sequence of dict
        Of one or several tasks, or the error of a file that cannot be read. Ties are broken by the doubt of the
        scores alone, then by path.

    Returns
    -------
    Path
        Folder that the paths in the table are relative to: the deepest one that holds all targets.
    """
    root = Path(os.path.commonpath([t.absolute() if t.is_dir() else t.absolute().parent for t in targets]))
    rows: dict[str, dict[str, object]] = {}
    for answer in sorted(answers, key=_rank):
        name = os.path.relpath(answer["path"], root)
        row = rows.setdefault(name, {"path": name, "doubt": 1.0 if "error" in answer else round(doubt(answer), 4)})
        if "error" in answer:
            row["error"] = answer["error"]
            continue
        known = str(row["reasons"]).split("; ") if row.get("reasons") else []
        new = (reason for reason in answer["reasons"] if NO_PROMISE not in reason)  # printed once, for all files
        row["reasons"] = "; ".join(dict.fromkeys([*known, *new]))
        label = answer["label"]
        row[PREFIX + answer["task"]] = label if isinstance(label, str) else ";".join(label)
    tasks = sorted({answer["task"] for answer in answers if "error" not in answer})
    error = ["error"] if any("error" in row for row in rows.values()) else []
    columns = [
        "path",
        "doubt",
        "reasons",
        *error,
        *(name for task in tasks for name in (PREFIX + task, task)),
    ]
    with atomic_write(path) as partial_file, open(partial_file, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: escape_cell(v) for k, v in row.items()} for row in rows.values())
    return root


def _rank(answer: Answer) -> tuple[float, float, str]:
    """Sort unreadable files first, then by descending doubt."""
    if "error" in answer:
        return -1.0, -2.0, answer["path"]
    return -doubt(answer), -score_doubt(answer), answer["path"]


def check_review(review: Path | None, out: TextIO | Path | None, form: Format) -> None:
    """Refuse to overwrite a corrected table, or to list only part of the files.

    Parameters
    ----------
    review : Path or None
        Table to write.
    out : file, Path or None
        Output of answers.
    form : Format

    Raises
    ------
    OstinatoError
        If the table exists, or `out` is resumed and has no scores.
    """
    if review is None:
        return
    if review.exists():
        raise OstinatoError(f"{review}: already exists and may hold corrections; give --review another file")
    if isinstance(out, Path) and not isinstance(form, Json):
        raise OstinatoError(f"{out}: has no scores to rank by; use --json with --out and --review")
