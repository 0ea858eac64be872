"""Answers: a model's predictions of a file as plain values, for JSON or a row of a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.audio.measurement import Measurement
from ostinato.inference import reference
from ostinato.inference.model import Prediction, ReleasedModel
from ostinato.inference.streaming import decode_and_measure

Answer: TypeAlias = dict[str, Any]
DIGITS = 6
SCORE_PREFIX = "score"
"""Prefix of reasons that are about a model's scores, not about the sound of a file."""


def answer_file(path: Path, models: Sequence[ReleasedModel], *, over_time: bool = False, **limits: Any) -> list[Answer]:
    """Predict a file with several models, decoding and measuring it once.

    Parameters
    ----------
    path : Path
    models : sequence of ReleasedModel
    over_time : bool
        Include the scores of each chunk of the track.
    **limits
        As of `ostinato.audio.measurement.load`.

    Returns
    -------
    list of dict
        ``{"path", "task", "model", "label", "unsure", "reasons", "scores"}`` per model. An answer
        is unsure if it has reasons: faults that `validate` would reject, differences from the
        training tracks, and scores that are too low.

    Raises
    ------
    DataError
        If the file cannot be decoded or exceeds a limit.
    """
    context, measurement = decode_and_measure(path, set().union(*(model.rates for model in models)), **limits)
    return [answer_track(path, model, context, measurement, over_time=over_time) for model in models]


def doubt(answer: Answer) -> float:
    """Return the uncertainty of an answer, from 0 (one class, or the presence of every tag, is certain) to 1.

    It is 1 for a file unlike the training tracks, whatever its scores.

    Examples
    --------
    >>> round(doubt({"label": "jazz", "scores": {"jazz": 0.7, "rock": 0.3}}), 6)
    0.6
    """
    return 1.0 if audio_warnings(answer) else score_doubt(answer)


def audio_warnings(answer: Answer) -> list[str]:
    """Return the reasons that are about the sound of a file, not about its scores.

    Examples
    --------
    >>> audio_warnings({"reasons": ["silent: silence share 1, at most 0.5", "score 0.311, sure from 0.620 on"]})
    ['silent: silence share 1, at most 0.5']
    """
    return [reason for reason in answer.get("reasons", ()) if not reason.startswith(SCORE_PREFIX)]


def sound_faults(answer: Answer) -> list[str]:
    """Return the reasons for which `validate` would reject a file, without comparisons with the training tracks.

    Examples
    --------
    >>> sound_faults({"reasons": ["silent: silence share 1, at most 0.5", "level -70.0 dB, trained on -20.0 dB"]})
    ['silent: silence share 1, at most 0.5']
    """
    return [reason for reason in audio_warnings(answer) if not reference.is_comparison(reason)]


def score_doubt(answer: Answer) -> float:
    """Compute the uncertainty of an answer by its scores alone; see `doubt`.

    Examples
    --------
    >>> score_doubt({"label": ["calm"], "scores": {"calm": 0.5, "fast": 0.5}})
    1.0
    """
    scores = sorted(answer["scores"].values())
    if isinstance(answer["label"], str):
        return float(1 - (scores[-1] - (scores[-2] if len(scores) > 1 else 0)))
    return float(1 - 2 * np.mean(np.abs(np.array(scores) - 0.5)))


def answer_track(
    path: Path, model: ReleasedModel, context: AudioContext, measurement: Measurement, *, over_time: bool = False
) -> Answer:
    """Predict a decoded file with one model, and compare its sound with that of training; see `answer_file`."""
    rows = model.compute_inputs(context)
    prediction = model.predict_features(rows, over_time=over_time)
    reasons = reference.explain_sound(model, measurement, rows)
    return to_answer(encode_path(path), model, prediction, reasons, over_time=over_time)


def encode_path(path: Path) -> str:
    r"""Encode a path as valid Unicode, even if its bytes are not UTF-8.

    Examples
    --------
    >>> encode_path(Path("caf\udce9.wav"))
    'caf\\xe9.wav'
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def to_answer(
    path: str, model: ReleasedModel, prediction: Prediction, reasons: Sequence[str] = (), *, over_time: bool = False
) -> Answer:
    """Convert a prediction to plain values; see `answer_file`."""
    all_reasons = [*reasons, *model.explain_doubt(prediction.scores)]
    answer: Answer = {
        "path": path,
        "task": model.task,
        "model": model.name,
        "label": model.label(prediction.scores),
        "unsure": bool(all_reasons),
        "reasons": all_reasons,
        "scores": {c: round(float(s), DIGITS) for c, s in zip(model.classes, prediction.scores, strict=True)},
    }
    if over_time and prediction.chunk_scores is not None and prediction.starts is not None:
        answer["over_time"] = {
            "starts": _round(prediction.starts, 3),
            "seconds": round(float(prediction.chunk_seconds or 0), 3),
            "scores": {c: _round(s, 4) for c, s in zip(model.classes, prediction.chunk_scores.T, strict=True)},
        }
    return answer


def _round(values: np.ndarray, digits: int) -> list[float]:
    return np.round(values.astype(np.float64), digits).tolist()
