"""Write labels into the tags of audio files, where players and archives look for them, and restore old ones.

A file is copied, the copy is tagged and replaces the file in one rename; audio and other tags are unchanged. Old
values are first written to a journal of JSON lines.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import mutagen
from mutagen import id3
from mutagen.asf import ASFTags
from mutagen.mp4 import MP4Tags

from ostinato.errors import DataError
from ostinato.inference.answers import Answer
from ostinato.inference.model import ReleasedModel
from ostinato.inference.predict import choose_models, predict, warn
from ostinato.io.escapes import escape_line
from ostinato.io.files import atomic_write

ID3, MP4, ASF = "id3", "mp4", "asf"
FIELDS: Mapping[str, Mapping[str, str]] = {
    "genre": {ID3: "TCON", MP4: "\xa9gen", ASF: "WM/Genre"},
    "grouping": {ID3: "TIT1", MP4: "\xa9grp", ASF: "WM/ContentGroupDescription"},
}
"""Names of a field by container; Vorbis comments and APEv2 use the key itself."""
FIELD_OF_TASK = {"genre": "genre", "tags": "grouping"}
V23 = (2, 3)


@dataclass(frozen=True)
class Change:
    """Change of a field of a file.

    Parameters
    ----------
    path : str
    field : {"genre", "grouping"}
    old, new : tuple of str
        All values before and after, in order.
    """

    path: str
    field: str
    old: tuple[str, ...]
    new: tuple[str, ...]


def plan_change(answer: Answer) -> Change | None:
    """Compare an answer with the tags of its file.

    Parameters
    ----------
    answer : dict
        Of one task, from `ostinato.inference.answers.answer_file`.

    Returns
    -------
    Change or None
        None if nothing would change: the field holds the labels, or they are missing or unsure.

    Raises
    ------
    DataError
        If the file cannot hold tags.
    """
    labels = answer["label"] if isinstance(answer["label"], list) else [answer["label"]]
    if answer["unsure"] or not labels:
        return None
    field = FIELD_OF_TASK[answer["task"]]
    change = Change(answer["path"], field, tuple(read_field(Path(answer["path"]), field)), tuple(labels))
    return None if change.old == change.new else change


def read_field(path: Path, field: str) -> list[str]:
    """Read all values of a field.

    Raises
    ------
    DataError
        If the file cannot hold tags.
    """
    file = _open(path)
    tags = file.tags
    if tags is None:
        return []
    if isinstance(tags, id3.ID3Tags):
        name = FIELDS[field][ID3]
        return [text for frame in tags.getall(name) for text in (frame.genres if field == "genre" else frame.text)]
    return [str(value) for value in tags.get(_name(tags, field)) or ()]


def write_field(path: Path, field: str, values: Sequence[str]) -> None:
    """Set all values of a field; without values, remove it.

    Raises
    ------
    DataError
        If the file cannot hold tags, or mutagen cannot write it.
    """
    _open(path)
    mode = path.stat().st_mode
    with atomic_write(path) as partial:
        shutil.copyfile(path, partial)
        try:
            file = mutagen.File(partial)
            _set(file, field, values)
            _save(file)
        except mutagen.MutagenError as error:
            raise DataError(f"{path}: its tags cannot be written ({error}); exclude it") from error
        os.chmod(partial, mode)


def write_changes(changes: Iterable[Change], journal: Path) -> Iterator[Change | DataError]:
    """Write tags, noting each old value in the journal first.

    Parameters
    ----------
    changes : iterable of Change
    journal : Path
        Lines are added to its end.

    Yields
    ------
    Change or DataError
        A change that was written, or the error of one that was not.
    """
    with open(journal, "a", encoding="utf-8") as file:
        for change in changes:
            file.write(json.dumps(asdict(change), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
            try:
                write_field(Path(change.path), change.field, change.new)
                yield change
            except (DataError, OSError) as error:
                yield DataError(f"{change.path}: {str(error).removeprefix(f'{change.path}: ')}")


def restore(journal: Path) -> Iterator[Change | DataError]:
    """Undo the changes of a journal, the last first.

    A field that has been changed since is left as it is.

    Yields
    ------
    Change or DataError
        A change that was restored, or the error of one that was not.
    """
    for change in reversed(read_journal(journal)):
        path = Path(change.path)
        try:
            now = tuple(read_field(path, change.field))
            if now == change.old:
                continue
            if now != change.new:
                raise DataError(f"{path}: its {change.field} has changed since to {list(now)}; it is left as it is")
            write_field(path, change.field, change.old)
            yield Change(change.path, change.field, change.new, change.old)
        except (DataError, OSError) as error:
            yield DataError(f"{path}: {str(error).removeprefix(f'{path}: ')}")


def read_journal(path: Path) -> list[Change]:
    """Read a journal; skip a truncated last line, whose change was not made.

    Raises
    ------
    DataError
        If it is not a journal.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); give the file that `ostinato tag --journal` wrote"
        ) from error
    changes = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            changes.append(Change(entry["path"], entry["field"], tuple(entry["old"]), tuple(entry["new"])))
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                continue
            raise DataError(
                f"{path}: line {number} is not a change of a tag; give the file that `ostinato tag` wrote"
            ) from error
    return changes


def _open(path: Path) -> Any:
    try:
        file = mutagen.File(path)
    except (mutagen.MutagenError, OSError) as error:
        raise DataError(f"{path}: its tags cannot be read ({error}); exclude it") from error
    if file is None or not hasattr(file, "add_tags"):
        raise DataError(f"{path}: this format cannot hold tags; convert the file or exclude it")
    return file


def _name(tags: Any, field: str) -> str:
    """Return the name of a field in a container."""
    names = FIELDS[field]
    return names[MP4] if isinstance(tags, MP4Tags) else names[ASF] if isinstance(tags, ASFTags) else field


def _set(file: Any, field: str, values: Sequence[str]) -> None:
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, id3.ID3Tags):
        name = FIELDS[field][ID3]
        file.tags.delall(name)
        if values:
            file.tags.add(getattr(id3, name)(encoding=id3.Encoding.UTF8, text=list(values)))
        return
    name = _name(file.tags, field)
    if name in file.tags:
        del file.tags[name]
    if values:
        file.tags[name] = list(values)


def _save(file: Any) -> None:
    """Save with the version of the file: a player that reads ID3v2.3 may not read v2.4."""
    if isinstance(file.tags, id3.ID3Tags) and getattr(file.tags, "version", ())[:2] == V23:
        file.tags.update_to_v23()
        file.save(v2_version=3, v23_sep="/")
        return
    file.save()


def run(
    targets: Sequence[Path],
    releases: Path,
    journal: Path | None,
    *,
    task: str | None = None,
    workers: int = 1,
    err: TextIO | None = None,
) -> int:
    """Predict files and write the labels into their tags, or list the changes.

    Parameters
    ----------
    targets : sequence of Path
        Files and folders.
    releases : Path
        models/released.
    journal : Path, optional
        See `write_changes`; None: only list the changes.
    task : str, optional
        See `ostinato.inference.predict.choose_models`.
    workers : int
    err : file, optional
        Output for failures. Default: standard error.

    Returns
    -------
    int
        Exit status: 1 if any file failed.
    """
    models = [ReleasedModel(folder, threads=1 if workers > 1 else 0) for folder in choose_models(releases, task)]
    warn(models, False, err or sys.stderr)
    steps = (_plan(answer) for answer in predict(targets, models, workers=workers))
    if journal is None:
        return report(steps, "would be written: --write writes them", err=err)
    return report(_write(steps, journal), "written", err=err)


def report(steps: Iterable[Change | DataError | None], outcome: str, err: TextIO | None = None) -> int:
    """Print changes and failures, and their counts.

    Returns
    -------
    int
        Exit status: 1 if any file failed.
    """
    n_changes = n_same = n_failed = 0
    for step in steps:
        if isinstance(step, Change):
            n_changes += 1
            old, new = ("; ".join(values) or "none" for values in (step.old, step.new))
            print(escape_line(f"{step.path}: {step.field}: {old} -> {new}"), flush=True)
        elif step is None:
            n_same += 1
        else:
            n_failed += 1
            print(escape_line(str(step)), file=err or sys.stderr)
    print(f"{n_changes} {outcome}, {n_same} left as they are, {n_failed} failed", file=err or sys.stderr)
    return int(n_failed > 0)


def _plan(answer: Answer) -> Change | DataError | None:
    if "error" in answer:
        return DataError(f"{answer['path']}: {answer['error']}")
    try:
        return plan_change(answer)
    except DataError as error:
        return error


def _write(steps: Iterable[Change | DataError | None], journal: Path) -> Iterator[Change | DataError | None]:
    for step in steps:
        if isinstance(step, Change):
            yield from write_changes([step], journal)
        else:
            yield step
