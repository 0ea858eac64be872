"""Releases at a second site: push what is in service to a remote, and pull it where it shall serve.

A remote is a folder or any URL that fsspec opens (s3, gs, ssh and so on), or the name of a DVC remote. It holds
``<task>/<version>/`` as models/released does, with a manifest of SHA-256 beside the files, and ``<task>/current.json``,
which is written last. What is pulled is compared with the manifest before it serves.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ostinato.errors import OstinatoError
from ostinato.io import versions
from ostinato.io.dvc_config import list_remotes, read_dvc_config, resolve_path
from ostinato.io.files import read_json
from ostinato.io.versions import CATALOG, CURRENT, RELEASE, Pointer

MANIFEST = "manifest.json"
"""Beside the files of a version at a remote: their SHA-256 by name."""
KEEP = 3
"""Versions that stay at a site that pulls."""


class Transfer(NamedTuple):
    """What was done for a task.

    Attributes
    ----------
    task : str
    version : int
    n_files : int
        Files that were copied; 0 where the version was there already.
    """

    task: str
    version: int
    n_files: int


class Remote:
    """A place for releases.

    Parameters
    ----------
    target : str
        A folder, a URL, or the name of a DVC remote.
    root : Path
        Of the project, whose ``.dvc/config`` names remotes.

    Raises
    ------
    OstinatoError
        If nothing is installed that opens such a URL.
    """

    def __init__(self, target: str, root: Path) -> None:
        import fsspec

        self.url = find_dvc_remote(target, root) or target
        try:
            self.filesystem, self.folder = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise OstinatoError(f"{self.url}: cannot be opened ({error})") from error

    def read(self, *names: str) -> bytes | None:
        """Read a file; None if it is not there."""
        try:
            content: bytes = self.filesystem.cat_file("/".join([self.folder, *names]))
        except FileNotFoundError:
            return None
        except Exception as error:  # each protocol has errors of its own
            raise OstinatoError(f"{self.url}/{'/'.join(names)}: cannot be read ({error})") from error
        return content

    def write(self, content: bytes, *names: str) -> None:
        """Write a file."""
        path = "/".join([self.folder, *names])
        try:
            self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.filesystem.pipe_file(path, content)
        except Exception as error:  # each protocol has errors of its own
            raise OstinatoError(f"{self.url}/{'/'.join(names)}: cannot be written ({error})") from error

    def list_tasks(self) -> list[str]:
        """List the tasks of which a version is in service."""
        try:
            names = self.filesystem.ls(self.folder, detail=False)
        except FileNotFoundError:
            return []
        except Exception as error:  # each protocol has errors of its own
            raise OstinatoError(f"{self.url}: cannot be listed ({error})") from error
        tasks = sorted(name.rstrip("/").rpartition("/")[2] for name in names)
        return [task for task in tasks if self.read(task, CURRENT) is not None]


def find_dvc_remote(name: str, root: Path) -> str | None:
    """Return the URL of a DVC remote of the project; None if it has none of that name.

    A path in the configuration is relative to the configuration's folder.
    """
    url = list_remotes(read_dvc_config(root)).get(name)
    return url if url is None or "://" in url else str(resolve_path(root, url))


def push(releases: Path, remote: Remote, tasks: Sequence[str] | None = None) -> list[Transfer]:
    """Copy what is in service to a remote.

    Parameters
    ----------
    releases : Path
        models/released.
    remote : Remote
    tasks : sequence of str, optional
        These only; the catalog is one.

    Returns
    -------
    list of Transfer

    Raises
    ------
    OstinatoError
        If nothing is released, a file has changed since its release, or the remote has another release of that number.
    """
    transfers = []
    for task in _choose(tasks, [p.name for p in sorted(releases.glob("[!.]*")) if versions.read_pointer(p)], releases):
        pointer = versions.read_pointer(releases / task)
        assert pointer is not None
        folder = releases / task / str(pointer.version)
        versions.check_digests(folder)
        contents = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
        manifest = {name: _digest(content) for name, content in contents.items()}
        there = _read_manifest(remote, task, pointer.version)
        if there is not None and there[RELEASE] != manifest[RELEASE]:
            raise OstinatoError(
                f"{remote.url}: has another release {pointer.version} of {task}; push to another remote"
            )
        changed = [name for name in manifest if there is None or there.get(name) != manifest[name]]
        for name in changed:
            remote.write(contents[name], task, str(pointer.version), name)
        remote.write(_encode(manifest), task, str(pointer.version), MANIFEST)
        remote.write(_encode(pointer._asdict()), task, CURRENT)
        transfers.append(Transfer(task, pointer.version, len(changed)))
    return transfers


def pull(releases: Path, remote: Remote, tasks: Sequence[str] | None = None) -> list[Transfer]:
    """Put in service what is in service at a remote, once every file has been compared with its digest.

    Parameters
    ----------
    releases : Path
        models/released; made if it is not there.
    remote : Remote
    tasks : sequence of str, optional
        These only; the catalog is one.

    Returns
    -------
    list of Transfer

    Raises
    ------
    OstinatoError
        If nothing is at the remote, a file differs from its digest, or a release of that number is here that is
        another one; what is in service stays.
    """
    transfers = []
    for task in _choose(tasks, remote.list_tasks(), remote.url):
        pointer = Pointer(**json.loads(remote.read(task, CURRENT) or b"{}"))
        folder, version = releases / task, str(pointer.version)
        manifest = _read_manifest(remote, task, pointer.version)
        if manifest is None:
            raise OstinatoError(f"{remote.url}: release {version} of {task} is incomplete; push it again")
        versions.settle(folder)
        if (folder / version / RELEASE).is_file():
            if versions.compute_digests(folder / version, [RELEASE])[RELEASE] != manifest[RELEASE]:
                raise OstinatoError(f"{folder}: has another release {version}; pull into another folder")
            versions.check_digests(folder / version)
            n_files = 0
        else:
            n_files = _fetch(remote, folder, task, pointer, manifest)
        own = versions.read_pointer(folder)
        versions.set_pointer(folder, pointer._replace(newest=max(pointer.newest, own.newest if own else 0)))
        transfers.append(Transfer(task, pointer.version, n_files))
    return transfers


def list_releases(releases: Path) -> list[dict[str, Any]]:
    """List all versions with their figures, and which is in service.

    Parameters
    ----------
    releases : Path
        models/released.

    Returns
    -------
    list of dict
        task, version, name, in_service, reasons, damage.
    """
    rows = []
    for folder in sorted(path for path in releases.glob("[!.]*") if path.is_dir()):
        pointer = versions.read_pointer(folder)
        for version in versions.list_versions(folder):
            about, model = read_json(folder / str(version) / RELEASE), folder / str(version) / versions.MODEL
            row = {"task": folder.name, "version": version, "reasons": about.get("reasons", [])}
            row["name"] = read_json(model)["name"] if model.is_file() else None
            row["in_service"] = pointer is not None and pointer.version == version
            row["damage"] = versions.find_damage(folder / str(version))
            rows.append(row)
    return rows


def _fetch(remote: Remote, folder: Path, task: str, pointer: Pointer, manifest: dict[str, str]) -> int:
    """Copy a version from a remote, and put it in service if every file is what the manifest says."""
    incoming = versions.make_incoming(folder)
    for name, digest in manifest.items():
        content = remote.read(task, str(pointer.version), name)
        if content is None or _digest(content) != digest or "/" in name:
            raise OstinatoError(
                f"{remote.url}/{task}/{pointer.version}/{name}: is not the file that was pushed; push it again"
            )
        (incoming / name).write_bytes(content)
    versions.check_digests(incoming)
    versions.add_version(folder, incoming, pointer.version, KEEP)
    return len(manifest)


def _choose(tasks: Sequence[str] | None, known: Iterable[str], place: Path | str) -> list[str]:
    known = list(known)
    if missing := [task for task in tasks or () if task not in known]:
        raise OstinatoError(
            f"{place}: nothing is released for {missing[0]!r}; there is {', '.join(known) or 'nothing'}"
        )
    if not known:
        raise OstinatoError(f"{place}: nothing is released; run `ostinato release` and push it first")
    return sorted(tasks or known, key=lambda task: (task == CATALOG, task))


def _read_manifest(remote: Remote, task: str, version: int) -> dict[str, str] | None:
    content = remote.read(task, str(version), MANIFEST)
    manifest: dict[str, str] | None = None if content is None else json.loads(content)
    return manifest


def _encode(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
