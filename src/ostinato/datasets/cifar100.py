"""CIFAR-100: small pictures of 100 classes, a control to show that networks for spectra do not fit pictures.

Size: 60,000 pictures of 32 x 32, 500 to learn from and 100 to test in each of 100
classes, which make 20 groups. Origin: chosen from the 80 million Tiny Images. Licence:
none stated; cite the report. Paper: A. Krizhevsky: Learning Multiple Layers of Features
from Tiny Images. University of Toronto, 2009.

The *binary* archive is read (``cifar-100-binary/train.bin``, ``test.bin`` and the two
lists of names), never the pickled one, which executes code. A record is a byte of
the group, a byte of the class, and three planes of 1,024 bytes: red, green and blue.
Pictures are not unpacked but addressed by their offset in the file; the class is the
genre. Every fifth picture of a class of the training file is for validation.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel

from ostinato.datasets._remote import Remote
from ostinato.datasets._tables import find
from ostinato.errors import DataError

LICENSE = "none stated; cite the report"
CITATION = """@techreport{krizhevsky2009learning,
  title = {Learning Multiple Layers of Features from Tiny Images},
  author = {Krizhevsky, Alex}, institution = {University of Toronto}, year = {2009}
}"""
SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html"
REMOTES = (
    Remote(
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        "cifar-100-binary.tar.gz",
        "md5:03b5dce01913d631647c71ecec9e9cb8",
    ),
)
EXPECTED = {"tracks": 60_000, "genre": 100}
AUDIO = False
FOLDER = "cifar-100-binary"
SIDE = 32
LABELS = 2
RECORD = LABELS + 3 * SIDE * SIDE
FIFTH = 5


class Options(BaseModel, frozen=True, extra="forbid"):
    """No options."""


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the pictures.

    Parameters
    ----------
    root : Path
        The archive's folder, or the one that holds it.
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        track_id ("train/00017"), path (None), cover (the picture's
        offset), genre (the class), tags (its group), content_hash (of its pixels) and split.

    Raises
    ------
    DataError
        If a file is missing or cut off, or has a class that the lists lack.
    """
    prefix = f"{FOLDER}/" if (root / FOLDER).is_dir() else ""
    names = [find(root / prefix, f"{level}_label_names.txt").read_text().split() for level in ("coarse", "fine")]
    train, test = (_list_records(root, prefix, part, names) for part in ("train", "test"))
    turn = train.groupby("genre").cumcount() % FIFTH
    train["split"] = np.where(turn == FIFTH - 1, "validation", "train")
    return pd.concat([train, test.assign(split="test")], ignore_index=True)


def _list_records(root: Path, prefix: str, part: str, names: list[list[str]]) -> pd.DataFrame:
    """List the records of one file."""
    path = find(root / prefix, f"{part}.bin")
    content = np.fromfile(path, np.uint8)
    if not len(content) or len(content) % RECORD:
        raise DataError(
            f"{path}: {len(content)} bytes is not a multiple of {RECORD}; download cifar-100-binary.tar.gz again"
        )
    records = content.reshape(-1, RECORD)
    labels = records[:, :LABELS]
    for column, classes in enumerate(names):
        if labels[:, column].max() >= len(classes):
            raise DataError(
                f"{path}: has class {labels[:, column].max()}, the list has {len(classes)}; download both again"
            )
    coarse, fine = (np.array(classes, object)[labels[:, i]] for i, classes in enumerate(names))
    covers = [f"{prefix}{part}.bin#{i * RECORD + LABELS}:3x{SIDE}x{SIDE}" for i in range(len(labels))]
    ids = [f"{part}/{i:05d}" for i in range(len(labels))]
    columns = {"track_id": ids, "path": None, "cover": covers, "genre": fine, "tags": [[group] for group in coarse]}
    hashes = [hashlib.sha256(row[LABELS:].tobytes()).hexdigest() for row in records]
    return pd.DataFrame(columns | {"content_hash": hashes})
