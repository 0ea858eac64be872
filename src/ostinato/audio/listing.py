"""Find the audio files below a folder, through symbolic links, and count what is passed over and why."""

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
"""Of files that a folder is searched for; a file that is named by itself is read whatever its suffix."""
HIDDEN, TWICE = "hidden", "reached by another way too"
UNNAMEABLE, SPECIAL = "with a name that is no UTF-8", "that is no regular file"


@dataclass(frozen=True)
class Skipped:
    """What a folder holds that is not listed, of one kind.

    Parameters
    ----------
    reason : str
        Such as ``"suffix .mid"``.
    n : int
        Files, or folders that a link leads back to.
    example : str
        The first of them in alphabetical order, below the folder.
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
        Below the folder, POSIX, sorted.
    skipped : list of Skipped
        What else lies there, by reason.
    """

    paths: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def explain(self) -> str:
        """Describe in one line what was passed over; empty if nothing was."""
        return "; ".join(f"{s.n} {s.reason}, such as {s.example}" for s in self.skipped)


def is_audio(name: str) -> bool:
    """Return whether a file's suffix is one of audio, whatever its case."""
    return Path(name).suffix.lower() in SUFFIXES


def find_audio(root: Path, refuse: Callable[[OSError], None] | None = None, *, only_utf8: bool = False) -> Listing:
    """Find the audio files below a folder.

    Symbolic links to folders and files are followed. A file or folder that is
    reached by several ways is listed once: by the way without links if there is
    one, else by the link to the deepest folder, else by the first in alphabetical
    order. So a link that leads back to a folder above it ends there.

    Parameters
    ----------
    root : Path
    refuse : callable, optional
        Gets the error of a folder that cannot be listed; default: it counts as skipped.
    only_utf8 : bool
        Skip files whose names no table can hold.

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
    """What was seen so far; links wait until everything beside them was visited."""

    def __init__(self, root: Path, refuse: Callable[[OSError], None] | None, only_utf8: bool) -> None:
        self.root, self.refuse, self.only_utf8 = root, refuse, only_utf8
        self.links: list[PurePosixPath] = []
        self._folders = {os.path.realpath(root)}
        self._files: dict[str, str] = {}
        self._skipped: list[tuple[str, str]] = []

    def visit(self, below: PurePosixPath) -> None:
        """Take the files of a folder that is no link, and of those below it."""
        for entry in self._entries(below):
            path = below / entry.name
            if entry.name.startswith("."):
                if is_audio(entry.name):
                    self._skip(HIDDEN, path)
            elif entry.is_symlink():
                self.links.append(path)
            elif entry.is_dir():
                self._enter(path)
            else:
                self._take(path)

    def follow(self, link: PurePosixPath) -> None:
        """Take what a link leads to, unless it was seen."""
        if (self.root / link).is_dir():
            self._enter(link)
        else:
            self._take(link)

    def rank(self, link: PurePosixPath) -> tuple[int, str]:
        """Put links to deep folders first: they name a genre, and those above them all that lies there."""
        return -len(Path(os.path.realpath(self.root / link)).parts), str(link)

    def summarise(self) -> Listing:
        """Sort what was found, and count what was not."""
        counts = Counter(reason for reason, _ in self._skipped)
        first: dict[str, str] = {}
        for reason, path in sorted(self._skipped):
            first.setdefault(reason, path)
        return Listing(sorted(self._files.values()), [Skipped(r, counts[r], first[r]) for r in sorted(counts)])

    def _enter(self, folder: PurePosixPath) -> None:
        real = os.path.realpath(self.root / folder)
        if real in self._folders:
            self._skip(TWICE, folder)
        else:
            self._folders.add(real)
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
        if not is_audio(path.name):
            self._skip(f"with the suffix {path.suffix.lower()}" if path.suffix else "without a suffix", path)
            return
        place = self.root / path
        real = os.path.realpath(place)
        if place.exists() and not place.is_file():  # a pipe would be waited for; a broken link is listed and told
            self._skip(SPECIAL, path)
        elif self.only_utf8 and str(path) != str(path).encode("utf-8", "ignore").decode():
            self._skip(UNNAMEABLE, path)
        elif real in self._files:
            self._skip(TWICE, path)
        else:
            self._files[real] = str(path)

    def _skip(self, reason: str, path: PurePosixPath) -> None:
        self._skipped.append((reason, os.fsencode(str(path)).decode("utf-8", "backslashreplace")))
