"""Broken files, added to the good ones on request."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from ostinato.datasets._synthesis.voices import SAMPLE_RATE
from ostinato.io.files import atomic_write


def _silence(target: Path, good: Path) -> None:
    y, _ = soundfile.read(good, dtype="float32")
    soundfile.write(target, np.zeros_like(y), SAMPLE_RATE, format="FLAC", subtype="PCM_16")


def _truncate(target: Path, good: Path) -> None:
    content = good.read_bytes()
    target.write_bytes(content[: len(content) * 3 // 5])


def _text(target: Path, good: Path) -> None:
    target.write_text(f"This is no audio; {good.stem} is.\n")


def _nan(target: Path, good: Path) -> None:
    from scipy.io import wavfile

    y, _ = soundfile.read(good, dtype="float32")
    y[len(y) // 2 : len(y) // 2 + 100] = np.nan
    wavfile.write(target, SAMPLE_RATE, y)  # libsndfile would write the time of day into it


def _empty(target: Path, good: Path) -> None:
    target.write_bytes(b"")


def _copy(target: Path, good: Path) -> None:
    target.write_bytes(good.read_bytes())


# How to break a file, and its suffix; FLAC cannot store NaN.
KINDS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "silence": (_silence, "flac"),
    "truncated": (_truncate, "flac"),
    "text": (_text, "flac"),
    "nan": (_nan, "wav"),
    "empty": (_empty, "flac"),
    "copy": (_copy, "flac"),
}


def plant(kind: str, target: Path, good: Path) -> None:
    """Write one broken file atomically.

    Parameters
    ----------
    kind : str
        Key of `KINDS`.
    target : Path
    good : Path
        The rendered file to copy and break.
    """
    with atomic_write(target) as partial:
        KINDS[kind][0](partial, good)
