"""Models and catalog in service, reopened only when their files change."""

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ostinato.errors import OstinatoError
from ostinato.inference.model import ReleasedModel
from ostinato.io.versions import find_current, find_tasks
from ostinato.recommendation.catalog import BUILD_ADVICE, SKIPPED, Catalog, open_whole

Content = TypeVar("Content")
LOOK_SECONDS = 1.0
TRIES = 5
MODEL_FILES = ("model.json", "network.onnx")
CATALOG_FILES = ("catalog.json", "vectors.npy")


class Handle(Generic[Content]):
    """The content of a folder, reopened when it changes; holders of an earlier one keep it.

    Parameters
    ----------
    folder : Path
    files : tuple of str
        Files whose change causes a reopening.
    open_folder : callable
        Takes the folder.
    """

    def __init__(self, folder: Path, files: tuple[str, ...], open_folder: Callable[[Path], Content]) -> None:
        self.folder, self.files, self.open_folder = folder, files, open_folder
        self.value: Content | None = None
        self.error: str | None = None
        self._state: tuple[tuple[int, int, int], ...] | None = None
        self._checked = float("-inf")
        self._lock = threading.Lock()

    def now(self) -> Content | None:
        """Return the folder's content, reopened if it changed; the last good one if that fails."""
        if self._due() and self._lock.acquire(blocking=self.value is None):
            try:
                if self._due():
                    self._reload()
            finally:
                self._lock.release()
        return self.value

    def _due(self) -> bool:
        return time.monotonic() - self._checked > LOOK_SECONDS

    def _reload(self) -> None:
        """Open the folder if its files changed, and again if they change in the meantime.

        Missing files count as removed only if they are still missing at the next check: the
        version in service a moment ago may have been removed since.
        """
        for _ in range(TRIES):
            try:
                state = self._read_state()
            except OstinatoError as exc:  # the file that names the version in service is damaged
                self.error = str(exc)
                break
            if state is None and self._state is None:
                self.value, self.error = None, None
            if state is None or state == self._state:
                self._state = state
                break
            value, error = self.value, None
            try:
                value = self.open_folder(find_current(self.folder))
            except (OstinatoError, OSError) as exc:
                error = str(exc)
            if self._read_state() == state:
                self.value, self.error, self._state = value, error, state
                break
        self._checked = time.monotonic()

    def _read_state(self) -> tuple[tuple[int, int, int], ...] | None:
        """Return inode, size and time of each file; None if one is missing, OstinatoError if that is unknown."""
        try:
            folder = find_current(self.folder)
            stats = [(folder / name).stat() for name in self.files]
        except OSError:
            return None
        return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in stats)


@dataclass(frozen=True)
class Model:
    """A released network and the hash that identifies its embeddings."""

    released: ReleasedModel
    version: str


def open_model(folder: Path) -> Model:
    """Open a folder of models/released, single-threaded, as requests run in parallel."""
    version = hashlib.sha256((folder / "network.onnx").read_bytes()).hexdigest()
    return Model(ReleasedModel(folder, threads=1), version)


@dataclass(frozen=True)
class Space:
    """A catalog and the network that embeds new tracks in it, None if the folder has none."""

    catalog: Catalog
    placement_model: Model | None


def open_space(folder: Path) -> Space:
    """Open a catalog and its network together, so that they always match."""
    catalog = open_whole(folder)
    return Space(catalog, open_model(folder) if all((folder / name).exists() for name in MODEL_FILES) else None)


def _reason_not_to_open(folder: Path) -> str:
    """Return why a folder cannot be opened as a catalog."""
    try:
        catalog = open_whole(find_current(folder))
    except (OstinatoError, OSError) as error:
        return str(error)
    return "the catalog is being opened; try again" if len(catalog) else f"the catalog is empty; {BUILD_ADVICE}"


class ModelStore:
    """Released models and catalog.

    Parameters
    ----------
    releases : Path
        models/released.
    catalog : Path
        models/released/catalog, or the folder of a catalog itself.
    pipeline_catalog : Path, optional
        models/catalog, where the pipeline notes why it made no catalog; nothing else of it is read.
    """

    def __init__(self, releases: Path, catalog: Path, pipeline_catalog: Path | None = None) -> None:
        self.releases, self.pipeline_catalog = releases, pipeline_catalog
        self._models: dict[str, Handle[Model]] = {}
        self._space = Handle(catalog, CATALOG_FILES, open_space)

    def models(self) -> dict[str, Model]:
        """Return the models by task, genre first."""
        with suppress(OstinatoError):  # a damaged current.json of the folder itself: open models stay in service
            for task, folder in find_tasks(self.releases).items():
                self._models.setdefault(task, Handle(folder, MODEL_FILES, open_model))
        handles = sorted(self._models.items(), key=lambda item: (item[0] != "genre", item))
        models = {task: handle.now() for task, handle in handles}
        return {task: m for task, m in models.items() if m is not None and m.released.kind != "embedding"}

    def catalog(self) -> Catalog | None:
        """Return the catalog; None if there is none."""
        space = self._space.now()
        return space.catalog if space else None

    def explain_no_catalog(self) -> str:
        """Return why there is no catalog, and the remedy, without the folder's name."""
        folder, pipeline_catalog = self._space.folder, self.pipeline_catalog
        if pipeline_catalog is not None and not folder.is_dir() and (pipeline_catalog / SKIPPED).exists():
            folder = pipeline_catalog
        reason = self._space.error or _reason_not_to_open(folder)
        with suppress(OstinatoError):
            folder = find_current(folder)
        return reason.removeprefix(f"{folder}: ").removeprefix(f"{folder}/")

    def placement_model(self) -> Model | None:
        """Return the network that embeds new tracks in the catalog; None if there is none."""
        space = self._space.now()
        return space.placement_model if space else None

    def errors(self) -> list[str]:
        """Return why existing releases could not be opened."""
        errors = [*(handle.error for handle in self._models.values()), self._space.error]
        return [error for error in errors if error]
