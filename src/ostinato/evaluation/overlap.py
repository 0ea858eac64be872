"""Recordings of a folder that a released model was trained on: what it says of them shows nothing."""

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

SEEN = ("train", "validation")
"""The splits that a model learns from: weights from the first, when to stop and how sure to be from the second."""
COLUMNS = ["track_id", "audio_hash", "fingerprint"]


@dataclass(frozen=True)
class TrainingFiles:
    """What is known of the recordings that a model was trained on.

    Parameters
    ----------
    files : DataFrame
        track_id, audio_hash and fingerprint of the tracks of training and validation; empty
        where they are not at hand.
    note : str or None
        What these files leave open.
    """

    files: pd.DataFrame
    note: str | None = None


def read_training_files(paths: Paths, model: ReleasedModel) -> TrainingFiles:
    """Read what the project measured of the tracks that its released model was trained on.

    Parameters
    ----------
    paths : Paths
    model : ReleasedModel

    Returns
    -------
    TrainingFiles
        With a note where the tables are not there, or are of another split than the model.
    """
    nothing = pd.DataFrame(columns=COLUMNS, dtype=object)
    if absent := [path for path in (paths.files, paths.splits, paths.classes) if not path.exists()]:
        where = absent[0].relative_to(paths.root)
        return TrainingFiles(
            nothing,
            f"not looked for, since {where} is not there; run this in the project that trained {model.name}",
        )
    splits, files = tables.read(paths.splits), tables.read(paths.files)
    seen = set(splits.loc[splits["split"].isin(SEEN), "track_id"])
    files = files.loc[files["track_id"].isin(seen) & files["fingerprint"].notna(), COLUMNS]
    if files.empty:
        return TrainingFiles(nothing, f"not looked for, since no sound of {model.name}'s training tracks was measured")
    trained_on = model.about.get("hashes", {}).get("data")
    if trained_on != read_json(paths.classes)["hash"]:
        return TrainingFiles(
            files, f"looked for among the tracks of the present split; {model.name} was trained on another one"
        )
    return TrainingFiles(files)


def find_training_copies(
    root: Path, names: Iterable[str], training: pd.DataFrame, cache: Path, settings: parallel.Settings
) -> dict[str, str]:
    """Find the files that are a recording of the training tracks, by the hash of their samples or by fingerprint.

    Parameters
    ----------
    root : Path
    names : iterable of str
        Paths below `root`.
    training : DataFrame
        track_id, audio_hash and fingerprint.
    cache : Path
        Of measurements; see `inventory.measure_files`.
    settings : compute.Settings
        Processes or cluster.

    Returns
    -------
    dict of str to str
        Path to the training track that it repeats; files that cannot be decoded repeat nothing.
    """
    here = pd.DataFrame({"path": list(names)})
    here["track_id"] = "here/" + here["path"]
    measured = inventory.measure_files(root, here, cache, settings)[COLUMNS]
    known = training[COLUMNS].assign(track_id="known/" + training["track_id"])
    found = duplicates.find(pd.concat([known, measured], ignore_index=True))
    both = found[found["track_id"].str.startswith("here/") & found["copy_of"].str.startswith("known/")]
    paths = both["track_id"].str.removeprefix("here/")
    return dict(zip(paths, both["copy_of"].str.removeprefix("known/"), strict=True))
