"""Small pictures of a hundred things: the control by which networks for spectra show that they are none for pictures.

Size: 60,000 pictures of 32 x 32, 500 to learn from and 100 to test in each of 100
classes, which make 20 groups. Origin: chosen from the 80 million Tiny Images. Licence:
none stated; cite the report. Paper: A. Krizhevsky: Learning Multiple Layers of Features
from Tiny Images. University of Toronto, 2009.

Read is the *binary* archive (``cifar-100-binary/train.bin``, ``test.bin`` and the two
lists of names), never the pickled one, which runs what it holds. A record is a byte of
the group, a byte of the class, and three planes of 1,024 bytes, red, green and blue.
Nothing is unpacked from it: a picture is its place in the file, and its class stands
for the genre. Every fifth picture of a class of the training file is for validation.
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
    """The archive has no keys of its own."""


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the pictures.

    Parameters
    ----------
    root : Path
        Holds the archive's folder, or is it.
    options : Options
    seed, workers : int
        Of no use here.

    Returns
    -------
    DataFrame
        track_id ("train/00017"), path (unknown: there is no audio), cover (the picture's
        place), genre (the class), tags (its group), content_hash (of its pixels) and split.

    Raises
    ------
    DataError
        If a file is absent or cut off, or names a class that the lists lack.
    """
    below = f"{FOLDER}/" if (root / FOLDER).is_dir() else ""
    names = [find(root / below, f"{level}_label_names.txt").read_text().split() for level in ("coarse", "fine")]
    learnt, tested = (_list_records(root, below, part, names) for part in ("train", "test"))
    turn = learnt.groupby("genre").cumcount() % FIFTH
    learnt["split"] = np.where(turn == FIFTH - 1, "validation", "train")
    return pd.concat([learnt, tested.assign(split="test")], ignore_index=True)


def _list_records(root: Path, below: str, part: str, names: list[list[str]]) -> pd.DataFrame:
    """List the records of one file."""
    path = find(root / below, f"{part}.bin")
    content = np.fromfile(path, np.uint8)
    if not len(content) or len(content) % RECORD:
        raise DataError(f"{path}: {len(content)} bytes are no records of {RECORD}; fetch cifar-100-binary.tar.gz again")
    records = content.reshape(-1, RECORD)
    labels = records[:, :LABELS]
    for column, known in enumerate(names):
        if labels[:, column].max() >= len(known):
            raise DataError(
                f"{path}: names class {labels[:, column].max()}, the lists have {len(known)}; fetch both again"
            )
    coarse, fine = (np.array(known, object)[labels[:, i]] for i, known in enumerate(names))
    where = [f"{below}{part}.bin#{i * RECORD + LABELS}:3x{SIDE}x{SIDE}" for i in range(len(labels))]
    ids = [f"{part}/{i:05d}" for i in range(len(labels))]
    told = {"track_id": ids, "path": None, "cover": where, "genre": fine, "tags": [[group] for group in coarse]}
    hashes = [hashlib.sha256(row[LABELS:].tobytes()).hexdigest() for row in records]
    return pd.DataFrame(told | {"content_hash": hashes})
