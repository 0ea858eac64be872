"""Matching of table rows to files, however the table writes their names.

A row names a file by a path (below the root, beside the table, absolute, of
Windows, a ``file://`` URL) or by an id (the file's name, with or without its suffix
or leading zeros). Matches are tried from the strictest to the loosest; a matched
file is not matched again.
"""

import difflib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote

from ostinato.audio import SUFFIXES
from ostinato.datasets._cells import parse_text

URL = re.compile(r"^file:(?://[^/]*)?(?=/)", re.IGNORECASE)
DRIVE = re.compile(r"^/*(?:[A-Za-z]:)?/+")
FOLDER = 0.1
"""A folder prefix of the table's paths counts if it gives this share of the best prefix's matches."""
MAX_CANDIDATES = 2000
"""Number of files searched for a similar name."""

Parts: TypeAlias = tuple[str, ...]


@dataclass
class Matches:
    """Rows matched to files.

    Parameters
    ----------
    file_of_row : dict of int to int
        Position of the file by that of the row.
    ambiguous : dict of int to list of int
        Rows that match several files equally well.
    """

    file_of_row: dict[int, int] = field(default_factory=dict)
    ambiguous: dict[int, list[int]] = field(default_factory=dict)


def match_rows(names: Sequence[object], paths: Sequence[str], root: Path, table: Path) -> Matches:
    """Find the file that each row names.

    Parameters
    ----------
    names : sequence
        Names of files in the rows: paths or ids.
    paths : sequence of str
        Files below `root`, POSIX.
    root, table : Path
        Relative paths may start at the root or at the folder of the table.

    Returns
    -------
    Matches
    """
    reader = _Reader(paths, root, table)
    rows = {number: reader.split(name) for number, name in enumerate(names) if parse_text(name) is not None}
    search = _Search(rows, {number: _fold_case(PurePosixPath(path).parts) for number, path in enumerate(paths)})
    search.exact(paths)
    search.by(lambda parts: parts)
    search.by(_without_suffix)
    search.by_other_folder()
    search.by_tail()
    search.by_number()
    return search.matches


def closest(name: object, paths: Sequence[str]) -> str:
    """Return the path that is most like a name."""
    target = PurePosixPath(str(name).replace("\\", "/").casefold()).name
    names = {PurePosixPath(path).name.casefold(): path for path in reversed(paths[:MAX_CANDIDATES])}
    return names[difflib.get_close_matches(target, list(names), n=1, cutoff=0)[0]]


class _Search:
    """Rows and files not matched yet."""

    def __init__(self, rows: dict[int, Parts], files: dict[int, Parts]) -> None:
        self.plain, self.rows = dict(rows), {number: _fold_case(parts) for number, parts in rows.items()}
        self.files = dict(files)
        self.matches = Matches()

    def exact(self, paths: Sequence[str]) -> None:
        """Match names that are equal up to the normal form of Unicode."""
        files = {number: tuple(_compose(p) for p in PurePosixPath(path).parts) for number, path in enumerate(paths)}
        self._match({number: self.plain[number] for number in self.rows}, files)

    def by(self, key: Callable[[Parts], Hashable]) -> None:
        """Match rows and files by a key."""
        self._match({n: key(parts) for n, parts in self.rows.items()}, {n: key(p) for n, p in self.files.items()})

    def by_other_folder(self) -> None:
        """Match paths with a prefix that ours lack, as when the collection has moved."""
        files = {_without_suffix(parts) for parts in self.files.values()}
        rows = {number: _without_suffix(parts) for number, parts in self.rows.items() if len(parts) > 1}
        votes = Counter(parts[:n] for parts in rows.values() for n in range(1, len(parts)) if parts[n:] in files)
        best = max(votes.values(), default=0)
        for folder, n in sorted(votes.items(), key=lambda item: (-item[1], len(item[0]))):
            if n >= FOLDER * best:
                below = {i: parts[len(folder) :] for i, parts in rows.items() if parts[: len(folder)] == folder}
                self._match(
                    {i: parts for i, parts in below.items() if i in self.rows},
                    {i: _without_suffix(parts) for i, parts in self.files.items()},
                )

    def by_tail(self) -> None:
        """Match rows that give only the end of a file's path, such as its name."""
        tails: dict[Parts, list[int]] = defaultdict(list)
        for number, parts in self.files.items():
            parts = _without_suffix(parts)
            for n in range(1, len(parts)):
                tails[parts[n:]].append(number)
        self._give({number: _without_suffix(parts) for number, parts in self.rows.items()}, tails)

    def by_number(self) -> None:
        """Match ids that are numbers, regardless of leading zeros."""
        self._match(
            {n: key for n, parts in self.rows.items() if len(parts) == 1 and (key := _number(parts)) is not None},
            {n: key for n, parts in self.files.items() if (key := _number(parts)) is not None},
        )

    def _match(self, rows: dict[int, Any], files: dict[int, Any]) -> None:
        files_of: dict[Any, list[int]] = defaultdict(list)
        for number, key in files.items():
            if number in self.files:
                files_of[key].append(number)
        self._give(rows, files_of)

    def _give(self, rows: dict[int, Any], files_of: dict[Any, list[int]]) -> None:
        """Assign each row the file of its key; several files are ambiguous."""
        for row, key in rows.items():
            candidates = files_of.get(key, [])
            if len(candidates) == 1:
                self.matches.file_of_row[row] = candidates[0]
                self.matches.ambiguous.pop(row, None)
            elif candidates:
                self.matches.ambiguous[row] = candidates
        for row in rows:
            if row in self.matches.file_of_row or row in self.matches.ambiguous:
                self.rows.pop(row, None)
        matched = set(self.matches.file_of_row.values())
        self.files = {number: parts for number, parts in self.files.items() if number not in matched}


class _Reader:
    """Splits names of rows; a path below the root or the table's folder becomes relative to the root."""

    def __init__(self, paths: Sequence[str], root: Path, table: Path) -> None:
        self.roots = {root.as_posix() + "/", root.resolve().as_posix() + "/"}
        self.folder = os.path.relpath(table.parent.resolve(), root.resolve()).replace(os.sep, "/")
        self.paths = {_without_suffix(_fold_case(PurePosixPath(path).parts)) for path in paths}

    def split(self, name: object) -> Parts:
        """Return the parts of a name."""
        text = (parse_text(name) or "").strip()
        text = (unquote(URL.sub("", text)) if URL.match(text) else text).replace("\\", "/")
        text = next((text[len(root) :] for root in self.roots if text.startswith(root)), text)
        parts = _parts(DRIVE.sub("", text))
        if self.folder == "." or text.startswith("/") or _without_suffix(_fold_case(parts)) in self.paths:
            return parts
        moved = _parts(os.path.normpath(f"{self.folder}/{text}"))
        return moved if _without_suffix(_fold_case(moved)) in self.paths else parts


def _parts(text: str) -> Parts:
    return tuple(_compose(part) for part in text.split("/") if part not in ("", "."))


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _fold_case(parts: Iterable[str]) -> Parts:
    return tuple(unicodedata.normalize("NFKC", part).casefold().strip() for part in parts)


def _without_suffix(parts: Parts) -> Parts:
    """Remove an audio suffix from the last part."""
    if not parts:
        return parts
    stem, dot, suffix = parts[-1].rpartition(".")
    return (*parts[:-1], stem) if stem and f"{dot}{suffix}" in SUFFIXES else parts


def _number(parts: Parts) -> int | None:
    """Read a name of digits, also if the table stored it as a float (2.0)."""
    name = _without_suffix(parts)[-1] if parts else ""
    name = name[:-2] if name.endswith(".0") else name
    return int(name) if name.isascii() and name.isdigit() else None
