"""What makes a genre: a habit for each layer, its metre, its feel and its chords.

Every habit serves about two genres, and habits come in pairs that differ only in
their course over time (up and down, swell and fade, before and after). No layer
alone and no average over time tells the genre; their combination does.
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
class Idiom:
    """The habits of a genre; a track may borrow some of another.

    Parameters
    ----------
    groove, hats, bass, chords, lead : str
        Keys of the figures of these layers.
    metre : int
        Beats a bar.
    swing : bool
        Whether the second half of a beat comes late.
    mode, loop : str
        Keys of `MODES` and `LOOPS`.
    tempo : float
        Middle of its tempi, in beats a minute; all genres overlap.
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


GENRES: dict[str, Idiom] = {
    "canter": Idiom("backbeat", "off", "pluck", "stab", "tumble", 4, False, "mixolydian", "plagal", 116),
    "chime": Idiom("tresillo", "on", "slide_up", "fade", "scoop", 3, False, "major", "turning", 108),
    "drift": Idiom("answer", "sink", "slide_down", "swell", "tumble", 4, False, "minor", "rocking", 106),
    "ember": Idiom("half", "rise", "pump", "up", "build", 3, True, "dorian", "falling", 112),
    "gale": Idiom("drop", "off", "walk_down", "skank", "climb", 4, False, "minor", "falling", 118),
    "lull": Idiom("tresillo", "splash", "pump", "swell", "fall", 3, False, "major", "plagal", 104),
    "pulse": Idiom("backbeat", "suck", "slide_up", "down", "build", 4, True, "dorian", "rocking", 114),
    "reel": Idiom("drop", "rise", "pluck", "down", "echo", 4, False, "mixolydian", "turning", 120),
    "strut": Idiom("floor", "on", "slide_down", "up", "echo", 4, True, "mixolydian", "rocking", 110),
    "sway": Idiom("floor", "suck", "walk_up", "stab", "climb", 3, True, "major", "falling", 112),
    "tide": Idiom("half", "sink", "walk_down", "fade", "fall", 4, True, "minor", "turning", 108),
    "whirl": Idiom("answer", "splash", "walk_up", "skank", "scoop", 3, False, "dorian", "plagal", 116),
}
TRAITS: tuple[str, ...] = tuple(f.name for f in fields(Idiom) if f.name != "tempo")


def mixed(own: Idiom, other: Idiom, borrowed: np.ndarray) -> Idiom:
    """Take some habits of another genre.

    Parameters
    ----------
    own, other : Idiom
    borrowed : np.ndarray [shape=(9,), dtype=bool]
        Which of `TRAITS` come from `other`.

    Returns
    -------
    Idiom
        With the tempo of `own`.
    """
    chosen = {t: getattr(other if b else own, t) for t, b in zip(TRAITS, borrowed, strict=True)}
    return Idiom(**chosen, tempo=own.tempo)
