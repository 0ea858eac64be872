"""Versions of a released model or catalog: immutable folders, and a pointer to the one in service.

models/released/<task>/, like models/released/catalog/, has a folder for each version, named by its number, and
current.json: ``{"version": 3, "newest": 4, "hold": true}``. Only that file is ever replaced, in one rename.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from ostinato.errors import OstinatoError, ReadError
from ostinato.io.files import read_json, write_json

CURRENT, RELEASE, MODEL, NETWORK = "current.json", "release.json", "model.json", "network.onnx"
ENCODERS = "encoder*.onnx"
"""Weights of pretrained encoders beside the network."""
CATALOG = "catalog"
"""Folder with the versions of the catalog, beside those of the tasks."""


class Pointer(NamedTuple):
    """Pointer to the version in service.

    Attributes
    ----------
    version : int
    newest : int
        The highest version ever in service.
    hold : bool
        Whether it stays until a person changes it.
    """

    version: int
    newest: int
    hold: bool = False


def read_pointer(folder: Path) -> Pointer | None:
    """Read the pointer to the version of a task in service.

    Parameters
    ----------
    folder : Path
        models/released/<task>.

    Returns
    -------
    Pointer or None
        None if nothing was released.

    Raises
    ------
    OstinatoError
        If the file is damaged.
    """
    file = folder / CURRENT
    if not file.is_file():
        return None
    try:
        content = read_json(file)
        pointer = Pointer(**content)
        is_sound = [type(value) for value in pointer] == [int, int, bool] and pointer.version <= pointer.newest
    except ReadError:
        raise
    except (OstinatoError, TypeError):
        is_sound = False
    if not is_sound:
        raise OstinatoError(
            f"{file}: is damaged; delete it and run `ostinato release`, which puts the newest version in service"
        )
    return pointer


def find_current(folder: Path) -> Path:
    """Return the folder of the version in service.

    Parameters
    ----------
    folder : Path
        models/released/<task>, or a folder with a model itself.

    Returns
    -------
    Path
        `folder` if it has no versions.
    """
    pointer = read_pointer(folder)
    return folder if pointer is None else folder / str(pointer.version)


def find_tasks(releases: Path) -> dict[str, Path]:
    """Find the folder of each task, with versions or with a model itself.

    Parameters
    ----------
    releases : Path
        models/released; also the folder of one task, of one version, or a file of a version.

    Returns
    -------
    dict of str to Path
        Sorted by task.
    """
    releases = releases.parent if releases.is_file() else releases
    if (releases / CURRENT).is_file() or (releases / MODEL).is_file():
        model = find_current(releases) / MODEL
        return {str(read_json(model)["task"]): releases} if model.is_file() else {}
    return {path.name: path for path in sorted(releases.glob("[!.]*")) if path.is_dir() and path.name != CATALOG}


def find_models(releases: Path) -> dict[str, Path]:
    """Find the version in service of each task.

    Parameters
    ----------
    releases : Path
        See `find_tasks`.

    Returns
    -------
    dict of str to Path
        Sorted by task.
    """
    folders = {task: find_current(folder) for task, folder in find_tasks(releases).items()}
    return {task: folder for task, folder in folders.items() if (folder / MODEL).is_file()}


def find_training(releases: Path, name: str, export: Path) -> Literal["present", "earlier"] | None:
    """Return whether a candidate's present or earlier training is in service.

    Parameters
    ----------
    releases : Path
        models/released.
    name : str
        The candidate.
    export : Path
        Folder of its network.onnx.

    Returns
    -------
    {"present", "earlier"} or None
        None if the candidate is not in service.
    """
    folders = [folder for folder in find_models(releases).values() if read_json(folder / MODEL)["name"] == name]
    digests = [compute_digests(folder, [NETWORK]) for folder in folders]
    if not folders:
        return None
    return "present" if compute_digests(export, [NETWORK]) in digests else "earlier"


def list_versions(folder: Path) -> list[int]:
    """List the numbers of the versions in ascending order."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal() and (path / RELEASE).is_file())


def list_model_files(folder: Path) -> list[str]:
    """List the files of a model in a folder: network.onnx, model.json and its encoders."""
    return [n for n in (NETWORK, MODEL, *sorted(p.name for p in folder.glob(ENCODERS))) if (folder / n).is_file()]


def compute_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Compute the SHA-256 of files of a folder, in hexadecimal, skipping missing ones."""
    files = (folder / name for name in names)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}


def check_digests(folder: Path) -> dict[str, str]:
    """Compare the files of a released model with the digests in release.json.

    Parameters
    ----------
    folder : Path
        Of a version; without digests, or without release.json, it passes.

    Returns
    -------
    dict of str to str
        The digests of the files that were compared.

    Raises
    ------
    OstinatoError
        If a file has changed; the message names it.
    """
    if not (folder / RELEASE).is_file():
        return {}
    expected = read_json(folder / RELEASE).get("files", {})
    actual = compute_digests(folder, expected)
    if changed := sorted(name for name in expected if actual.get(name) != expected[name]):
        raise OstinatoError(
            f"{folder / changed[0]}: is not the file that was released; restore it (`dvc checkout`) "
            "or go back a version (`ostinato release --rollback`)"
        )
    return actual


def find_damage(folder: Path) -> str | None:
    """Return which file of a released model has changed since its release; None if none has."""
    try:
        check_digests(folder)
    except OstinatoError as error:
        return str(error)
    return None


def find_next(folder: Path) -> int:
    """Return the number of the next version: one more than the highest ever."""
    pointer = read_pointer(folder)
    return 1 + max([*list_versions(folder), *([pointer.newest] if pointer else [])], default=0)


def add_version(folder: Path, incoming: Path, version: int, keep: int) -> None:
    """Put a complete folder in service, and remove the oldest versions.

    Parameters
    ----------
    folder : Path
        models/released/<task>.
    incoming : Path
        On the same file system; it is moved.
    version : int
        A new number.
    keep : int
        Number of versions to keep, including that in service.
    """
    _sync(incoming)
    os.replace(incoming, folder / str(version))
    _sync(folder)
    for parent in (folder.parent, folder.parent.parent):  # created by the first release
        _sync_path(parent)
    set_pointer(folder, Pointer(version, version))
    for number in list_versions(folder)[:-keep]:
        _remove(folder / str(number))


def set_pointer(folder: Path, pointer: Pointer) -> None:
    """Change the version in service atomically."""
    write_json(folder / CURRENT, pointer._asdict())
    _sync(folder)


def make_incoming(folder: Path) -> Path:
    """Create an empty folder for an incomplete version."""
    incoming = folder / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    return incoming


def settle(folder: Path) -> None:
    """Finish or undo interrupted changes, and give a version to a model released without one.

    Parameters
    ----------
    folder : Path
        models/released/<task>.
    """
    _migrate(folder)
    pointer, versions = read_pointer(folder), list_versions(folder)
    if pointer is None and versions:  # the first release was interrupted before it was in service
        pointer = Pointer(versions[-1], versions[-1])
        set_pointer(folder, pointer)
    if pointer:
        for version in (v for v in versions if v > pointer.newest):
            _remove(folder / str(version))
    for leftover in [*folder.glob(".*.leaving"), *folder.glob(".incoming")]:
        shutil.rmtree(leftover)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _migrate(folder: Path) -> None:
    """Turn a released model without a version, and the one before it, into versions."""
    previous = folder.parent / ".previous" / folder.name
    pointer = read_pointer(folder)
    if pointer is None and (folder / RELEASE).is_file():
        for source in (previous, folder):
            if (source / RELEASE).is_file() and not (target := folder / str(_read_version(source))).is_dir():
                incoming = make_incoming(folder)
                for file in (f for f in source.iterdir() if f.is_file()):
                    shutil.copyfile(file, incoming / file.name)
                _sync(incoming)
                os.replace(incoming, target)
        set_pointer(folder, Pointer(_read_version(folder), list_versions(folder)[-1]))
    if read_pointer(folder) is not None:
        for file in (f for f in folder.iterdir() if f.is_file() and f.name != CURRENT and not f.name.startswith(".")):
            file.unlink()
        shutil.rmtree(previous, ignore_errors=True)


def _read_version(folder: Path) -> int:
    return int(read_json(folder / RELEASE)["version"])


def _remove(folder: Path) -> None:
    """Remove a version atomically."""
    scratch = folder.with_name(f".{folder.name}.leaving")
    os.replace(folder, scratch)
    shutil.rmtree(scratch)


def _sync(folder: Path) -> None:
    """Flush a folder's files and names to disk."""
    for path in [*(p for p in folder.iterdir() if p.is_file()), folder]:
        _sync_path(path)


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
