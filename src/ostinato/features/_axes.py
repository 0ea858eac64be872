"""Axes: the label of a feature's bins and its ticks."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

NAMED_HZ = (100, 200, 500, 1000, 2000, 5000, 10000, 20000)
MIN_DISTANCE = 0.1
"""Ticks closer than this share of all bins would overlap."""
C0 = 16.351597831287414
"""In Hz, with A4 = 440 Hz."""
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class Axis(NamedTuple):
    """A label, and tick names by position among the bins, counted from 0.

    Parameters
    ----------
    label : str
    ticks : mapping of float to str
    """

    label: str
    ticks: Mapping[float, str]


def hertz(frequencies: np.ndarray) -> Axis:
    """Put ticks at round frequencies.

    Parameters
    ----------
    frequencies : np.ndarray [shape=(n_bins,)]
        Centres of the bins in Hz, ascending.

    Returns
    -------
    Axis

    Examples
    --------
    >>> hertz(np.arange(0.0, 1050.0, 50.0))
    Axis(label='Hz', ticks={2.0: '100', 10.0: '500', 20.0: '1k'})
    """
    ticks: dict[float, str] = {}
    for hz in NAMED_HZ:
        if not frequencies[0] <= hz <= frequencies[-1]:
            continue
        position = float(np.interp(hz, frequencies, np.arange(len(frequencies))))
        if not ticks or position - max(ticks) >= MIN_DISTANCE * len(frequencies):
            ticks[round(position, 3)] = str(hz) if hz < 1000 else f"{hz // 1000}k"
    return Axis("Hz", ticks)


def octaves(n_bins: int, bins_per_octave: int, f_min: float) -> Axis:
    """Put a tick at each C.

    Parameters
    ----------
    n_bins, bins_per_octave : int
    f_min : float
        Centre of the lowest bin in Hz.

    Returns
    -------
    Axis

    Examples
    --------
    >>> octaves(50, 24, C0 * 2)
    Axis(label='note', ticks={0.0: 'C1', 24.0: 'C2', 48.0: 'C3'})
    """
    lowest = np.log2(f_min / C0)
    numbers = range(int(np.ceil(lowest - 1e-6)), int(lowest + n_bins / bins_per_octave) + 1)
    positions = {round(float(octave - lowest) * bins_per_octave, 3): f"C{octave}" for octave in numbers}
    return Axis("note", {abs(position): name for position, name in positions.items() if position <= n_bins - 1})


def classes(n_bins: int) -> Axis:
    """Put a tick at every second pitch class.

    Parameters
    ----------
    n_bins : int
        A multiple of 12.

    Returns
    -------
    Axis
    """
    each = n_bins // len(NOTES)
    return Axis("note", {float(i * each): note for i, note in enumerate(NOTES) if i % 2 == 0})
