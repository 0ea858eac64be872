"""Find recordings of a folder that a released model was trained on, which must not be used to evaluate it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ostinato.core import parallel
from ostinato.core.paths import Paths
from ostinato.curation import duplicates, inventory
from ostinato.inference.model import ReleasedModel
from ostinato.io import tables
from ostinato.io.files import read_json

TRAINING_SPLITS = ("train", "validation")
"""Splits used in training: for the weights, and for early stopping and calibration."""
COLUMNS = ["track_id", "audio_hash", "fingerprint"]


@dataclass(frozen=True)
class TrainingFiles:
    """Measurements of the recordings that a model was trained on.

    Parameters
    ----------
    files : DataFrame
        track_id, audio_hash and fingerprint of the training and validation tracks; empty
        if not available.
    note : str or None
        Limits of these data.
    """

    files: pd.DataFrame
    note: str | None = None


def read_training_files(paths: Paths, model: ReleasedModel) -> TrainingFiles:
    """Read the measurements of the tracks that a released model was trained on.

    Parameters
    ----------
    paths : Paths
    model : ReleasedModel

    Returns
    -------
    TrainingFiles
        With a note if tables are missing, or from another split than the model.
    """
    empty = pd.DataFrame(columns=COLUMNS, dtype=object)
    if missing := [path for path in (paths.files, paths.splits, paths.classes) if not path.exists()]:
        name = missing[0].relative_to(paths.root)
        note = f"not searched for, since {name} does not exist; run this in the project that trained {model.name}"
        return TrainingFiles(empty, note)
    splits, files = tables.read(paths.splits), tables.read(paths.files)
    training = set(splits.loc[splits["split"].isin(TRAINING_SPLITS), "track_id"])
    files = files.loc[files["track_id"].isin(training) & files["fingerprint"].notna(), COLUMNS]
    if files.empty:
        return TrainingFiles(empty, f"not searched for, since the training tracks of {model.name} have no fingerprints")
    split_hash = model.metadata.get("hashes", {}).get("data")
    if split_hash != read_json(paths.classes)["hash"]:
        return TrainingFiles(
            files, f"searched for among the tracks of the present split; {model.name} was trained on another"
        )
    return TrainingFiles(files)


def find_training_copies(
    root: Path, names: Iterable[str], training: pd.DataFrame, cache: Path, settings: parallel.Settings
) -> dict[str, str]:
    """Find the files that are copies of training tracks, by the hash of their samples or by fingerprint.

    Parameters
    ----------
    root : Path
    names : iterable of str
        Paths relative to `root`.
    training : DataFrame
        track_id, audio_hash and fingerprint.
    cache : Path
        Cache of measurements; see `inventory.measure_files`.
    settings : parallel.Settings
        Number of processes, or the address of a cluster.

    Returns
    -------
    dict of str to str
        Training track by path; without files that cannot be decoded.
    """
    tracks = pd.DataFrame({"path": list(names)})
    tracks["track_id"] = "new/" + tracks["path"]
    measured = inventory.measure_files(root, tracks, cache, settings)[COLUMNS]
    known = training[COLUMNS].assign(track_id="known/" + training["track_id"])
    copies = duplicates.find(pd.concat([known, measured], ignore_index=True))
    copies = copies[copies["track_id"].str.startswith("new/") & copies["copy_of"].str.startswith("known/")]
    paths = copies["track_id"].str.removeprefix("new/")
    return dict(zip(paths, copies["copy_of"].str.removeprefix("known/"), strict=True))
