"""Synthetic music by invented artists, rendered locally.

Size: set by the options; by default 10 genres, 80 artists, 240 tracks of 12 s (48 minutes).
Origin: `ostinato.datasets._synthesis`; nothing is downloaded and no recording is used.
Licence: that of this project. Paper: none.

Genres differ in what their layers do over time and overlap in tempo, metre, mode,
chords, instruments and register. Files are in a folder named by a hash of the settings
(seed, length, difficulty, number of genres and the synthesiser's code), so that other
settings never overwrite them; more artists or tracks add files to that folder and
change none.
"""

import hashlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from pydantic import BaseModel, Field
from tqdm import tqdm

from ostinato.core.code_hash import hash_modules, list_modules
from ostinato.datasets._synthesis.covers import cover, write_png
from ostinato.datasets._synthesis.faults import KINDS, plant
from ostinato.datasets._synthesis.genres import GENRES
from ostinato.datasets._synthesis.lyrics import lyrics, title, vocabulary
from ostinato.datasets._synthesis.piece import TAGS, Piece, compose, play, tags
from ostinato.datasets._synthesis.voices import SAMPLE_RATE
from ostinato.datasets._synthesis.world import Artist, artist, generator, relate
from ostinato.io.files import atomic_write

LICENSE = "MIT"
CITATION = "Rendered by ostinato itself; there is nothing to cite."
SOURCE = "rendered on demand"
IS_EMBEDDED = True
SYNTHESISER = "ostinato.datasets._synthesis"
PROMISED_COLUMNS = ("artist",)
CLASSES = {"genre": tuple(GENRES), "tags": TAGS}


class Options(BaseModel, frozen=True, extra="forbid"):
    """Options of the synthetic dataset.

    Parameters
    ----------
    n_artists : int
        Artists are assigned to genres in turn.
    tracks_per_artist, tracks_per_album : int
    n_genres : int
        Number of genres, out of twelve.
    seconds : float
        Length of every track.
    difficulty : float
        Between 0 and 1: how many habits a track borrows from other genres.
    faults : int
        Number of broken files added, of each kind in turn.
    """

    n_artists: int = Field(80, ge=1, le=100_000)
    tracks_per_artist: int = Field(3, ge=1, le=1000)
    tracks_per_album: int = Field(2, ge=1)
    n_genres: int = Field(10, ge=2, le=len(GENRES))
    seconds: float = Field(12.0, ge=1, le=600)
    difficulty: float = Field(0.15, ge=0, le=1)
    faults: int = Field(0, ge=0)


def tracks(root: Path, options: Options, *, seed: int, workers: int) -> pd.DataFrame:
    """Render the missing files below `root` and list all tracks.

    Parameters
    ----------
    root : Path
    options : Options
    seed : int
    workers : int
        Number of processes that render.

    Returns
    -------
    DataFrame
        One row per track; broken files come last. ``planted.csv`` beside the audio
        says what is wrong with each.

    Raises
    ------
    OstinatoError
        If a file cannot be written.
    """
    folder = edition(options, seed)
    indices = [(a, t) for a in range(options.n_artists) for t in range(options.tracks_per_artist)]
    missing = [p for p in indices if not (root / folder / "audio" / f"{track_id(*p)}.flac").exists()]
    _over(partial(render, root / folder, options, seed), missing, workers, "rendering")
    artists_ = [artist(seed, i, options.n_genres) for i in range(options.n_artists)]
    rows = [row for a in artists_ for row in _album_rows(root, folder, options, seed, a)]
    return pd.DataFrame(rows + _planted_rows(root, folder, options, rows))


def artists(root: Path, options: Options, *, seed: int) -> pd.DataFrame:
    """List the artists and their related artists.

    Parameters
    ----------
    root : Path
        Unused: artists need no file.
    options : Options
    seed : int

    Returns
    -------
    DataFrame
        With artist, genre, related (list of str, symmetric), latitude, longitude, year.
    """
    members = [artist(seed, i, options.n_genres) for i in range(options.n_artists)]
    names = np.array([p.name for p in members])
    links = relate(np.stack([p.style for p in members]))
    columns = ("genre", "latitude", "longitude", "year")
    return pd.DataFrame(
        {"artist": p.name, "related": sorted(names[row]), **{c: getattr(p, c) for c in columns}}
        for p, row in zip(members, links, strict=True)
    )


def edition(options: Options, seed: int) -> str:
    """Name the folder of one setting.

    Parameters
    ----------
    options : Options
    seed : int

    Returns
    -------
    str
        Twelve hex digits over seed, options that change the sound, and the synthesiser's code.
    """
    digest = hashlib.sha256(f"{seed} {options.seconds} {options.difficulty} {options.n_genres}".encode())
    digest.update(hash_modules(list_modules(SYNTHESISER)).encode())
    return digest.hexdigest()[:12]


def track_id(artist_index: int, track: int) -> str:
    """Return a track's id.

    Examples
    --------
    >>> track_id(7, 2)
    'a00007-t002'
    """
    return f"a{artist_index:05d}-t{track:03d}"


def render(folder: Path, options: Options, seed: int, position: tuple[int, int]) -> None:
    """Compose, play and write one track.

    Parameters
    ----------
    folder : Path
        Folder of the setting.
    options : Options
    seed : int
    position : tuple of int
        Indices of the artist and the track.
    """
    index, track = position
    artist_ = artist(seed, index, options.n_genres)
    piece = _piece(options, seed, artist_, track, options.seconds)
    y = play(seed, artist_, track, piece, options.seconds)
    with atomic_write(folder / "audio" / f"{track_id(index, track)}.flac") as path:
        soundfile.write(path, y, SAMPLE_RATE, format="FLAC", subtype="PCM_16")


def _piece(options: Options, seed: int, performer: Artist, track: int, seconds: float) -> Piece:
    return compose(seed, performer, track, seconds=seconds, n_genres=options.n_genres, difficulty=options.difficulty)


def _over(function: Callable, jobs: list, workers: int, what: str) -> None:
    if workers < 2 or len(jobs) < 2:
        for job in tqdm(jobs, desc=what, disable=not jobs):
            function(job)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for _ in tqdm(pool.map(function, jobs, chunksize=4), total=len(jobs), desc=what):
            pass


def _album_rows(root: Path, folder: str, options: Options, seed: int, performer: Artist) -> list[dict]:
    own_words = vocabulary(generator(seed, "words", performer.index), 60)
    genre_words = vocabulary(generator(seed, "words", performer.genre), 60)
    rows = []
    for track in range(options.tracks_per_artist):
        album = track // options.tracks_per_album
        rng = generator(seed, "album", performer.index, album)
        name, year = title(rng, own_words), min(performer.year + 2 * album, 2025)
        art = f"{folder}/covers/a{performer.index:05d}-{album:03d}.png"
        if not (root / art).exists():
            write_png(root / art, cover(performer.style, rng))
        piece = _piece(options, seed, performer, track, 0)
        rows.append(
            {
                "track_id": track_id(performer.index, track),
                "path": f"{folder}/audio/{track_id(performer.index, track)}.flac",
                "genre": performer.genre,
                "tags": tags(seed, performer, piece, year),
                "artist": performer.name,
                "album": name,
                "title": title(generator(seed, "title", performer.index, track), own_words),
                "year": float(year),
                "latitude": performer.latitude,
                "longitude": performer.longitude,
                "lyrics": _write_lyrics(
                    root,
                    folder,
                    generator(seed, "lyrics", performer.index, track),
                    performer,
                    track,
                    own_words,
                    genre_words,
                ),
                "cover": art,
                "split": None,
            }
        )
    return rows


def _write_lyrics(
    root: Path,
    folder: str,
    rng: np.random.Generator,
    performer: Artist,
    track: int,
    own_words: list[str],
    genre_words: list[str],
) -> str | None:
    if rng.random() < 0.2:
        return None
    path = f"{folder}/lyrics/{track_id(performer.index, track)}.txt"
    if not (root / path).exists():
        with atomic_write(root / path) as file:
            file.write_text(lyrics(rng, own_words, genre_words))
    return path


def _planted_rows(root: Path, folder: str, options: Options, rows: list[dict]) -> list[dict]:
    planted, lines = [], []
    for number in range(options.faults):
        kind = list(KINDS)[number % len(KINDS)]
        source = rows[number % len(rows)]
        name = f"{source['track_id']}-x{number:03d}"
        path = f"{folder}/audio/{name}.{KINDS[kind][1]}"
        if not (root / path).exists():
            plant(kind, root / path, root / source["path"])
        planted.append({**source, "track_id": name, "path": path})
        lines.append(f"{name},{kind},{source['track_id']}\n")
    if planted:
        with atomic_write(root / folder / "planted.csv") as file:
            file.write_text("track_id,kind,source\n" + "".join(lines))
    return planted
