"""Comparison of predictions on clips with those on whole tracks.

Networks are trained on clips, and tracks are compared by clips, most often by their first
thirty seconds, which may hold only an introduction: H. Singh, "Using deep learning to
recommend Punjabi music", University of Victoria, 2018, attributes bad recommendations to
songs that sound different later.
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

CLIPS = ("first", "middle")


class ClipComparison(NamedTuple):
    """Predictions of a track and of its clips.

    Parameters
    ----------
    path : str
    seconds : float
        Duration of the whole track.
    labels : dict of str to str or list of str
        Labels of ``first``, ``middle`` and ``whole``.
    differences : dict of str to float
        Maximum absolute difference of the scores of each clip from those of the whole track.
    similarity : dict of str to float
        Cosine similarity of the embeddings of each clip and of the whole track.
    """

    path: str
    seconds: float
    labels: dict[str, str | list[str]]
    differences: dict[str, float]
    similarity: dict[str, float]


def compare(
    model: ReleasedModel, targets: Sequence[Path], seconds: float
) -> Iterator[ClipComparison | tuple[str, str]]:
    """Predict tracks and clips of them, decoding each track once.

    Parameters
    ----------
    model : ReleasedModel
    targets : sequence of Path
        Files, and folders of audio files.
    seconds : float
        Length of a clip.

    Yields
    ------
    ClipComparison, or tuple of str and str
        The latter is a path and why it was skipped: it cannot be read, or is no longer than a clip.
    """
    for path, error in tqdm(list(list_files(targets)), unit="file", disable=None, leave=False):
        try:
            if error is not None:
                raise DataError(error)
            y, rate = audio.load(path)
            if len(y) <= seconds * rate:
                raise DataError(f"is {len(y) / rate:.1f} s long: no longer than a clip")
            clips = _cut_clips(y, int(seconds * rate))
            predictions = {name: model.predict(AudioContext(clip, rate)) for name, clip in clips.items()}
        except OstinatoError as failure:
            yield encode_path(path), str(failure).removeprefix(f"{path}: ")
            continue
        yield _compare(encode_path(path), len(y) / rate, model, predictions)


def _cut_clips(y: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """Return the beginning, the middle and the whole of a track."""
    start = (len(y) - n) // 2
    return {"first": y[:n], "middle": y[start : start + n], "whole": y}


def _compare(path: str, seconds: float, model: ReleasedModel, predictions: dict[str, Prediction]) -> ClipComparison:
    whole = predictions["whole"]
    return ClipComparison(
        path,
        round(seconds, 3),
        {name: model.label(prediction.scores) for name, prediction in predictions.items()},
        {name: round(float(np.abs(predictions[name].scores - whole.scores).max()), DIGITS) for name in CLIPS},
        {name: round(_cosine(predictions[name].embedding, whole.embedding), DIGITS) for name in CLIPS},
    )


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def summary(tracks: Sequence[ClipComparison]) -> dict[str, Any]:
    """Summarise how well clips represent their tracks.

    Parameters
    ----------
    tracks : sequence of ClipComparison
        At least one.

    Returns
    -------
    dict
        ``n_tracks``, and for each clip the share of tracks with the ``same_label`` as
        the whole, the median ``difference`` and the median ``similarity``.
    """
    figures: dict[str, Any] = {"n_tracks": len(tracks)}
    for name in CLIPS:
        same = [track.labels[name] == track.labels["whole"] for track in tracks]
        figures[name] = {
            "same_label": round(float(np.mean(same)), DIGITS),
            "difference": round(float(np.median([track.differences[name] for track in tracks])), DIGITS),
            "similarity": round(float(np.median([track.similarity[name] for track in tracks])), DIGITS),
        }
    return figures


def text(tracks: Sequence[ClipComparison]) -> str:
    """Format tracks and their summary as text."""
    lines = []
    for track in tracks:
        labels = {name: label if isinstance(label, str) else ", ".join(label) for name, label in track.labels.items()}
        lines.append(
            f"{track.path}  {track.seconds:.0f} s  " + "  ".join(f"{n}: {x or '-'}" for n, x in labels.items())
        )
    figures = summary(tracks)
    for name in CLIPS:
        clip = figures[name]
        lines.append(
            f"{name}: same label as the whole track in {clip['same_label']:.0%} of {figures['n_tracks']}; medians: "
            f"difference of scores {clip['difference']:.3f}, similarity of embeddings {clip['similarity']:.3f}"
        )
    return "\n".join(lines)
