"""Source files that a stage scans in every run without an entry in dvc.lock: audio and tables of the dataset.

A scan takes seconds. If no file was added, removed or changed since the last one, and the
outputs of the stage are from that scan, another one would find the same.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ostinato.core.paths import Paths
from ostinato.io.files import write_json
from ostinato.pipeline import dvc_files

ENVIRONMENT = "OSTINATO_DATASET_PATH"


def compute_digest(paths: Paths) -> str:
    """Hash the names, sizes, times and inodes of the dataset's files, without reading them.

    Parameters
    ----------
    paths : Paths

    Returns
    -------
    str
        SHA-256 in hexadecimal, of all files below the dataset's folder and of files elsewhere
        that the section ``dataset`` of params.yaml and ``listeners.plays`` name. It includes the change time of each
        inode, which cannot be set back.
    """
    params = dvc_files.read_yaml(paths.params, "run this in the folder of a project")
    dataset, plays = params.get("dataset") or {}, (params.get("listeners") or {}).get("plays")
    digest = hashlib.sha256(repr((dataset, plays, os.environ.get(ENVIRONMENT))).encode())
    for path in _list_paths(paths, dataset, plays):
        for line in _describe(path):
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def is_unchanged(paths: Paths, entries: str) -> bool:
    """Return whether the files and the outputs are those of the last scan.

    Parameters
    ----------
    paths : Paths
    entries : str
        Hash of the entries of the scanning stages in dvc.lock.
    """
    try:
        last = json.loads(paths.source_listing.read_bytes())
    except (OSError, ValueError):
        return False
    return last == {"sources": compute_digest(paths), "entries": entries}


def remember(paths: Paths, digest: str, entries: str) -> None:
    """Store the digest of the files before a scan, and the hash of the entries in dvc.lock after it."""
    write_json(paths.source_listing, {"sources": digest, "entries": entries})


def _list_paths(paths: Paths, dataset: Mapping[str, Any], plays: str | None) -> list[Path]:
    """List the dataset's folder, other paths in its options, and the plays."""
    folder = dataset.get("path") or os.environ.get(ENVIRONMENT)
    root = paths.root / Path(str(folder)).expanduser() if folder else paths.raw(str(dataset.get("name")))
    names = [Path(text).expanduser() for text in _find_texts([dataset, plays])]
    return [root, *(path for name in names for path in (paths.root / name, root / name) if path.exists())]


def _find_texts(value: Any) -> Iterator[str]:
    """Yield all strings in nested options."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _find_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _find_texts(inner)


def _describe(path: Path) -> Iterator[str]:
    """Yield a line for each file at or below a path, in a fixed order; links are followed, cycles are not."""
    if not path.is_dir():
        yield _describe_file(str(path))
        return
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders[:] = []
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        yield f"{folder}\n"
        yield from (_describe_file(f"{folder}/{name}") for name in sorted(names))


def _describe_file(path: str) -> str:
    try:
        s = os.stat(path)
    except OSError as error:
        return f"{path} {error.errno}\n"
    return f"{path} {s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_mode}\n"
