"""A dataset's files held against mirdata's index of it, which has the MD5 of each as published.

The index is fetched like any other file. mirdata's package (1.0.0) holds no index but of
samples, and needs clients of three cloud stores; its loaders are not used.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ostinato.datasets._tables import audio_files
from ostinato.errors import DataError


@dataclass(frozen=True)
class IndexComparison:
    """What an index says of a folder.

    Parameters
    ----------
    n_files : int
        That the index names.
    missing, altered : tuple of str
        Those that are not there, as the index names them, and those that hold something else.
    """

    n_files: int
    missing: tuple[str, ...]
    altered: tuple[str, ...]


def compare(root: Path, index: Path) -> IndexComparison:
    """Hold the sound files below a folder against an index.

    Parameters
    ----------
    root : Path
        Files are known by their name and the folder that they lie in.
    index : Path

    Returns
    -------
    IndexComparison

    Raises
    ------
    DataError
        If it is no such index.
    """
    try:
        published = [entry["audio"] for entry in json.loads(index.read_text("utf-8"))["tracks"].values()]
        known = {_place(path): (path, md5) for path, md5 in published if path}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{index}: is no index of mirdata's; delete it and run the command again") from error
    there = {_place(path): root / path for path in audio_files(root)}
    missing = [path for place, (path, _) in known.items() if place not in there]
    found = [(there[place], path, md5) for place, (path, md5) in known.items() if place in there]
    altered = [path for file, path, md5 in tqdm(found, desc="compare", unit=" files") if _md5(file) != md5]
    return IndexComparison(len(known), tuple(missing), tuple(altered))


def _place(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts[-2:]


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
