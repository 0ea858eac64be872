"""Composing a track in its artist's style, and playing it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ostinato.datasets._synthesis import patterns
from ostinato.datasets._synthesis.genres import DARK, GENRES, LOOPS, MODES, TRAITS, GenreProfile, mix
from ostinato.datasets._synthesis.patterns import Note
from ostinato.datasets._synthesis.voices import FAMILIES, SAMPLE_RATE, Patch, hat, kick, note, snare
from ostinato.datasets._synthesis.world import COLOURS, HABIT_DIMENSIONS, Artist, generator, genre_centre

LAYERS = ("drums", "hats", "bass", "chords", "lead")
PENTATONIC = (0, 1, 2, 4, 5)
PITCHED = ("bass", "chords", "lead")


@dataclass(frozen=True)
class Piece:
    """A track as written, before it is played.

    Parameters
    ----------
    idiom : GenreProfile
        The habits it follows, some of them perhaps borrowed.
    tempo : float
        Beats per minute.
    skipped : float
        Beats before the clip begins.
    layers : dict of str to list of Note
    """

    idiom: GenreProfile
    tempo: float
    skipped: float
    layers: dict[str, list[Note]]


def habits(artist: Artist, n_genres: int, difficulty: float, rng: np.random.Generator) -> GenreProfile:
    """Choose a track's habits: those of its genre, some replaced by those of a genre near its artist.

    Parameters
    ----------
    artist : Artist
    n_genres : int
    difficulty : float
        Between 0 (none borrowed) and 1 (three of five habits borrowed).
    rng : Generator

    Returns
    -------
    GenreProfile
    """
    others = [g for g in list(GENRES)[:n_genres] if g != artist.genre]
    point = artist.style[:HABIT_DIMENSIONS]
    distance = np.array([np.linalg.norm(point - genre_centre(GENRES[g])) for g in others])
    closeness = np.exp(-distance)
    other = others[int(rng.choice(len(others), p=closeness / closeness.sum()))]
    return mix(GENRES[artist.genre], GENRES[other], rng.random(len(TRAITS)) < 0.6 * difficulty)


def _swung(beat: float, swing: bool) -> float:
    whole, part = divmod(beat, 1)
    if not swing:
        return beat
    return whole + (part * 4 / 3 if part < 0.5 else 2 / 3 + (part - 0.5) * 2 / 3)


def _bar(idiom: GenreProfile, bar: int, key: int, register: float, rng: np.random.Generator) -> dict[str, list[Note]]:
    mode = np.array(MODES[idiom.mode])
    ladder = np.concatenate([mode + 12 * octave for octave in range(5)])
    degree = LOOPS[idiom.loop][bar % 4]
    scale = ladder[degree:] + key
    triad = scale[[0, 2, 4]]
    triad = np.sort(triad - 12 * np.floor((triad - key) / 12 + 0.25))
    melody = key + ladder[[d for d in range(14) if d % 7 in PENTATONIC]]
    return {
        "drums": patterns.drums(idiom.groove, idiom.metre),
        "hats": patterns.hats(idiom.hats, idiom.metre),
        "bass": patterns.bass(idiom.bass, idiom.metre, scale[0] - 12.0 * (degree > 4), scale - 12.0 * (degree > 4)),
        "chords": patterns.chords(idiom.chords, idiom.metre, triad + 24 + np.round(register)),
        "lead": patterns.lead(idiom.lead, idiom.metre, melody + 36 + np.round(register), rng),
    }


def compose(seed: int, artist: Artist, track: int, *, seconds: float, n_genres: int, difficulty: float) -> Piece:
    """Write one track.

    Parameters
    ----------
    seed : int
    artist : Artist
    track : int
        Place among the artist's tracks.
    seconds : float
        Length to play; 0 chooses only habits and tempo.
    n_genres : int
    difficulty : float

    Returns
    -------
    Piece
    """
    rng = generator(seed, "track", artist.index, track)
    idiom = habits(artist, n_genres, difficulty, rng)
    tempo = float(np.clip(rng.normal(idiom.tempo, 10), 84, 144))
    key, register = int(rng.integers(28, 40)), 4 * artist.colour("register") + rng.normal(0, 2)
    skipped = float(rng.uniform(0, idiom.metre))
    n_bars = int(np.ceil((seconds * tempo / 60 + skipped) / idiom.metre)) if seconds else 0
    layers: dict[str, list[Note]] = {layer: [] for layer in LAYERS}
    for bar in range(n_bars):
        for layer, notes in _bar(idiom, bar, key, float(np.clip(register, -7, 9)), rng).items():
            layers[layer] += [
                n._replace(start=bar * idiom.metre + _swung(n.start, idiom.swing and n.length < 1)) for n in notes
            ]
    return Piece(idiom, tempo, skipped, layers)


def patches(seed: int, artist: Artist) -> dict[str, Patch]:
    """Choose an artist's instruments: those with the nearest timbre.

    Parameters
    ----------
    seed : int
    artist : Artist

    Returns
    -------
    dict of str to Patch
        For bass, chords and lead.
    """
    rng = generator(seed, "patches", artist.index)
    colours = artist.style[HABIT_DIMENSIONS:]
    return {
        layer: Patch(
            family=list(FAMILIES)[int((colours @ directions).argmax())],
            tilt=round(float(np.clip(0.3 - 0.4 * artist.colour("brightness") + rng.normal(0, 0.1), -0.4, 1.2)), 2),
            attack=round(float(rng.uniform(0.004, 0.03)), 3),
            vibrato=round(float(rng.uniform(0, 0.25)), 2),
        )
        for layer, directions in _directions().items()
    }


@cache
def _directions() -> dict[str, np.ndarray]:
    return {
        layer: generator(0, "directions", layer).standard_normal((len(COLOURS), len(FAMILIES))) for layer in PITCHED
    }


def _layer(notes: list[Note], n_samples: int, sound_of: Callable, place: Callable[[float], int]) -> np.ndarray:
    track = np.zeros(n_samples + SAMPLE_RATE * 8, np.float32)
    sounds: dict[Note, np.ndarray] = {}
    for n in notes:
        same = n._replace(start=0, loudness=1)
        if same not in sounds:
            sounds[same] = sound_of(n)
        start = place(n.start)
        track[start : start + len(sounds[same])] += n.loudness * sounds[same]
    return track[:n_samples]


def _strokes(rng: np.random.Generator, colour: float) -> Callable[[Note, float], np.ndarray]:
    seeds = rng.integers(0, 2**32, 3)

    def stroke(n: Note, seconds: float) -> np.ndarray:
        own = np.random.default_rng(seeds[int(n.pitch)])
        if n.pitch == 2:
            return hat(own, seconds, n.shape, colour)
        return kick(own) if n.pitch == 0 else snare(own)

    return stroke


def play(seed: int, artist: Artist, track: int, piece: Piece, seconds: float) -> np.ndarray:
    """Render a piece: each distinct note is synthesised once and added wherever it is played.

    Parameters
    ----------
    seed : int
    artist : Artist
    track : int
    piece : Piece
    seconds : float

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
        With a peak of 0.1 to 0.9.
    """
    rng = generator(seed, "sound", artist.index, track)
    beat = 60 / piece.tempo
    n_whole = int((seconds + piece.skipped * beat) * SAMPLE_RATE) + 1
    instruments = patches(seed, artist)
    stroke = _strokes(rng, float(np.clip(0.5 + 0.3 * artist.colour("brightness"), 0, 1)))
    levels = {
        "drums": 4 * artist.colour("percussion"),
        "hats": -4 + 3 * artist.colour("percussion"),
        "bass": 0.0,
        "chords": 2.5 * artist.colour("width"),
        "lead": -2.5 * artist.colour("width"),
    }
    mix = np.zeros(n_whole, np.float32)
    for layer in LAYERS:

        def sound_of(n: Note, layer: str = layer) -> np.ndarray:
            if layer in instruments:
                return note(instruments[layer], n.pitch, n.length * beat, n.shape, n.bend)
            return stroke(n, n.length * beat)

        def place(start: float) -> int:
            return max(int((start * beat + rng.normal(0, 0.004)) * SAMPLE_RATE), 0)

        sound = _layer(piece.layers[layer], n_whole, sound_of, place)
        rms = np.sqrt(np.mean(sound**2)) + 1e-9
        mix += sound * np.float32(10 ** ((levels[layer] + rng.normal(0, 1.5)) / 20) / rms)
    mix = _room(mix, artist, rng)[int(piece.skipped * beat * SAMPLE_RATE) :][: int(seconds * SAMPLE_RATE)]
    mix = np.tanh(0.8 * mix / np.sqrt(np.mean(mix**2)) / 3)
    return (mix / np.abs(mix).max() * rng.uniform(0.3, 0.9)).astype(np.float32)


def _room(mix: np.ndarray, artist: Artist, rng: np.random.Generator) -> np.ndarray:
    from scipy.signal import fftconvolve, sosfilt  # saves half a second without new pieces

    seconds = float(np.clip(0.25 + 0.12 * artist.colour("space"), 0.05, 0.6))
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    response = rng.standard_normal(len(t)) * np.exp(-6 * t / seconds)
    response *= 0.25 * 2 ** (0.7 * artist.colour("space")) / np.sqrt(np.sum(response**2))
    wet = mix + fftconvolve(mix, response.astype(np.float32))[: len(mix)]
    floor = rng.standard_normal(len(mix)) * 10 ** (-45 / 20)
    slope = float(np.clip(0.4 * artist.colour("brightness") + 0.05 * rng.standard_normal(), -0.8, 0.9))
    return sosfilt(np.array([[1, -slope, 0, 1, 0, 0]]), wet + floor).astype(np.float32)


def tags(seed: int, artist: Artist, piece: Piece, year: int) -> list[str]:
    """Return a track's tags.

    Parameters
    ----------
    seed : int
    artist : Artist
    piece : Piece
    year : int
        Of its album.

    Returns
    -------
    list of str
        Instruments, mood, tempo band and era, sorted and each one of `TAGS`.
    """
    instruments = {p.family for p in patches(seed, artist).values()}
    dark, fast = piece.idiom.mode in DARK, piece.tempo > 112
    mood = {(True, True): "restless", (True, False): "wistful", (False, True): "cheerful", (False, False): "gentle"}
    band = "slow" if piece.tempo < 102 else "moderate" if piece.tempo < 120 else "fast"
    era = "until 1979" if year < 1980 else "1980 to 1999" if year < 2000 else "since 2000"
    return sorted({*instruments, mood[dark, fast], band, era})


TAGS: tuple[str, ...] = tuple(
    sorted(
        {*FAMILIES, "restless", "wistful", "cheerful", "gentle", "slow", "moderate", "fast"}
        | {"until 1979", "1980 to 1999", "since 2000"}
    )
)
