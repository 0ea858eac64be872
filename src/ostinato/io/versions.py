"""Versions of a released model or catalog: folders that never change, and one file that says which is in service.

models/released/<task>/, and models/released/catalog/ likewise, holds a folder for each version that is kept,
named by its number, and current.json: ``{"version": 3, "newest": 4, "hold": true}``. Only that file is ever
replaced, in one rename.
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
"""Files of weights that others trained, beside the network that reads what they give."""
CATALOG = "catalog"
"""The folder beside those of the tasks that holds the versions of the catalog."""


class Pointer(NamedTuple):
    """Which version is in service.

    Attributes
    ----------
    version : int
    newest : int
        The highest version that was ever in service.
    hold : bool
        Whether it stays until a person says otherwise.
    """

    version: int
    newest: int
    hold: bool = False


def read_pointer(folder: Path) -> Pointer | None:
    """Read which version of a task is in service.

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
        raise OstinatoError(f"{file}: is damaged; delete it and run `ostinato release`: the newest version serves then")
    return pointer


def find_current(folder: Path) -> Path:
    """Return the folder of the version in service.

    Parameters
    ----------
    folder : Path
        models/released/<task>, or any other folder that holds a model itself.

    Returns
    -------
    Path
        The given folder if it has no versions.
    """
    pointer = read_pointer(folder)
    return folder if pointer is None else folder / str(pointer.version)


def find_models(releases: Path) -> dict[str, Path]:
    """Find the version in service of each task.

    Parameters
    ----------
    releases : Path
        models/released.

    Returns
    -------
    dict of str to Path
        Sorted by task.
    """
    tasks = (path for path in sorted(releases.glob("[!.]*")) if path.is_dir() and path.name != CATALOG)
    folders = {path.name: find_current(path) for path in tasks}
    return {task: folder for task, folder in folders.items() if (folder / MODEL).is_file()}


def find_training(releases: Path, name: str, exported: Path) -> Literal["present", "earlier"] | None:
    """Return whether a candidate is in service as it is now, or as an earlier training left it.

    Parameters
    ----------
    releases : Path
        models/released.
    name : str
        The candidate.
    exported : Path
        Folder of its network.onnx.

    Returns
    -------
    {"present", "earlier"} or None
        None if another candidate is in service, or nothing.
    """
    folders = [folder for folder in find_models(releases).values() if read_json(folder / MODEL)["name"] == name]
    digests = [compute_digests(folder, [NETWORK]) for folder in folders]
    if not folders:
        return None
    return "present" if compute_digests(exported, [NETWORK]) in digests else "earlier"


def list_versions(folder: Path) -> list[int]:
    """List the numbers of the versions that are kept, in ascending order."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal() and (path / RELEASE).is_file())


def list_model_files(folder: Path) -> list[str]:
    """List the files of a folder that a model needs: network.onnx, model.json and the encoders that it reads."""
    return [n for n in (NETWORK, MODEL, *sorted(p.name for p in folder.glob(ENCODERS))) if (folder / n).is_file()]


def compute_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Compute the SHA-256 of files of a folder, in hexadecimal; absent ones are left out."""
    files = (folder / name for name in names)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}


def check_digests(folder: Path) -> None:
    """Compare the files of a released model with what release.json says of them.

    Parameters
    ----------
    folder : Path
        Of a version; one without digests in its release.json, or without that file, passes.

    Raises
    ------
    OstinatoError
        If a file is another one than was released; the message names it.
    """
    if not (folder / RELEASE).is_file():
        return
    expected = read_json(folder / RELEASE).get("files", {})
    present = compute_digests(folder, expected)
    if damaged := sorted(name for name in expected if present.get(name) != expected[name]):
        raise OstinatoError(
            f"{folder / damaged[0]}: is not the file that was released; bring it back (`dvc checkout`) "
            "or go back a version (`ostinato release --rollback`)"
        )


def find_next(folder: Path) -> int:
    """Return the number of the next version: one more than the highest that ever was."""
    pointer = read_pointer(folder)
    return 1 + max([*list_versions(folder), *([pointer.newest] if pointer else [])], default=0)


def add_version(folder: Path, incoming: Path, version: int, keep: int) -> None:
    """Put a complete folder in service, and remove the oldest versions.

    Parameters
    ----------
    folder : Path
        models/released/<task>.
    incoming : Path
        On the same file system; gone afterwards.
    version : int
        One that is not there yet.
    keep : int
        How many versions stay, that in service among them.
    """
    _sync(incoming)
    os.replace(incoming, folder / str(version))
    _sync(folder)
    for above in (folder.parent, folder.parent.parent):  # the first release made them
        _sync_path(above)
    set_pointer(folder, Pointer(version, version))
    for old in list_versions(folder)[:-keep]:
        _remove(folder / str(old))


def set_pointer(folder: Path, pointer: Pointer) -> None:
    """Change which version is in service, in one step."""
    write_json(folder / CURRENT, pointer._asdict())
    _sync(folder)


def make_incoming(folder: Path) -> Path:
    """Make an empty folder for a version that is not complete yet."""
    incoming = folder / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    return incoming


def settle(folder: Path) -> None:
    """Finish or undo what a kill interrupted, and give a model that was released without a version one.

    Parameters
    ----------
    folder : Path
        models/released/<task>.
    """
    _migrate(folder)
    pointer, present = read_pointer(folder), list_versions(folder)
    if pointer is None and present:  # the first release was interrupted before it was in service
        pointer = Pointer(present[-1], present[-1])
        set_pointer(folder, pointer)
    if pointer:
        for version in (v for v in present if v > pointer.newest):
            _remove(folder / str(version))
    for leftover in [*folder.glob(".*.leaving"), *folder.glob(".incoming")]:
        shutil.rmtree(leftover)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _migrate(folder: Path) -> None:
    """Make versions of a released model, and of the one before it, that lie there without a number of their own."""
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
    """Remove a version so that no half of it is ever taken for one."""
    leaving = folder.with_name(f".{folder.name}.leaving")
    os.replace(folder, leaving)
    shutil.rmtree(leaving)


def _sync(folder: Path) -> None:
    """Have the disk hold a folder's files and names, not its cache alone."""
    for path in [*(p for p in folder.iterdir() if p.is_file()), folder]:
        _sync_path(path)


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
