"""The seconds that represent a song: the start of the part that is repeated most, where it is loudest."""

from pathlib import Path

import numpy as np

from ostinato.errors import DataError
from ostinato.io.files import atomic_write
from ostinato.structure.analysis import Section, Structure

LOUDER = 0.02
"""What a dB counts, as a share of the song's length."""


def find_thumbnail(structure: Structure, seconds: float = 15.0) -> tuple[float, float]:
    """Find the part that represents a song.

    Parameters
    ----------
    structure : Structure
    seconds : float

    Returns
    -------
    start, end : float
        In seconds; the whole of a song that is not longer, the middle of one without sections.

    References
    ----------
    M. A. Bartsch, G. H. Wakefield, "To catch a chorus: using chroma-based representations for audio thumbnailing",
    WASPAA 2001.
    """
    if structure.seconds <= seconds:
        return 0.0, structure.seconds
    if len(structure.sections) == 1:
        start = round((structure.seconds - seconds) / 2, 3)
        return start, round(start + seconds, 3)
    groups: dict[str, list[Section]] = {}
    for section in structure.sections:
        groups.setdefault(section.label, []).append(section)
    chosen = max(groups.values(), key=lambda group: _score(group, structure.seconds))
    whole = [s for s in chosen if s.end - s.start >= seconds]
    best = max(whole or chosen, key=lambda s: s.loudness if whole else s.end - s.start)
    start = min(best.start, structure.seconds - seconds)
    return round(start, 3), round(start + seconds, 3)


def _score(group: list[Section], seconds: float) -> float:
    """Return the share of a song that sections of one letter take, times how often they occur, and their loudness."""
    share = sum(s.end - s.start for s in group) / seconds
    return share * len(group) + LOUDER * float(np.mean([s.loudness for s in group]))


def write_clip(path: Path, y: np.ndarray, sample_rate: int, start: float, end: float) -> None:
    """Write a part of a recording.

    Parameters
    ----------
    path : Path
        Its suffix, ``.wav`` or ``.flac``, names the format.
    y : np.ndarray [shape=(n_samples,)]
    sample_rate : int
    start, end : float
        In seconds.

    Raises
    ------
    DataError
        If something is there already, or the suffix is another one.
    """
    import soundfile

    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("wav", "flac"):
        raise DataError(f"{path}: a clip is written as .wav or .flac; name such a file")
    if path.exists():
        raise DataError(f"{path}: is there already; name another file or delete it")
    clip = y[round(start * sample_rate) : round(end * sample_rate)]
    with atomic_write(path) as partial:
        soundfile.write(partial, np.clip(clip, -1, 1), sample_rate, format=kind, subtype="PCM_16")
