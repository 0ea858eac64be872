"""Files of answers: gone on with where they stopped, and listed by doubt for a person to correct."""

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
    """What a file of answers holds of what is asked.

    Attributes
    ----------
    done : frozenset of str
        Paths that every model's task answered as asked.
    lines : sequence of str
        Lines in which these tasks answer those paths.
    n_outdated : int
        Answers that were dropped since the file, the model or the catalog is another one now.
    """

    done: frozenset[str] = frozenset()
    lines: Sequence[str] = ()
    n_outdated: int = 0


def resume(
    out: Path,
    form: Format,
    asked: Mapping[str, Path],
    models: Sequence[ReleasedModel],
    *,
    over_time: bool = False,
    catalog_hash: str | None = None,
) -> Progress:
    """Find what a file of answers answers already, and make it ready to be added to.

    Parameters
    ----------
    out : Path
        Of paths asked again failures are dropped from it, and what these models' tasks answered incompletely,
        by another model, of other bytes or from another catalog.
    form : Format
    asked : mapping of str to Path
        Files by the text that stands for them in answers.
    models : sequence of ReleasedModel
    over_time : bool
        An answer counts only if it speaks of chunks, where the model can.
    catalog_hash : str, optional
        An answer counts only if it names neighbours of this catalog (`tabular.Near`).

    Returns
    -------
    Progress

    Raises
    ------
    OstinatoError
        If the file holds something else than answers of this form.
    """
    if not out.is_file():  # also a device or a pipe: nothing there can be read back
        return Progress()
    written = _read_answers(out, form)
    hashes = {m.task: m.hash for m in models}
    with_chunks = {m.task for m in models if over_time and m.can_score_chunks}
    contents: dict[str, str | None] = {}

    def find_place(said: AnswerKey) -> str | None:
        return next((p for p in (said.path, said.path.rpartition(tabular.MARK)[0]) if p in asked), None)

    def is_current(said: AnswerKey) -> bool:
        place = find_place(said)
        if place is None or said.task is None or said.model_hash != hashes.get(said.task):
            return False
        if catalog_hash is not None and said.catalog_hash not in (None, catalog_hash):
            return False
        if place not in contents:
            contents[place] = hash_content(asked[place])
        return said.content_hash is not None and said.content_hash == contents[place]

    def is_complete(said: AnswerKey) -> bool:
        return (said.over_time or said.task not in with_chunks) and (
            said.catalog_hash is not None or catalog_hash is None
        )

    concerned = [(line, said) for line, said in written if find_place(said) and said.task in hashes]
    current = [(line, said) for line, said in concerned if is_current(said)]
    tasks_of: dict[str, set[str | None]] = {}
    for _, said in current:
        if is_complete(said):
            tasks_of.setdefault(said.path, set()).add(said.task)
    done = frozenset(path for path, known in tasks_of.items() if known >= set(hashes))
    lines = [line for line, said in current if said.path in done]
    stays = set(lines) | {line for line, said in written if not find_place(said) or said.task not in (None, *hashes)}
    with atomic_write(out) as partial_file:
        rest = [line for line, _ in written if line in stays]
        text = "".join(f"{line}\n" for line in [*([form.header] if form.header else []), *rest])
        partial_file.write_text(text, encoding="utf-8")
    outdated = {(s.path, s.task) for _, s in concerned} - {(s.path, s.task) for _, s in current}
    return Progress(done, lines, len(outdated))


def hash_content(path: Path) -> str | None:
    """Compute the SHA-256 of a file in hexadecimal; None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _read_answers(out: Path, form: Format) -> list[tuple[str, AnswerKey]]:
    """Read the whole lines of a file that holds answers, and what each says; refuse any other file to lose nothing."""
    first = form.header or '{"path"'
    try:
        text = out.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = "\0"
    lines = [line for line in text.rpartition("\n")[0].split("\n") if line and line != form.header]
    read = [(line, said) for line in lines if (said := form.read(line))]
    if text[: len(first)] != first[: len(text)] or len(read) < len(lines):
        raise OstinatoError(f"{out}: holds something else than answers of this form; let --out name another file")
    return read


def open_output(out: TextIO | Path | None, form: Format) -> AbstractContextManager[TextIO]:
    """Open where lines go to, standard output by default; a table begins with its header."""
    if not isinstance(out, Path):
        file = out or sys.stdout
        if form.header:
            print(form.header, file=file)
        return nullcontext(file)
    begun = out.exists()
    out.parent.mkdir(parents=True, exist_ok=True)
    opened = open(out, "a", encoding="utf-8")  # noqa: SIM115 (the caller's `with` closes it)
    if form.header and not begun:
        print(form.header, file=opened)
    return opened


PREDICTED = "predicted_"
"""Begins the names of the columns that say what a model answered; nobody reads them as labels."""


def review(path: Path, targets: Sequence[Path], answers: Sequence[Answer]) -> Path:
    """List files by doubt, the most doubtful first, as a table that `dataset: {name: folder, table: ...}` reads.

    What a model answered stands beside an empty column for the label, so that only what a person
    fills in is ever read as one.

    Parameters
    ----------
    path : Path
        Of the table.
    targets : sequence of Path
        What was asked about.
    answers : sequence of dict
        Of one or several tasks, or the error of a file that cannot be read. Files of the same doubt are in the
        order of what their scores alone say, then of their paths.

    Returns
    -------
    Path
        What the paths in the table are relative to: the deepest folder that holds all targets.
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
        new = (reason for reason in answer["reasons"] if NO_PROMISE not in reason)  # which is said once, of all files
        row["reasons"] = "; ".join(dict.fromkeys([*known, *new]))
        label = answer["label"]
        row[PREDICTED + answer["task"]] = label if isinstance(label, str) else ";".join(label)
    tasks = sorted({answer["task"] for answer in answers if "error" not in answer})
    error = ["error"] if any("error" in row for row in rows.values()) else []
    columns = ["path", "doubt", "reasons", *error, *(name for task in tasks for name in (PREDICTED + task, task))]
    with atomic_write(path) as partial_file, open(partial_file, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: escape_cell(v) for k, v in row.items()} for row in rows.values())
    return root


def _rank(answer: Answer) -> tuple[float, float, str]:
    """Put what cannot be read first, then the most doubtful."""
    if "error" in answer:
        return -1.0, -2.0, answer["path"]
    return -doubt(answer), -score_doubt(answer), answer["path"]


def may_review(review: Path | None, out: TextIO | Path | None, form: Format) -> None:
    """Refuse to lose what a person has corrected, or to list half of the files.

    Parameters
    ----------
    review : Path or None
        Of the table.
    out : file, Path or None
        Where answers go.
    form : Format

    Raises
    ------
    OstinatoError
        If the table is there already, or `out` is gone on with and holds no scores.
    """
    if review is None:
        return
    if review.exists():
        raise OstinatoError(f"{review}: is there already, perhaps corrected; let --review name another file")
    if isinstance(out, Path) and not isinstance(form, Json):
        raise OstinatoError(f"{out}: holds no scores to review by; give --json with --out and --review")
