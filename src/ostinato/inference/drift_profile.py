"""Compare new audio with the drift profile of a released model."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import cast

import numpy as np
from tqdm import tqdm

from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.errors import DataError, OstinatoError
from ostinato.inference import drift
from ostinato.inference.model import ReleasedModel
from ostinato.inference.predict import list_files
from ostinato.io.files import read_json, read_parquet

PROFILE = "profile.json"
OLD_PROFILE = "profile.parquet"
"""Profile of models released before it was JSON; reading it needs pandas."""
NUMERIC_SOURCES = ("audio", "attributes")
MAX_TRACKS = 500

Rows = Mapping[str, np.ndarray]


def collect_features(model: ReleasedModel, tracks: Iterable[Rows]) -> dict[str, np.ndarray]:
    """Collect the numbers that drift is measured by: mean and spread of each input, and the embedding.

    Parameters
    ----------
    model : ReleasedModel
    tracks : iterable of mapping of str to np.ndarray [shape=(n_frames, n_bins)]
        Feature of each input of the model, for each track.

    Returns
    -------
    dict of str to np.ndarray [shape=(n_tracks, n_numbers), dtype=float64]
        Such as ``mel mean``, ``mel spread``, ``embedding``. Lyrics and covers count by the embedding only.
    """
    lists: dict[str, list[np.ndarray]] = {}
    for rows in tracks:
        for name, model_input in model.inputs.items():
            if model_input.source in NUMERIC_SOURCES:
                for moment, values in drift.moments(rows[name]).items():
                    lists.setdefault(f"{name} {moment}", []).append(values)
        lists.setdefault("embedding", []).append(np.asarray(model.embedding(rows), np.float64))
    return {name: np.stack(values) for name, values in lists.items()}


def iterate_rows(model: ReleasedModel, targets: Sequence[Path]) -> Iterator[Rows]:
    """Yield the inputs of a model for each audio file that can be decoded."""
    for path, error in tqdm(list(list_files(targets)), unit="file", disable=None, leave=False):
        if error is not None and path in targets:
            raise OstinatoError(f"{path}: {error}")
        try:
            if error is not None:
                raise DataError(f"{path}: {error}")
            yield model.compute_inputs(AudioContext(*audio.load(path)))
        except DataError as error:
            tqdm.write(f"skipped: {error}", file=sys.stderr)


def compare(folder: Path, targets: Sequence[Path], *, level: float) -> list[drift.Change]:
    """Compare audio files with the profile of a released model.

    Parameters
    ----------
    folder : Path
        Folder of a model in models/released/.
    targets : sequence of Path
        Files, and folders of audio files.
    level : float
        Maximum probability of a false alarm.

    Returns
    -------
    list of drift.Change

    Raises
    ------
    OstinatoError
        If the model has no profile, or too few files can be read.
    """
    if not (folder / "model.json").exists():
        raise OstinatoError(f"{folder}: nothing is released there; run `dvc repro` and `ostinato release`")
    before, model = read_profile(folder), ReleasedModel(folder)
    groups = collect_features(model, iterate_rows(model, targets))
    if not groups:
        raise OstinatoError("drift: no file can be read; give other files")
    return drift.changes(before, groups, level=level)


def read_profile(folder: Path) -> drift.Profile:
    """Read the drift profile of a released model.

    Raises
    ------
    OstinatoError
        If it has none.
    """
    if (folder / PROFILE).exists():
        return cast(drift.Profile, read_json(folder / PROFILE))
    if (folder / OLD_PROFILE).exists():
        rows = read_parquet(folder / OLD_PROFILE).groupby("group", sort=False)
        return {str(group): {c: np.stack(r[c].to_list()) for c in ("edges", "counts")} for group, r in rows}
    raise OstinatoError(f"{folder / PROFILE}: does not exist; `ostinato release` writes it for 20 tracks or more")


def text(changes: Sequence[drift.Change]) -> str:
    """Format changes as a table."""
    lines = [f"{'group':20} {'numbers':>7} {'stability index':>15} {'p':>9}"]
    lines += [
        f"{c.group:20} {c.n_numbers:7} {c.stability:15.3f} {c.p:9.2g}  {'has drifted' if c.drifted else 'as before'}"
        for c in changes
    ]
    return "\n".join(lines)


def json(changes: Sequence[drift.Change]) -> str:
    """Format changes as JSON."""
    return dumps([c._asdict() for c in changes], indent=2)
