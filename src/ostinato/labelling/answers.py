"""The table of labels given by ear: the answer of each person, and the majority label.

A row has `path`, `genre` (empty for a tie), ``by_NAME`` for each person, and the other columns of the table.
`ostinato learn` and `dataset: {name: folder, table: ...}` can read it.
"""

import re
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato.errors import DataError
from ostinato.io import delimited
from ostinato.io.escapes import escape_cell
from ostinato.io.files import atomic_write
from ostinato.labelling.agreement import choose_label, compute_alpha
from ostinato.labelling.table import LABEL, read_labels

BY = "by_"
FORMER = "table"
"""The name for labels that the table had at the start."""
PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}")
MAX_LABEL = 60


class Answers:
    """Labels of people for the files of a folder, in a text table that is written after each answer.

    Parameters
    ----------
    folder : Path
        Of audio.
    table : Path
        Created at the first answer if it does not exist.
    classes : sequence of str
        Labels to choose from, besides those in the table.

    Raises
    ------
    DataError
        If the table cannot be read, or is not a text table.
    """

    def __init__(self, folder: Path, table: Path, classes: Sequence[str] = ()) -> None:
        if table.suffix.lower() == ".parquet":
            raise DataError(f"{table}: answers are written as text; set --labels to a .csv file")
        self.folder, self.table, self._lock = folder, table, threading.Lock()
        self._undo: dict[str, list[tuple[str, str | None]]] = {}
        self._digest = self._hash()
        self._rows = self._read()
        self.paths: list[str] = list(self._rows)
        self._classes = list(dict.fromkeys(c.strip() for c in classes if c.strip()))

    @property
    def classes(self) -> list[str]:
        """Labels to choose from: those of the constructor, then other used ones in alphabetical order."""
        used = {label for row in self._rows.values() for label in _get_answers(row).values()}
        return [*self._classes, *sorted(used - {*self._classes})]

    @property
    def people(self) -> list[str]:
        """Names of people with answers, in alphabetical order."""
        return sorted({person for row in self._rows.values() for person in _get_answers(row)})

    def get(self, path: str) -> dict[str, str]:
        """Return the labels of a file by person."""
        return _get_answers(self._rows[path])

    def choose(self, path: str) -> str | None:
        """Return the majority label of a file."""
        return choose_label(list(self.get(path).values()))

    def summarise(self) -> dict[str, Any]:
        """Count files by their number of answers, and compute the agreement.

        Returns
        -------
        dict
            files, labelled (with a majority label), several (with two or more answers), at_odds (with answers
            but a tie), alpha (Krippendorff's; None if there is nothing to compare).
        """
        answers = [list(self.get(path).values()) for path in self.paths]
        majority = [choose_label(row) for row in answers]
        alpha = compute_alpha(answers)
        return {
            "files": len(answers),
            "labelled": sum(label is not None for label in majority),
            "several": sum(len(row) > 1 for row in answers),
            "at_odds": sum(bool(row) and label is None for row, label in zip(answers, majority, strict=True)),
            "alpha": None if alpha is None else round(alpha, 4),
        }

    def set(self, person: str, path: str, label: str | None) -> None:
        """Set an answer and write the table.

        Parameters
        ----------
        person : str
        path : str
            One of `paths`.
        label : str or None
            None removes the answer.

        Raises
        ------
        DataError
            If the name or the label is invalid, there is no such file, or the table has changed meanwhile.
        """
        check_person(person)
        label = _check_label(label)
        if path not in self._rows:
            raise DataError(f"{path}: is not a file of {self.folder.name}; load the page again")
        with self._lock:
            former = self.get(path).get(person)
            self._put(person, path, label)
            self._undo.setdefault(person, []).append((path, former))

    def undo(self, person: str) -> str | None:
        """Undo a person's last answer.

        Returns
        -------
        str or None
            Its file; None if there is no answer since this object was created.
        """
        with self._lock:
            if not self._undo.get(person):
                return None
            path, former = self._undo[person][-1]
            self._put(person, path, former)
            self._undo[person].pop()
            return path

    def _put(self, person: str, path: str, label: str | None) -> None:
        """Change an answer and write the table; if that fails, change nothing."""
        if self._hash() != self._digest:
            raise DataError(f"{self.table.name}: was changed by another program; start `ostinato label` again")
        before = dict(self._rows[path])
        if label is None:
            self._rows[path].pop(BY + person, None)
        else:
            self._rows[path][BY + person] = label
        try:
            self._write()
        except OSError:
            self._rows[path] = before
            raise

    def _hash(self) -> str | None:
        return sha256(self.table.read_bytes()).hexdigest() if self.table.exists() else None

    def _read(self) -> dict[str, dict[str, Any]]:
        """Read a row for each file of the folder; labels without a person become those of `FORMER`."""
        if not self.table.exists():
            from ostinato.datasets._tables import audio_files

            return {path: {} for path in audio_files(self.folder)}
        labels = read_labels(self.folder, self.table.resolve())
        raw = delimited.read_table(self.table)
        people = [str(name) for name in raw.columns if str(name).startswith(BY)]
        rows: dict[str, dict[str, Any]] = {
            str(row["path"]): {str(k): v for k, v in row.items() if k not in ("path", LABEL) and pd.notna(v)}
            for row in labels.tracks.to_dict("records")
        }
        if people:
            if "path" not in raw:
                raise DataError(f"{self.table}: has answers of people but no column path; add one")
            for row in raw.to_dict("records"):
                answers = {name: str(row[name]) for name in people if pd.notna(row[name])}
                rows.get(str(row["path"]), {}).update(answers)
        for path, label in zip(labels.tracks["path"], labels.tracks[LABEL], strict=True):
            if pd.notna(label) and not _get_answers(rows[path]):
                rows[path][BY + FORMER] = label
        return rows

    def _write(self) -> None:
        names = list(dict.fromkeys(name for row in self._rows.values() for name in row))
        others = [name for name in names if not name.startswith(BY)]
        columns = ["path", LABEL, *others, *sorted(name for name in names if name.startswith(BY))]
        rows = [{"path": path, LABEL: self.choose(path), **self._rows[path]} for path in self.paths if self._rows[path]]
        with atomic_write(self.table) as partial:
            pd.DataFrame(rows, columns=columns).map(escape_cell).to_csv(partial, index=False)
        self._digest = self._hash()


def check_person(person: str) -> None:
    """Refuse an invalid name.

    Raises
    ------
    DataError
    """
    if not PERSON.fullmatch(person) or person == FORMER:
        raise DataError(f"{person!r} is not a valid name: use up to 30 letters, digits, _ and -, but not {FORMER}")


def _check_label(label: str | None) -> str | None:
    if label is None:
        return None
    label = " ".join(label.split())
    if not label or len(label) > MAX_LABEL or set(label) & set(";|"):
        raise DataError(
            f"a label has 1 to {MAX_LABEL} characters, and neither ; nor |, which separate labels in a table"
        )
    return label


def _get_answers(row: dict[str, Any]) -> dict[str, str]:
    return {name.removeprefix(BY): str(value) for name, value in row.items() if name.startswith(BY)}
