"""Comparison of a dataset's files with mirdata's index, which has the MD5 of each.

The index is downloaded like any other file. mirdata's package (1.0.0) ships only indexes
of samples, and needs clients of three cloud stores; its loaders are not used.
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
    """Result of comparing a folder with an index.

    Parameters
    ----------
    n_files : int
        In the index.
    missing, altered : tuple of str
        Files that do not exist, and files with another MD5, as the index names them.
    """

    n_files: int
    missing: tuple[str, ...]
    altered: tuple[str, ...]


def compare(root: Path, index: Path) -> IndexComparison:
    """Compare the audio files below a folder with an index.

    Parameters
    ----------
    root : Path
        Files are identified by their name and the folder they are in.
    index : Path

    Returns
    -------
    IndexComparison

    Raises
    ------
    DataError
        If it is not such an index.
    """
    try:
        published = [entry["audio"] for entry in json.loads(index.read_text("utf-8"))["tracks"].values()]
        expected = {_key(path): (path, md5) for path, md5 in published if path}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{index}: is not an index of mirdata; delete it and run the command again") from error
    files = {_key(path): root / path for path in audio_files(root)}
    missing = [path for key, (path, _) in expected.items() if key not in files]
    present = [(files[key], path, md5) for key, (path, md5) in expected.items() if key in files]
    altered = [path for file, path, md5 in tqdm(present, desc="compare", unit=" files") if _md5(file) != md5]
    return IndexComparison(len(expected), tuple(missing), tuple(altered))


def _key(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts[-2:]


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
