"""Patterns: the notes of a layer in one bar, in beats and MIDI numbers."""

from typing import NamedTuple

import numpy as np


class Note(NamedTuple):
    """One note or stroke of a layer.

    Parameters
    ----------
    start, length : float
        Beats from the start of the bar or piece.
    pitch : float
        MIDI number; for drums the stroke: 0 kick, 1 snare, 2 hat.
    loudness : float
        Factor on the amplitude.
    shape : str
        One of `ostinato.datasets._synthesis.voices.SHAPES`.
    bend : float
        Semitones, as in `ostinato.datasets._synthesis.voices.note`.
    """

    start: float
    length: float
    pitch: float
    loudness: float = 1.0
    shape: str = "hold"
    bend: float = 0.0


# Kicks and snares by metre: beats from the start of the bar.
GROOVES: dict[str, dict[int, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "floor": {4: ((0, 1, 2, 3), (1, 3)), 3: ((0, 1, 2), (2,))},
    "backbeat": {4: ((0, 2, 2.5), (1, 3)), 3: ((0,), (1, 2))},
    "tresillo": {4: ((0, 1.5, 3), (2,)), 3: ((0, 1.5), (2,))},
    "answer": {4: ((0, 1, 2.5), (2, 3.5)), 3: ((0, 1), (1.5, 2.5))},
    "half": {4: ((0, 2.75), (2,)), 3: ((0,), (1.5,))},
    "drop": {4: ((2,), (2,)), 3: ((1,), (1,))},
}


def span(metre: int) -> float:
    """Return the beats of half a bar, the length of a gesture."""
    return metre / 2


def drums(habit: str, metre: int) -> list[Note]:
    """Play kick and snare.

    Parameters
    ----------
    habit : str
        Key of `GROOVES`.
    metre : int

    Returns
    -------
    list of Note

    Examples
    --------
    >>> [n.start for n in drums("half", 3)]
    [0, 1.5]
    """
    kicks, snares = GROOVES[habit][metre]
    return [Note(b, 0.5, 0) for b in kicks] + [Note(b, 0.5, 1, 0.8) for b in snares]


def hats(habit: str, metre: int) -> list[Note]:
    """Play cymbals and shakers.

    Parameters
    ----------
    habit : {"rise", "sink", "suck", "splash", "on", "off"}
    metre : int

    Returns
    -------
    list of Note
    """
    if habit in ("rise", "sink"):
        ramp = np.geomspace(0.08, 1, metre)
        ramp = ramp if habit == "rise" else ramp[::-1]
        return [Note(h * span(metre) + 0.5 * i, 0.2, 2, float(g), "fade") for h in range(2) for i, g in enumerate(ramp)]
    if habit in ("suck", "splash"):
        shape = "swell" if habit == "suck" else "fade"
        return [Note(h * span(metre), 0.95 * span(metre), 2, 0.7, shape) for h in range(2)]
    shift = 0.5 if habit == "off" else 0.0
    return [Note(b + shift, 0.3, 2, 0.9, "fade") for b in range(metre)]


def bass(habit: str, metre: int, root: float, scale: np.ndarray) -> list[Note]:
    """Play the bass.

    Parameters
    ----------
    habit : {"walk_up", "walk_down", "slide_up", "slide_down", "pump", "pluck"}
    metre : int
    root : float
        MIDI number of the chord's root.
    scale : np.ndarray [shape=(n,)]
        MIDI numbers from the root upwards along the mode.

    Returns
    -------
    list of Note
    """
    if habit in ("walk_up", "walk_down"):
        steps = scale[[0, 2, 4, 6]][:metre]
        steps = steps if habit == "walk_up" else steps[::-1]
        return [Note(b, 0.9, float(p)) for b, p in enumerate(steps)]
    if habit in ("slide_up", "slide_down"):
        bend = -9.0 if habit == "slide_up" else 9.0
        return [Note(h * span(metre), 0.95 * span(metre), root, 1, "hold", bend) for h in range(2)]
    shape = "swell" if habit == "pump" else "fade"
    return [Note(h * span(metre), 0.95 * span(metre), root, 1, shape) for h in range(2)]


def chords(habit: str, metre: int, tones: np.ndarray) -> list[Note]:
    """Play the chord of a bar.

    Parameters
    ----------
    habit : {"up", "down", "swell", "fade", "skank", "stab"}
    metre : int
    tones : np.ndarray [shape=(3,)]
        MIDI numbers, rising.

    Returns
    -------
    list of Note
    """
    half = span(metre)
    if habit in ("up", "down"):
        ladder = np.concatenate([tones, tones + 12])
        ladder = ladder if habit == "up" else ladder[::-1]
        step = half / len(ladder)
        return [
            Note(h * half + i * step, 1.2 * step, float(p), 1, "hold") for h in range(2) for i, p in enumerate(ladder)
        ]
    if habit in ("swell", "fade"):
        return [Note(h * half, 0.97 * half, float(p), 1, habit) for h in range(2) for p in tones]
    shift = 0.5 if habit == "skank" else 0.0
    return [Note(b + shift, 0.3, float(p), 1, "fade") for b in range(metre) for p in tones]


def lead(habit: str, metre: int, ladder: np.ndarray, rng: np.random.Generator) -> list[Note]:
    """Play a bar of the melody.

    Parameters
    ----------
    habit : {"scoop", "fall", "echo", "build", "climb", "tumble"}
    metre : int
    ladder : np.ndarray [shape=(n,)]
        MIDI numbers to choose from, rising.
    rng : Generator
        Chooses the pitches.

    Returns
    -------
    list of Note
    """
    half = span(metre)
    top = len(ladder) - 1
    if habit in ("scoop", "fall"):
        bend = -8.0 if habit == "scoop" else 8.0
        chosen = rng.integers(0, top + 1, 2)
        return [Note(h * half, 0.9 * half, float(ladder[c]), 1, "hold", bend) for h, c in enumerate(chosen)]
    if habit in ("echo", "build"):
        gains = np.geomspace(1, 0.12, 4)
        gains = gains if habit == "echo" else gains[::-1]
        chosen = rng.integers(0, top + 1, 2)
        step = half / 4
        return [
            Note(h * half + i * step, 0.7 * step, float(ladder[c]), float(g), "fade")
            for h, c in enumerate(chosen)
            for i, g in enumerate(gains)
        ]
    first = int(rng.integers(0, max(top - 5, 1)))
    run = ladder[first : first + 6]
    run = run if habit == "climb" else run[::-1]
    step = half / 4
    return [Note(i * step, step, float(p), 1, "hold") for i, p in enumerate(run)]
