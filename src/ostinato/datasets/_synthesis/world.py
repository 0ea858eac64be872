"""Artists as points of a style space: habits, timbre, place, time and related artists."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ostinato.datasets._synthesis.genres import GENRES, TRAITS, GenreProfile
from ostinato.datasets._synthesis.lyrics import proper_name

HABIT_DIMENSIONS = 5
COLOURS = ("brightness", "register", "percussion", "width", "space")
DIMENSIONS = HABIT_DIMENSIONS + len(COLOURS)
YEARS = (1955, 2023)
N_RELATED = 8


@dataclass(frozen=True)
class Artist:
    """An invented artist.

    Parameters
    ----------
    index : int
        Position in the world, independent of its size.
    name : str
    genre : str
    style : np.ndarray [shape=(10,), dtype=float64]
        First what habits, then what colours of sound.
    latitude, longitude : float
        Degrees.
    year : int
        Of the first album.
    """

    index: int
    name: str
    genre: str
    style: np.ndarray
    latitude: float
    longitude: float
    year: int

    def colour(self, name: str) -> float:
        """Look up one of `COLOURS`, about standard normal."""
        return float(self.style[HABIT_DIMENSIONS + COLOURS.index(name)])


def generator(seed: int, *place: int | str) -> np.random.Generator:
    """Return a random generator for one part of the world.

    Parameters
    ----------
    seed : int
    *place : int or str
        Such as ``"track", 3, 1``.

    Returns
    -------
    Generator
    """
    key = [int.from_bytes(p.encode(), "little") if isinstance(p, str) else p for p in place]
    return np.random.default_rng([seed, *key])


@cache
def genre_centre(idiom: GenreProfile) -> np.ndarray:
    """Place a genre in the space of habits, close to genres that share some.

    Parameters
    ----------
    idiom : GenreProfile

    Returns
    -------
    np.ndarray [shape=(5,), dtype=float64]
        With a norm of 2.
    """
    point = np.zeros(HABIT_DIMENSIONS)
    for trait in TRAITS:
        point += generator(0, trait, str(getattr(idiom, trait))).standard_normal(HABIT_DIMENSIONS)
    return 2 * point / np.linalg.norm(point)


def artist(seed: int, index: int, n_genres: int) -> Artist:
    """Draw one artist, independent of the number of others.

    Parameters
    ----------
    seed, index : int
    n_genres : int
        Genres alternate over the indices.

    Returns
    -------
    Artist
    """
    rng = generator(seed, "artist", index)
    genre = list(GENRES)[index % n_genres]
    style = rng.standard_normal(DIMENSIONS)
    style[:HABIT_DIMENSIONS] = genre_centre(GENRES[genre]) + 0.5 * style[:HABIT_DIMENSIONS]
    latitude = np.clip(18 + 16 * style[0] + 9 * style[1] + rng.normal(0, 5), -60, 75)
    longitude = np.clip(45 * style[2] + 25 * style[3] + rng.normal(0, 12), -179, 179)
    year = np.clip(1988 + 9 * style[4] - 7 * style[0] + 4 * style[HABIT_DIMENSIONS] + rng.normal(0, 4), *YEARS)
    return Artist(
        index, proper_name(seed, index), genre, style, round(float(latitude), 3), round(float(longitude), 3), int(year)
    )


def relate(styles: np.ndarray, k: int = N_RELATED) -> np.ndarray:
    """Relate every artist to its nearest neighbours, symmetrically.

    Parameters
    ----------
    styles : np.ndarray [shape=(n, d)]
    k : int

    Returns
    -------
    np.ndarray [shape=(n, n), dtype=bool]
        Symmetric, without self-relations.

    Examples
    --------
    >>> relate(np.array([[0.0], [1.0], [5.0]]), k=1).astype(int)
    array([[0, 1, 0],
           [1, 0, 1],
           [0, 1, 0]])
    """
    n = len(styles)
    square = np.sum(styles**2, axis=1)
    distance = square[:, None] + square[None] - 2 * styles @ styles.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(k, n - 1)]
    links = np.zeros((n, n), bool)
    np.put_along_axis(links, nearest, True, axis=1)
    return links | links.T
