"""Files that a stage looks at in every run though dvc.lock does not know them: the audio and tables of the dataset.

A look costs seconds. If no file has come, gone or changed since the last one, and the
stage's outputs are those of that look, another would find the same.
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
        SHA-256 in hexadecimal, of all below the dataset's folder and of files elsewhere that
        the section ``dataset`` of params.yaml names. The time of the last change of an inode
        is part of it, which nobody can set back.
    """
    dataset = dvc_files.read_yaml(paths.params, "run this in the folder of a project").get("dataset") or {}
    digest = hashlib.sha256(repr((dataset, os.environ.get(ENVIRONMENT))).encode())
    for place in _list_places(paths, dataset):
        for line in _describe(place):
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def is_unchanged(paths: Paths, entries: str) -> bool:
    """Return whether the files are those of the last look, and the outputs its outputs.

    Parameters
    ----------
    paths : Paths
    entries : str
        Hash of what dvc.lock says of the stages that look.
    """
    try:
        known = json.loads(paths.source_listing.read_bytes())
    except (OSError, ValueError):
        return False
    return known == {"sources": compute_digest(paths), "entries": entries}


def remember(paths: Paths, digest: str, entries: str) -> None:
    """Keep the digest of the files from before a look, and what dvc.lock said after it."""
    write_json(paths.source_listing, {"sources": digest, "entries": entries})


def _list_places(paths: Paths, dataset: Mapping[str, Any]) -> list[Path]:
    """List the dataset's folder, and what else its options may name."""
    chosen = dataset.get("path") or os.environ.get(ENVIRONMENT)
    root = paths.root / Path(str(chosen)).expanduser() if chosen else paths.raw(str(dataset.get("name")))
    named = [Path(text).expanduser() for text in _find_texts(dataset)]
    return [root, *(place for name in named for place in (paths.root / name, root / name) if place.exists())]


def _find_texts(value: Any) -> Iterator[str]:
    """Find all text in nested options."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _find_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _find_texts(inner)


def _describe(place: Path) -> Iterator[str]:
    """Describe each file at or below a place in a line, in an order of its own; links are followed, circles are not."""
    if not place.is_dir():
        yield _describe_file(str(place))
        return
    seen: set[tuple[int, int]] = set()
    for folder, inner, names in os.walk(place, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            inner[:] = []
            continue
        seen.add((status.st_dev, status.st_ino))
        inner.sort()
        yield f"{folder}\n"
        yield from (_describe_file(f"{folder}/{name}") for name in sorted(names))


def _describe_file(path: str) -> str:
    try:
        s = os.stat(path)
    except OSError as error:
        return f"{path} {error.errno}\n"
    return f"{path} {s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_mode}\n"
