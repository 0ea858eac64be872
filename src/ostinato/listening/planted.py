"""Planted listeners: points of the style world whose plays follow style, popularity and chance.

A listener likes tracks near a point of the style space. Every track has a popularity, and a part of its appeal that
no sound tells (`HIDDEN` coordinates), so that histories know what content cannot. A skip is likelier the less a track
fits. Some tracks come out and some listeners arrive only after the date from which the evaluation asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ostinato.datasets._synthesis.world import artist, generator
from ostinato.listening.plays import COLUMNS

HIDDEN = 4
"""Coordinates of a track's appeal that its sound does not tell."""
START = pd.Timestamp("2024-01-01", tz="UTC")
DAYS = 200
CUT = 0.9
"""Share of the days after which late tracks come out and late listeners arrive."""


@dataclass(frozen=True)
class Habits:
    """How planted listeners choose.

    Parameters
    ----------
    n_listeners : int
    plays : float
        Mean number of plays per listener.
    breadth : float
        Distance in style over which the wish for a track falls by a factor of e.
    hidden : float
        Weight of what no sound tells.
    popularity : float
        Deviation of the logarithm of tracks' popularity.
    noise : float
        Share of plays chosen at random.
    late_tracks, late_listeners : float
        Share that only appears after `CUT` of the days.
    """

    n_listeners: int = 500
    plays: float = 80.0
    breadth: float = 1.0
    hidden: float = 0.7
    popularity: float = 0.7
    noise: float = 0.1
    late_tracks: float = 0.1
    late_listeners: float = 0.1


SPREAD = 0.3
"""Deviation of a track's style from that of its artist."""


def place_tracks(track_ids: Sequence[str], n_genres: int, seed: int) -> np.ndarray:
    """Place tracks of the synthetic dataset in the style space, near their artists.

    Parameters
    ----------
    track_ids : sequence of str
        Such as ``a00007-t002``.
    n_genres, seed : int
        Of the dataset.

    Returns
    -------
    np.ndarray [shape=(n_tracks, 10)]
    """
    places = []
    for track_id in track_ids:
        index = int(track_id.partition("-")[0].removeprefix("a"))
        style = artist(seed, index, n_genres).style
        places.append(style + SPREAD * generator(seed, "style", track_id).standard_normal(len(style)))
    return np.array(places)


def plant_plays(track_ids: Sequence[str], styles: np.ndarray, habits: Habits, seed: int) -> pd.DataFrame:
    """Draw plays of planted listeners.

    Parameters
    ----------
    track_ids : list of str
    styles : np.ndarray [shape=(n_tracks, d)]
        Position of each track in the style space.
    habits : Habits
    seed : int

    Returns
    -------
    DataFrame
        With `COLUMNS`, in order of time; times are whole seconds.
    """
    rng = generator(seed, "listeners")
    n_tracks = len(track_ids)
    appeal = rng.normal(size=(n_tracks, HIDDEN)) * habits.hidden
    popularity = habits.popularity * rng.normal(size=n_tracks)
    is_late = rng.random(n_tracks) < habits.late_tracks
    scale = styles.std(axis=0).mean() or 1.0
    rows = [
        _plant_listener(i, styles / scale, appeal, popularity, is_late, habits, generator(seed, "listener", i))
        for i in range(habits.n_listeners)
    ]
    listener, track, seconds_in, seconds, skipped = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    plays = pd.DataFrame(
        {
            "listener": [f"listener{i:05d}" for i in listener],
            "track_id": np.array(list(track_ids), object)[track],
            "at": START + pd.to_timedelta(seconds_in, unit="s"),
            "seconds": seconds.astype(np.float64),
            "skipped": skipped.astype(bool),
        }
    )
    return plays.sort_values(["at", "listener", "track_id"], ignore_index=True)[list(COLUMNS)]


def _plant_listener(
    index: int,
    styles: np.ndarray,
    appeal: np.ndarray,
    popularity: np.ndarray,
    is_late: np.ndarray,
    habits: Habits,
    rng: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    point = styles[rng.integers(len(styles))] + 0.5 * rng.normal(size=styles.shape[1])
    fit = -np.linalg.norm(styles - point, axis=1) / habits.breadth + appeal @ rng.normal(size=HIDDEN)
    n = max(1, rng.poisson(habits.plays * rng.gamma(2.0, 0.5)))
    first = CUT if rng.random() < habits.late_listeners else 0.0
    at = np.sort(rng.uniform(first, 1.0, n))
    early, late = (_softmax(fit + popularity - 1e9 * mask) for mask in (is_late, np.zeros_like(is_late)))
    track = np.where(at < CUT, rng.choice(len(styles), n, p=early), rng.choice(len(styles), n, p=late))
    random = rng.choice(np.flatnonzero(~is_late), n) if (~is_late).any() else track
    track = np.where(rng.random(n) < habits.noise, random, track)
    liking = (fit[track] - np.median(fit)) / (fit.std() or 1.0)
    skipped = rng.random(n) < 1 / (1 + np.exp(1.0 + 1.5 * liking))
    seconds = np.where(skipped, rng.integers(3, 25, n), rng.integers(90, 240, n))
    return np.full(n, index), track, (at * DAYS * 86400).astype(np.int64), seconds, skipped


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()
