"""Make a study: draw tracks, ask each space for its recommendations, cut the clips."""

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ostinato import audio
from ostinato.core.names import identity
from ostinato.errors import CatalogError, DataError
from ostinato.io.files import replace_folder
from ostinato.recommendation.recommend import recommend
from ostinato.structure import analysis, find_thumbnail, write_clip
from ostinato.study.folder import CLIPS, Question, Source, Study, compute_digest
from ostinato.study.spaces import Space
from ostinato.training.settings import derive

LEVEL, PEAK = 0.1, 0.99
"""Root mean square of every clip, as far as its peak allows: louder clips would be preferred."""
MAX_SPACES = 3


def make_study(spaces: Sequence[Space], n_tracks: int, out: Path, *, seed: int, k: int, seconds: float) -> Study:
    """Make a study.

    Parameters
    ----------
    spaces : sequence of Space
        Two or three.
    n_tracks : int
        An even number of tracks to start from, so that each space of a pair is first for half of them.
    out : Path
        Absent, or empty.
    seed : int
    k : int
        Recommended tracks on each side.
    seconds : float
        Length of the clips.

    Returns
    -------
    Study

    Raises
    ------
    OstinatoError
        If a number is out of its range, there are too few tracks, `out` holds something, or audio cannot be read.
    """
    if not 2 <= len(spaces) <= MAX_SPACES:
        raise DataError(f"--spaces: {len(spaces)} given; compare two or three")
    if n_tracks < 2 or n_tracks % 2:
        raise DataError(f"--seeds {n_tracks}: give an even number, so that each space is on either side equally often")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is not empty; name another folder, since answers may be in it")
    recommendations, n_same = _draw(spaces, n_tracks, seed, k)
    questions = [
        Question(track, _find_group(spaces[0], track), {s.name: lists[s.name] for s in pair})
        for track, lists in recommendations.items()
        for pair in combinations(spaces, 2)
    ]
    order = np.random.default_rng(derive(seed, "questions")).permutation(len(questions))
    questions = [questions[i] for i in order]  # else their numbers would tell the pair
    tracks = sorted({track for question in questions for track in question.tracks})
    numbers = np.random.default_rng(derive(seed, "clips")).permutation(len(tracks))
    clips = {track: f"{number:04d}.flac" for track, number in zip(tracks, numbers.tolist(), strict=True)}
    folder = out.resolve()
    sources = [Source(s.name, os.path.relpath(s.source.resolve(), folder), compute_digest(s.source)) for s in spaces]
    with replace_folder(folder) as partial:
        for track in tqdm(tracks, desc="clips", unit="track", disable=None, leave=False):
            _write_clip(_find_file(spaces[0], track), partial / CLIPS / clips[track], seconds)
        Study(partial, seed, questions, clips, sources, n_same).save()
    return Study.open(out)


def _draw(spaces: Sequence[Space], n_tracks: int, seed: int, k: int) -> tuple[dict[str, dict[str, list[str]]], int]:
    """Draw tracks for which all spaces recommend something different; of several artists, as far as there are.

    Returns
    -------
    recommendations : dict of str to dict
        Of each track and space.
    n_same : int
        Tracks that were left out since two spaces recommend the same.
    """
    common = set.intersection(*(set(space.catalog.ids) for space in spaces))
    test_tracks = [space.test_tracks for space in spaces if space.test_tracks is not None]
    recommendations, n_same = dict[str, dict[str, list[str]]](), 0
    for track in _order_by_artist(spaces[0], sorted(common.intersection(*test_tracks)), seed):
        lists = {s.name: _recommend(s, track, common, k) for s in spaces}
        if any(set(lists[a.name]) == set(lists[b.name]) for a, b in combinations(spaces, 2)):
            n_same += 1
        else:
            recommendations[track] = lists
        if len(recommendations) == n_tracks:
            return recommendations, n_same
    n, kind = len(recommendations), "test tracks" if test_tracks else "tracks"
    raise DataError(
        f"--seeds {n_tracks}: the spaces share {n + n_same} {kind}, and recommend different ones for {n}; "
        f"give --seeds {n // 2 * 2} or fewer"
    )


def _order_by_artist(space: Space, tracks: list[str], seed: int) -> list[str]:
    """Order tracks at random: one of each artist, then the second ones, and so on."""
    counts, keys = dict[str, int](), []
    order = [tracks[i] for i in np.random.default_rng(derive(seed, "tracks")).permutation(len(tracks))]
    for track in order:
        group = _find_group(space, track)
        counts[group] = counts.get(group, 0) + 1
        keys.append(counts[group])
    return [order[i] for i in np.argsort(keys, kind="stable")]


def _recommend(space: Space, track: str, common: set[str], k: int) -> list[str]:
    ids, _ = recommend(space.catalog, [track], k=k, exclude=set(space.catalog.ids) - common)
    if len(ids) < k:
        raise CatalogError(f"the spaces share {len(common)} tracks, too few to recommend {k}; give a smaller -k")
    return [str(i) for i in ids]


def _find_group(space: Space, track: str) -> str:
    """Return the artist of a track; the track itself if that is unknown."""
    return identity(space.catalog.metadata[space.catalog.row(track)].get("artist")) or track


def _find_file(space: Space, track: str) -> Path:
    path = space.catalog.metadata[space.catalog.row(track)].get("path")
    file = space.root / str(path)
    if path is None or not file.is_file():
        raise DataError(f"{file}: the audio of {track} is not there; fetch it, or compare catalogs of another folder")
    return file


def _write_clip(source: Path, target: Path, seconds: float) -> None:
    """Write the part of a file that represents it, at the common level."""
    y, sample_rate = audio.load(source, max_seconds=analysis.MAX_SECONDS)
    start, end = find_thumbnail(analysis.analyze(y, sample_rate), seconds)
    clip = y[round(start * sample_rate) : round(end * sample_rate)]
    peak, level = float(np.abs(clip).max()), float(np.sqrt(np.mean(np.square(clip, dtype=np.float64))))
    if peak >= analysis.MIN_LEVEL:
        clip = clip * min(LEVEL / level, PEAK / peak)
    write_clip(target, clip, sample_rate, 0.0, end - start)
