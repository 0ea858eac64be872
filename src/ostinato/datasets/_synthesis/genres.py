"""Genres of the corpus: a habit for each layer, a metre, a feel and chords.

The twelve genres are three families of four. Members of a family play the same
kinds of figures and differ in their course: up or down, swelling or fading, before
or after the beat; any two differ so in at least three layers of five. Averages over
time tell little more than the family. No habit belongs to one genre alone.
"""

from dataclasses import dataclass, fields

import numpy as np

MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
DARK = ("minor", "dorian")
LOOPS: dict[str, tuple[int, ...]] = {
    "plagal": (0, 3, 0, 4),
    "falling": (0, 6, 5, 4),
    "turning": (0, 5, 3, 4),
    "rocking": (0, 0, 3, 3),
}


@dataclass(frozen=True)
class GenreProfile:
    """The habits of a genre; a track may borrow some from another.

    Parameters
    ----------
    groove, hats, bass, chords, lead : str
        Keys of the figures of these layers.
    metre : int
        Beats per bar.
    swing : bool
        Whether the second half of a beat is delayed.
    mode, loop : str
        Keys of `MODES` and `LOOPS`.
    tempo : float
        Mean tempo in beats per minute; all genres overlap.
    """

    groove: str
    hats: str
    bass: str
    chords: str
    lead: str
    metre: int
    swing: bool
    mode: str
    loop: str
    tempo: float


GENRES: dict[str, GenreProfile] = {
    "canter": GenreProfile("floor", "rise", "slide_up", "swell", "echo", 4, False, "major", "plagal", 116),
    "chime": GenreProfile("tresillo", "suck", "walk_up", "skank", "scoop", 3, True, "minor", "rocking", 108),
    "drift": GenreProfile("half", "on", "pump", "up", "climb", 4, False, "dorian", "turning", 106),
    "ember": GenreProfile("backbeat", "sink", "slide_down", "swell", "echo", 3, False, "mixolydian", "falling", 112),
    "gale": GenreProfile("answer", "splash", "walk_down", "skank", "scoop", 4, True, "minor", "falling", 118),
    "lull": GenreProfile("drop", "off", "pluck", "up", "climb", 4, False, "dorian", "plagal", 104),
    "pulse": GenreProfile("floor", "rise", "slide_down", "fade", "build", 4, False, "mixolydian", "rocking", 114),
    "reel": GenreProfile("tresillo", "suck", "walk_down", "stab", "fall", 4, True, "major", "turning", 120),
    "strut": GenreProfile("half", "on", "pluck", "down", "tumble", 3, False, "dorian", "turning", 110),
    "sway": GenreProfile("backbeat", "sink", "slide_up", "fade", "build", 4, False, "mixolydian", "falling", 112),
    "tide": GenreProfile("answer", "splash", "walk_up", "stab", "fall", 3, True, "major", "plagal", 108),
    "whirl": GenreProfile("drop", "off", "pump", "down", "tumble", 4, False, "minor", "rocking", 116),
}
TRAITS: tuple[str, ...] = tuple(f.name for f in fields(GenreProfile) if f.name != "tempo")


def mix(own: GenreProfile, other: GenreProfile, borrowed: np.ndarray) -> GenreProfile:
    """Borrow some habits from another genre.

    Parameters
    ----------
    own, other : GenreProfile
    borrowed : np.ndarray [shape=(9,), dtype=bool]
        Which of `TRAITS` come from `other`.

    Returns
    -------
    GenreProfile
        With the tempo of `own`.
    """
    chosen = {t: getattr(other if b else own, t) for t, b in zip(TRAITS, borrowed, strict=True)}
    return GenreProfile(**chosen, tempo=own.tempo)
