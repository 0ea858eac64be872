"""Songs of planted form: a verse, a hook and a bridge of one artist at one tempo, each made of other notes."""

from dataclasses import dataclass, replace

import numpy as np

from ostinato.datasets._synthesis import piece, world
from ostinato.datasets._synthesis.voices import SAMPLE_RATE

FORM = ("verse", "hook", "verse", "hook", "bridge", "hook")
LAYERS = {
    "hook": piece.LAYERS,
    "verse": ("drums", "hats", "bass", "chords"),
    "bridge": ("hats", "bass", "chords", "lead"),
}
SECONDS = (12.0, 30.0)
"""Of a section."""
LEVELS = {"hook": 1.0, "verse": 0.7, "bridge": 0.6}


@dataclass(frozen=True)
class Song:
    """A song and its form.

    Parameters
    ----------
    sound : np.ndarray [shape=(n_samples,), dtype=float32]
    sample_rate : int
    starts : np.ndarray [shape=(n_sections,)]
        In seconds.
    labels : tuple of str
    tempo : float
        Beats a minute.
    """

    sound: np.ndarray
    sample_rate: int
    starts: np.ndarray
    labels: tuple[str, ...]
    tempo: float

    def list_sections(self, label: str) -> list[tuple[float, float]]:
        """List starts and ends of a label's sections."""
        ends = [*self.starts[1:], len(self.sound) / self.sample_rate]
        return [(a, b) for a, b, own in zip(self.starts, ends, self.labels, strict=True) if own == label]


def render_song(seed: int) -> Song:
    """Render a song of 80 to 160 seconds; a repeated section is the same notes played anew."""
    rng = np.random.default_rng(seed)
    artist = world.artist(seed, int(rng.integers(40)), 6)
    tempo = float(rng.uniform(90, 140))
    written = {}
    for number, label in enumerate(LAYERS):
        part = piece.compose(seed, artist, number, seconds=60, n_genres=6, difficulty=0.3)
        layers = {layer: part.layers[layer] if layer in LAYERS[label] else [] for layer in piece.LAYERS}
        written[label] = replace(part, tempo=tempo, skipped=0.0, layers=layers)
    lengths = {label: float(rng.uniform(*SECONDS)) for label in LAYERS}
    sounds: list[np.ndarray] = []
    starts, length = [], 0.0
    for label in FORM:
        metre = written[label].idiom.metre
        beats = metre * round(lengths[label] * tempo / 60 / metre)
        layers = {k: [n for n in notes if n.start < beats] for k, notes in written[label].layers.items()}
        sound = piece.play(seed, artist, len(sounds), replace(written[label], layers=layers), beats * 60 / tempo)
        starts.append(length)
        length += len(sound) / SAMPLE_RATE
        sounds.append(LEVELS[label] * 0.5 * sound / np.abs(sound).max())
    return Song(np.concatenate(sounds).astype(np.float32), SAMPLE_RATE, np.array(starts), FORM, tempo)
