"""The one door to audio files."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from ostinato.errors import DataError


def load(path: Path, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Decode a file to mono.

    Parameters
    ----------
    path : Path
    sample_rate : int, optional
        Resample to so many Hz; default: as it is.

    Returns
    -------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
        Mean of the channels.
    sample_rate : int
        In Hz.

    Raises
    ------
    DataError
        If the file cannot be decoded.
    """
    try:
        y, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise DataError(f"{path}: cannot be decoded ({error})") from error
    mono = y.mean(axis=1)
    if sample_rate in (None, rate):
        return mono, rate
    return soxr.resample(mono, rate, sample_rate), int(sample_rate or rate)
