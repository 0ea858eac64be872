"""Answers of models about one file, as plain values that become JSON or a row of a table."""

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
OF_SCORES = "score"
"""What the reasons begin with that speak of a model's scores, not of the sound of a file."""


def answer_file(path: Path, models: Sequence[ReleasedModel], *, over_time: bool = False, **limits: Any) -> list[Answer]:
    """Ask models about a file, decoding and measuring it once.

    Parameters
    ----------
    path : Path
    models : sequence of ReleasedModel
    over_time : bool
        Say what each chunk of the track scores, too.
    **limits
        As of `ostinato.audio.measurement.load`.

    Returns
    -------
    list of dict
        ``{"path", "task", "model", "label", "unsure", "reasons", "scores"}`` per model. An answer
        is unsure where there are reasons: what the file has that `validate` would not let pass,
        or that the training tracks had not, and that no score is high enough.

    Raises
    ------
    DataError
        If the file cannot be decoded or is beyond a limit.
    """
    context, measurement = decode_and_measure(path, set().union(*(model.rates for model in models)), **limits)
    return [answer_track(path, model, context, measurement, over_time=over_time) for model in models]


def doubt(answer: Answer) -> float:
    """Return how doubtful an answer is: 0 where one class, or each tag's yes or no, is certain; 1 where none is.

    A file unlike those of training is as doubtful as can be, whatever its scores.

    Examples
    --------
    >>> round(doubt({"label": "jazz", "scores": {"jazz": 0.7, "rock": 0.3}}), 6)
    0.6
    """
    return 1.0 if audio_warnings(answer) else score_doubt(answer)


def audio_warnings(answer: Answer) -> list[str]:
    """Return the reasons that speak of the sound of a file, not of the scores.

    Examples
    --------
    >>> audio_warnings({"reasons": ["silent: silence share 1, at most 0.5", "score 0.311, sure from 0.620 on"]})
    ['silent: silence share 1, at most 0.5']
    """
    return [reason for reason in answer.get("reasons", ()) if not reason.startswith(OF_SCORES)]


def sound_faults(answer: Answer) -> list[str]:
    """Return the reasons for which `validate` would not let a file pass, not those that compare it with training.

    Examples
    --------
    >>> sound_faults({"reasons": ["silent: silence share 1, at most 0.5", "level -70.0 dB, trained on -20.0 dB"]})
    ['silent: silence share 1, at most 0.5']
    """
    return [reason for reason in audio_warnings(answer) if not reference.is_comparison(reason)]


def score_doubt(answer: Answer) -> float:
    """Compute how doubtful an answer is by its scores alone: 0 where one class, or each tag's yes or no, is certain.

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
    """Ask one model about a decoded file and hold its sound against that of training; see `answer_file`."""
    rows = model.compute_inputs(context)
    heard = model.predict_features(rows, over_time=over_time)
    reasons = reference.explain_sound(model, measurement, rows)
    return to_answer(encode_path(path), model, heard, reasons, over_time=over_time)


def encode_path(path: Path) -> str:
    r"""Write a path as text that any file can hold, even where its bytes are no UTF-8.

    Examples
    --------
    >>> encode_path(Path("caf\udce9.wav"))
    'caf\\xe9.wav'
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def to_answer(
    path: str, model: ReleasedModel, heard: Prediction, reasons: Sequence[str] = (), *, over_time: bool = False
) -> Answer:
    """Put what a model heard in plain values; see `answer_file`."""
    everything = [*reasons, *model.explain_doubt(heard.scores)]
    told: Answer = {
        "path": path,
        "task": model.task,
        "model": model.name,
        "label": model.label(heard.scores),
        "unsure": bool(everything),
        "reasons": everything,
        "scores": {c: round(float(s), DIGITS) for c, s in zip(model.classes, heard.scores, strict=True)},
    }
    if over_time and heard.chunk_scores is not None and heard.starts is not None:
        told["over_time"] = {
            "starts": _round(heard.starts, 3),
            "seconds": round(float(heard.chunk_seconds or 0), 3),
            "scores": {c: _round(s, 4) for c, s in zip(model.classes, heard.chunk_scores.T, strict=True)},
        }
    return told


def _round(values: np.ndarray, digits: int) -> list[float]:
    return np.round(values.astype(np.float64), digits).tolist()
