"""Comparison of clips with whole tracks: predictions of the beginning, of the middle and of all of a track.

Networks are trained on clips, and tracks are compared by them, most often by the first
thirty seconds, which an introduction may fill: H. Singh, "Using deep learning to recommend
Punjabi music", University of Victoria, 2018, blames them for bad recommendations of songs
that sound otherwise later.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.errors import DataError, OstinatoError
from ostinato.inference.answers import DIGITS, encode_path
from ostinato.inference.model import Prediction, ReleasedModel
from ostinato.inference.predict import list_files

EXCERPTS = ("first", "middle")


class ClipComparison(NamedTuple):
    """What a model says of a track and of its clips.

    Parameters
    ----------
    path : str
    seconds : float
        The whole track's.
    labels : dict of str to str or list of str
        Of ``first``, ``middle`` and ``whole``.
    differences : dict of str to float
        The largest difference of a score between a clip and the whole.
    similarity : dict of str to float
        Cosine between the embeddings of a clip and of the whole.
    """

    path: str
    seconds: float
    labels: dict[str, str | list[str]]
    differences: dict[str, float]
    similarity: dict[str, float]


def compare(
    model: ReleasedModel, targets: Sequence[Path], seconds: float
) -> Iterator[ClipComparison | tuple[str, str]]:
    """Ask a model about tracks and about clips of them, decoding each once.

    Parameters
    ----------
    model : ReleasedModel
    targets : sequence of Path
        Files, and folders that are searched for audio.
    seconds : float
        Length of a clip.

    Yields
    ------
    ClipComparison, or tuple of str and str
        A path and why there is nothing to compare: it cannot be read, or is no longer than a clip.
    """
    for path, error in tqdm(list(list_files(targets)), unit="file", disable=None, leave=False):
        try:
            if error is not None:
                raise DataError(error)
            y, rate = audio.load(path)
            if len(y) <= seconds * rate:
                raise DataError(f"is {len(y) / rate:.1f} s long: no longer than a clip")
            heard = {
                name: model.predict(AudioContext(cut, rate)) for name, cut in _cut_clips(y, int(seconds * rate)).items()
            }
        except OstinatoError as failure:
            yield encode_path(path), str(failure).removeprefix(f"{path}: ")
            continue
        yield _compare(encode_path(path), len(y) / rate, model, heard)


def _cut_clips(y: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """Take the beginning, the middle and all of a track."""
    start = (len(y) - n) // 2
    return {"first": y[:n], "middle": y[start : start + n], "whole": y}


def _compare(path: str, seconds: float, model: ReleasedModel, heard: dict[str, Prediction]) -> ClipComparison:
    whole = heard["whole"]
    return ClipComparison(
        path,
        round(seconds, 3),
        {name: model.label(one.scores) for name, one in heard.items()},
        {name: round(float(np.abs(heard[name].scores - whole.scores).max()), DIGITS) for name in EXCERPTS},
        {name: round(_cosine(heard[name].embedding, whole.embedding), DIGITS) for name in EXCERPTS},
    )


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def summary(tracks: Sequence[ClipComparison]) -> dict[str, Any]:
    """Sum up how well clips stand for tracks.

    Parameters
    ----------
    tracks : sequence of ClipComparison
        At least one.

    Returns
    -------
    dict
        ``n_tracks``, and of each clip the share of tracks with the ``same_label`` as
        the whole, the median ``difference`` and the median ``similarity``.
    """
    told: dict[str, Any] = {"n_tracks": len(tracks)}
    for name in EXCERPTS:
        same = [track.labels[name] == track.labels["whole"] for track in tracks]
        told[name] = {
            "same_label": round(float(np.mean(same)), DIGITS),
            "difference": round(float(np.median([track.differences[name] for track in tracks])), DIGITS),
            "similarity": round(float(np.median([track.similarity[name] for track in tracks])), DIGITS),
        }
    return told


def text(tracks: Sequence[ClipComparison]) -> str:
    """Lay tracks and their summary out for people."""
    lines = []
    for track in tracks:
        said = {name: label if isinstance(label, str) else ", ".join(label) for name, label in track.labels.items()}
        lines.append(f"{track.path}  {track.seconds:.0f} s  " + "  ".join(f"{n}: {s or '-'}" for n, s in said.items()))
    told = summary(tracks)
    for name in EXCERPTS:
        one = told[name]
        lines.append(
            f"{name}: the label of the whole in {one['same_label']:.0%} of {told['n_tracks']}, a score differs by "
            f"{one['difference']:.3f}, embeddings are alike by {one['similarity']:.3f} (medians)"
        )
    return "\n".join(lines)
