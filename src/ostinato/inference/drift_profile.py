"""Compare new audio with the profile that was kept beside a released model."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Any, cast

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
"""Of what was released before profiles were JSON; reading it takes pandas."""
NUMBERS = ("audio", "attributes")
MOST = 500

Rows = Mapping[str, np.ndarray]


def collect_features(model: ReleasedModel, tracks: Iterable[Rows]) -> dict[str, np.ndarray]:
    """Describe tracks by numbers: mean and spread of what the model reads, and where it places them.

    Parameters
    ----------
    model : ReleasedModel
    tracks : iterable of mapping of str to np.ndarray [shape=(n_frames, n_bins)]
        What each of the model's inputs is of a track.

    Returns
    -------
    dict of str to np.ndarray [shape=(n_tracks, n_numbers), dtype=float64]
        ``mel mean``, ``mel spread``, ``embedding``. Words and covers stand in the embedding alone.
    """
    lists: dict[str, list[np.ndarray]] = {}
    for rows in tracks:
        for name, given in model.inputs.items():
            if given.source in NUMBERS:
                for what, values in drift.moments(rows[name]).items():
                    lists.setdefault(f"{name} {what}", []).append(values)
        lists.setdefault("embedding", []).append(np.asarray(model.embedding(rows), np.float64))
    return {name: np.stack(values) for name, values in lists.items()}


def iterate_rows(model: ReleasedModel, targets: Sequence[Path]) -> Iterator[Rows]:
    """Yield what a model reads of each audio file that can be decoded."""
    for path, error in tqdm(list(list_files(targets)), unit="file", disable=None, leave=False):
        if error is not None and path in targets:
            raise OstinatoError(f"{path}: {error}")
        try:
            if error is not None:
                raise DataError(f"{path}: {error}")
            yield model.compute_inputs(AudioContext(*audio.load(path)))
        except DataError as error:
            tqdm.write(f"left out: {error}", file=sys.stderr)


def compare(folder: Path, targets: Sequence[Path], *, level: float) -> list[drift.Change]:
    """Compare audio files with the profile of a released model.

    Parameters
    ----------
    folder : Path
        Of models/released/.
    targets : sequence of Path
        Files, and folders that are searched for audio.
    level : float
        The chance of a false alarm, at most.

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
    described = collect_features(model, iterate_rows(model, targets))
    if not described:
        raise OstinatoError("drift: no file can be read; name others")
    return drift.changes(before, described, level=level)


def read_profile(folder: Path) -> drift.Profile:
    """Read what `ostinato release` kept of the tracks of a model.

    Raises
    ------
    OstinatoError
        If nothing was kept.
    """
    if (folder / PROFILE).exists():
        return cast(drift.Profile, read_json(folder / PROFILE))
    if (folder / OLD_PROFILE).exists():
        rows = read_parquet(folder / OLD_PROFILE).groupby("group", sort=False)
        return {str(group): {c: np.stack(r[c].to_list()) for c in ("edges", "counts")} for group, r in rows}
    raise OstinatoError(f"{folder / PROFILE}: is not there; it is kept by `ostinato release` from 20 tracks on")


def text(changes: Sequence[drift.Change]) -> str:
    """Lay changes out for people."""
    lines = [f"{'group':20} {'numbers':>7} {'stability index':>15} {'p':>9}"]
    lines += [
        f"{c.group:20} {c.n_numbers:7} {c.stability:15.3f} {c.p:9.2g}  {'has drifted' if c.drifted else 'as before'}"
        for c in changes
    ]
    return "\n".join(lines)


def json(changes: Sequence[drift.Change]) -> str:
    """Lay changes out for programs."""
    listed: list[dict[str, Any]] = [c._asdict() for c in changes]
    return dumps(listed, indent=2)
