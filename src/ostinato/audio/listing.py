"""Find the audio files below a folder, following symbolic links, and count skipped files by reason."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

STORED = {".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"}
LOSSLESS = {".flac", ".ape", ".wv", ".tta"}
CODED = {".mp1", ".mp2", ".mp3", ".ogg", ".oga", ".opus", ".aac", ".ac3", ".eac3", ".mpc", ".wma", ".asf"}
VIDEO = {".mp4", ".m4a", ".m4b", ".m4r", ".mov", ".3gp", ".3g2", ".mka", ".mkv", ".webm", ".weba", ".avi"}
SUFFIXES = frozenset(STORED | LOSSLESS | CODED | VIDEO)
"""Suffixes of files found in folders; a single file is read whatever its suffix."""
HIDDEN_FILE = "hidden"
SAME_FOLDER, SAME_FILE = "leading to the same folder as another path", "leading to the same file as another path"
NOT_UTF8, SPECIAL_FILE = "with a name that is not UTF-8", "not a regular file"
DANGLING_LINK = "linking to a missing path"


@dataclass(frozen=True)
class Skipped:
    """Files of a folder that are not listed, for one reason.

    Parameters
    ----------
    reason : str
        Such as ``"suffix .mid"``.
    n : int
        Number of files, or of folders that a link repeats.
    example : str
        The first in alphabetical order, relative to the folder; for a file or folder with several paths also the
        one that is listed.
    """

    reason: str
    n: int
    example: str


@dataclass
class Listing:
    """The audio files below a folder.

    Parameters
    ----------
    paths : list of str
        Relative to the folder, POSIX, sorted.
    skipped : list of Skipped
        Other files, by reason.
    """

    paths: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def explain(self) -> str:
        """Describe the skipped files in one line; empty if there are none."""
        return "; ".join(f"{s.n} {s.reason}, such as {s.example}" for s in self.skipped)


def is_audio(name: str) -> bool:
    """Return whether a file has an audio suffix, in any case."""
    return Path(name).suffix.lower() in SUFFIXES


def find_audio(root: Path, refuse: Callable[[OSError], None] | None = None, *, only_utf8: bool = False) -> Listing:
    """Find the audio files below a folder.

    Symbolic links to folders and files are followed. A file or folder that has
    several paths is listed once: by the path without links if there is one, else
    by the link to the deepest folder, else by the first in alphabetical order. So
    a link to a folder above it is not followed.

    Parameters
    ----------
    root : Path
    refuse : callable, optional
        Called with the error of a folder that cannot be listed; default: count it as skipped.
    only_utf8 : bool
        Skip files whose names are not UTF-8, since tables cannot hold them.

    Returns
    -------
    Listing
    """
    walk = _Walk(root, refuse, only_utf8)
    walk.visit(PurePosixPath())
    while walk.links:
        links, walk.links = sorted(walk.links, key=walk.rank), []
        for link in links:
            walk.follow(link)
    return walk.summarise()


class _Walk:
    """State of a walk; links are followed after everything else."""

    def __init__(self, root: Path, refuse: Callable[[OSError], None] | None, only_utf8: bool) -> None:
        self.root, self.refuse, self.only_utf8 = root, refuse, only_utf8
        self.links: list[PurePosixPath] = []
        self._folders = {os.path.realpath(root): "."}
        self._files: dict[str, str] = {}
        self._skipped: list[tuple[str, str]] = []

    def visit(self, below: PurePosixPath) -> None:
        """Add the files of a folder, and of those below it, without links."""
        for entry in self._entries(below):
            path = below / entry.name
            if entry.name.startswith("."):
                if is_audio(entry.name):
                    self._skip(HIDDEN_FILE, path)
            elif entry.is_symlink():
                self.links.append(path)
            elif entry.is_dir():
                self._enter(path)
            else:
                self._take(path)

    def follow(self, link: PurePosixPath) -> None:
        """Add the target of a link, unless it was added before."""
        if (self.root / link).is_dir():
            self._enter(link)
        else:
            self._take(link)

    def rank(self, link: PurePosixPath) -> tuple[int, str]:
        """Return a sort key: links to deep folders first, since these are more specific."""
        return -len(Path(os.path.realpath(self.root / link)).parts), str(link)

    def summarise(self) -> Listing:
        """Sort the files and count the skipped ones."""
        counts = Counter(reason for reason, _ in self._skipped)
        first: dict[str, str] = {}
        for reason, path in sorted(self._skipped):
            first.setdefault(reason, path)
        return Listing(sorted(self._files.values()), [Skipped(r, counts[r], first[r]) for r in sorted(counts)])

    def _enter(self, folder: PurePosixPath) -> None:
        real = os.path.realpath(self.root / folder)
        if real in self._folders:
            self._skip(SAME_FOLDER, folder, self._folders[real])
        else:
            self._folders[real] = str(folder)
            self.visit(folder)

    def _entries(self, below: PurePosixPath) -> list["os.DirEntry[str]"]:
        try:
            with os.scandir(self.root / below) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if self.refuse is not None:
                self.refuse(error)
            self._skip(f"that cannot be listed ({error.strerror})", below)
            return []

    def _take(self, path: PurePosixPath) -> None:
        target = self.root / path
        if not is_audio(path.name):
            suffix = f"with the suffix {path.suffix.lower()}" if path.suffix else "without a suffix"
            self._skip(suffix if target.exists() else DANGLING_LINK, path)
            return
        real = os.path.realpath(target)
        if target.exists() and not target.is_file():  # a pipe would block; a broken link is listed and reported
            self._skip(SPECIAL_FILE, path)
        elif self.only_utf8 and str(path) != str(path).encode("utf-8", "ignore").decode():
            self._skip(NOT_UTF8, path)
        elif real in self._files:
            self._skip(SAME_FILE, path, self._files[real])
        else:
            self._files[real] = str(path)

    def _skip(self, reason: str, path: PurePosixPath, listed: str | None = None) -> None:
        example = str(path) if listed is None else f"{path} (same as {listed})"
        self._skipped.append((reason, os.fsencode(example).decode("utf-8", "backslashreplace")))
