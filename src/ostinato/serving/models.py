"""Models and catalog in service, opened once and again only when their files change."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ostinato.errors import OstinatoError
from ostinato.inference.model import ReleasedModel
from ostinato.io.versions import CATALOG, find_current
from ostinato.recommendation.catalog import MEND, Catalog, open_whole

Opened = TypeVar("Opened")
LOOK_SECONDS = 1.0
TRIES = 5
MODEL_FILES = ("model.json", "network.onnx")
CATALOG_FILES = ("catalog.json", "vectors.npy")


class Handle(Generic[Opened]):
    """Something opened from a folder; who holds it keeps it, who asks later gets the newer one.

    Parameters
    ----------
    folder : Path
    files : tuple of str
        Those whose change means that the folder is another.
    open_folder : callable
        Of the folder.
    """

    def __init__(self, folder: Path, files: tuple[str, ...], open_folder: Callable[[Path], Opened]) -> None:
        self.folder, self.files, self.open_folder = folder, files, open_folder
        self.value: Opened | None = None
        self.error: str | None = None
        self._mark: tuple[tuple[int, int, int], ...] | None = None
        self._looked = float("-inf")
        self._lock = threading.Lock()

    def now(self) -> Opened | None:
        """Return what the folder holds, opened anew where it changed; the last good one if that fails."""
        if self._due() and self._lock.acquire(blocking=self.value is None):
            try:
                if self._due():
                    self._look()
            finally:
                self._lock.release()
        return self.value

    def _due(self) -> bool:
        return time.monotonic() - self._looked > LOOK_SECONDS

    def _look(self) -> None:
        """Open the folder if its files changed, and again if they change meanwhile.

        Files that are away are gone only if they still are at the next look: the version
        that was in service a moment ago may have been removed since.
        """
        for _ in range(TRIES):
            try:
                mark = self._present()
            except OstinatoError as failure:  # what says which version serves is damaged
                self.error = str(failure)
                break
            if mark is None and self._mark is None:
                self.value, self.error = None, None
            if mark is None or mark == self._mark:
                self._mark = mark
                break
            opened, error = self.value, None
            try:
                opened = self.open_folder(find_current(self.folder))
            except (OstinatoError, OSError) as failure:
                error = str(failure)
            if self._present() == mark:
                self.value, self.error, self._mark = opened, error, mark
                break
        self._looked = time.monotonic()

    def _present(self) -> tuple[tuple[int, int, int], ...] | None:
        """Return what identifies this state of the files; None if one is absent, OstinatoError if that is unknown."""
        try:
            folder = find_current(self.folder)
            found = [(folder / name).stat() for name in self.files]
        except OSError:
            return None
        return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in found)


@dataclass(frozen=True)
class Model:
    """A released network and the hash that its embeddings are known by."""

    released: ReleasedModel
    version: str


def open_model(folder: Path) -> Model:
    """Open a folder of models/released; each request runs on one thread, requests run beside each other."""
    version = hashlib.sha256((folder / "network.onnx").read_bytes()).hexdigest()
    return Model(ReleasedModel(folder, threads=1), version)


@dataclass(frozen=True)
class Space:
    """A catalog and the network that places new tracks in it, None if the folder holds none."""

    catalog: Catalog
    placement_model: Model | None


def open_space(folder: Path) -> Space:
    """Open a catalog and its network in one, so that they always belong together."""
    catalog = open_whole(folder)
    return Space(catalog, open_model(folder) if all((folder / name).exists() for name in MODEL_FILES) else None)


def _reason_not_to_open(folder: Path) -> str:
    """Return why a folder cannot be opened as a catalog."""
    try:
        catalog = open_whole(find_current(folder))
    except (OstinatoError, OSError) as error:
        return str(error)
    return "the catalog is opened at this moment; ask again" if len(catalog) else f"the catalog is empty; {MEND}"


class ModelStore:
    """All that is released.

    Parameters
    ----------
    releases : Path
        models/released.
    catalog : Path
        models/released/catalog, or the folder of a catalog itself.
    """

    def __init__(self, releases: Path, catalog: Path) -> None:
        self.releases = releases
        self._models: dict[str, Handle[Model]] = {}
        self._space = Handle(catalog, CATALOG_FILES, open_space)

    def models(self) -> dict[str, Model]:
        """Return the models by task, genre first."""
        found = self.releases.glob("[!.]*") if self.releases.is_dir() else ()
        there = [path for path in found if path.is_dir() and path.name != CATALOG]
        for folder in there:
            self._models.setdefault(folder.name, Handle(folder, MODEL_FILES, open_model))
        opened = {task: kept.now() for task, kept in sorted(self._models.items(), key=lambda i: (i[0] != "genre", i))}
        return {task: m for task, m in opened.items() if m is not None and m.released.kind != "embedding"}

    def catalog(self) -> Catalog | None:
        """Return the catalog, None if there is none."""
        space = self._space.now()
        return space.catalog if space else None

    def explain_no_catalog(self) -> str:
        """Return why there is no catalog to answer from, and the mend, without the folder's name."""
        reason = self._space.error or _reason_not_to_open(self._space.folder)
        try:
            folder = find_current(self._space.folder)
        except OstinatoError:
            folder = self._space.folder
        return reason.removeprefix(f"{folder}: ").removeprefix(f"{folder}/")

    def placement_model(self) -> Model | None:
        """Return the network that places new tracks in the catalog, None if there is none."""
        space = self._space.now()
        return space.placement_model if space else None

    def errors(self) -> list[str]:
        """Return what could not be opened, though it is there."""
        found = [*(kept.error for kept in self._models.values()), self._space.error]
        return [error for error in found if error]
