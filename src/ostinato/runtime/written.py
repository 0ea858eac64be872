"""Files of answers: gone on with where they stopped, and listed by doubt for a person to correct."""

import csv
import os
import sys
from collections.abc import Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

from ostinato.errors import OstinatoError
from ostinato.escapes import escape_cell
from ostinato.files import replacing
from ostinato.runtime import rows
from ostinato.runtime.answers import Answer
from ostinato.runtime.formats import Format, Json, Said
from ostinato.runtime.session import Released


def settled(
    out: Path, form: Format, asked: Set[str], models: Sequence[Released], over_time: bool
) -> tuple[frozenset[str], list[str]]:
    """Find what a file of answers answers already, and make it ready to be added to.

    Parameters
    ----------
    out : Path
        Of paths asked again failures are dropped from it, and what these models' tasks answered.
    form : Format
    asked : set of str
        Paths.
    models : sequence of Released
    over_time : bool
        An answer counts only if it speaks of stretches, where the model can.

    Returns
    -------
    done : frozenset of str
        Paths that every model's task answered as asked.
    kept : list of str
        Lines in which these tasks answer those paths, where they are asked for.

    Raises
    ------
    OstinatoError
        If the file holds something else than answers of this form.
    """
    if not out.exists():
        return frozenset(), []
    written = _written(out, form)
    tasks, stretched = {m.task for m in models}, {m.task for m in models if over_time and m.has_stretches}
    tasks_of: dict[str, set[str | None]] = {}
    for _, said in written:
        if said.over_time or said.task not in stretched:
            tasks_of.setdefault(said.path, set()).add(said.task)
    done = frozenset(path for path, known in tasks_of.items() if known >= tasks)

    def is_asked(said: Said) -> bool:
        return said.path in asked or said.path.rpartition(rows.MARK)[0] in asked

    def stays(said: Said) -> bool:
        return said.path in done or not is_asked(said) or said.task not in (None, *tasks)

    kept = [(line, said) for line, said in written if stays(said)]
    with replacing(out) as partial_file:
        lines = [*([form.header] if form.header else []), *(line for line, _ in kept)]
        partial_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return done, [line for line, said in kept if said.path in done and is_asked(said) and said.task in tasks]


def _written(out: Path, form: Format) -> list[tuple[str, Said]]:
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


def opened(out: TextIO | Path | None, form: Format) -> AbstractContextManager[TextIO]:
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


def review(path: Path, targets: Sequence[Path], doubtful: Sequence[tuple[float, Answer]]) -> Path:
    """List files by doubt, the most doubtful first, as a table that `dataset: {name: folder, table: ...}` reads.

    Parameters
    ----------
    path : Path
        Of the table.
    targets : sequence of Path
        What was asked about.
    doubtful : sequence of float and dict
        Doubt and answer, or the error of a file that cannot be read, which has no label.

    Returns
    -------
    Path
        What the paths in the table are relative to: the deepest folder that holds all targets.
    """
    root = Path(os.path.commonpath([t.absolute() if t.is_dir() else t.absolute().parent for t in targets]))
    rows: dict[str, dict[str, object]] = {}
    for much, answer in sorted(doubtful, key=lambda pair: -pair[0]):
        name = os.path.relpath(answer["path"], root)
        row = rows.setdefault(name, {"path": name, "doubt": round(much, 4)})
        if "error" in answer:
            row["error"] = answer["error"]
        else:
            row[answer["task"]] = answer["label"] if isinstance(answer["label"], str) else ";".join(answer["label"])
    first = ["path", "doubt", *(["error"] if any("error" in row for row in rows.values()) else [])]
    columns = [*first, *sorted({k for row in rows.values() for k in row} - set(first))]
    with replacing(path) as partial_file, open(partial_file, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: escape_cell(v) for k, v in row.items()} for row in rows.values())
    return root


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
