"""Find duplicate recordings: tracks with equal samples, or with similar fingerprints.

Equal sub-fingerprints, found by sorting, propose pairs of tracks and the shift between
them; the share of differing bits over their overlap decides. Two different recordings differ
in about half of the bits, copies with another level, format, sample rate or start in less
than a sixth. Time grows with the numbers of tracks and proposals, not of pairs; memory holds
only a range of sub-fingerprints, and the collisions of some of the tracks.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ostinato.audio import fingerprint

MAX_RUN = 64  # sub-fingerprints of more recordings are not distinctive
MIN_VOTES = 2
TRACKS = 1024
"""Tracks whose sub-fingerprints are scanned at once."""
VALUES = 1 << 23
"""Sub-fingerprints to sort at once."""
COLLISIONS = 1 << 23
"""Collisions to count at once."""
MIN_FRAMES = 60
MAX_DIFFERENT = 0.2
COLUMNS = ("track_id", "copy_of", "kind", "evidence")


class Match(NamedTuple):
    """Two tracks of the same recording.

    Parameters
    ----------
    first, second : int
        Indices of the tracks; ``first < second``.
    shift : int
        Frames from the start of `first` to that of `second`.
    different : float
        Share of differing bits.
    """

    first: int
    second: int
    shift: int
    different: float


def find(files: pd.DataFrame) -> pd.DataFrame:
    """Find the tracks that are copies of an earlier one.

    Parameters
    ----------
    files : DataFrame
        With track_id, audio_hash and fingerprint, in the order of first
        occurrence; files that could not be decoded are ignored.

    Returns
    -------
    DataFrame
        track_id, copy_of (the first track of the recording), kind ("exact" or
        "near") and evidence, in the order of `files`.
    """
    files = files[files["fingerprint"].notna()].reset_index(drop=True)
    ids = files["track_id"].tolist()
    original = files.groupby("audio_hash", sort=False)["track_id"].transform(lambda equal: equal.index[0])
    leaders = np.flatnonzero(original.to_numpy() == np.arange(len(files)))
    prints = [np.frombuffer(files["fingerprint"].iloc[i], "<u4") for i in leaders]
    near = [(leaders[m.first], leaders[m.second], m) for m in find_matches(prints)]
    evidence: dict[int, str] = {}
    for a, b, match in near:
        evidence.setdefault(b, _describe(ids[a], match))
    exact = {i: f"the samples of {ids[o]}" for i, o in enumerate(original) if i != o}
    first = _find_first_connected([(a, b) for a, b, _ in near] + [(original[i], i) for i in exact], len(ids))
    reasons = evidence | exact
    rows = [(ids[i], ids[first[i]], "exact" if i in exact else "near", reasons[i]) for i in sorted(reasons)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _find_first_connected(edges: list[tuple[int, int]], n: int) -> np.ndarray:
    """Find the first track in the connected component of each track."""
    ends = np.array(edges, np.int64).reshape(-1, 2).T
    _, group = connected_components(coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(n, n)), directed=False)
    _, first = np.unique(group, return_index=True)
    return first[group]


def _describe(track_id: str, match: Match) -> str:
    seconds = match.shift * fingerprint.SECONDS
    return f"starts {seconds:+.1f} s into {track_id}; {match.different:.1%} of the bits differ"


def find_matches(prints: list[np.ndarray]) -> list[Match]:
    """Find the pairs of fingerprints of the same recording.

    Parameters
    ----------
    prints : list of np.ndarray [shape=(n_frames,), dtype=uint32]

    Returns
    -------
    list of Match
        By `first`, then `second`.
    """
    matches = []
    for a, b, shift in _propose(prints):
        different = min(_compute_different(prints[a], prints[b], s) for s in (shift - 1, shift, shift + 1))
        if different <= MAX_DIFFERENT:
            matches.append(Match(a, b, shift, different))
    return sorted(matches)


def _propose(prints: list[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of tracks with common sub-fingerprints at one shift: first, second, shift."""
    buffer: list[np.ndarray] = []
    n_collisions = np.zeros(len(prints), np.int64)
    for collisions in _collide(prints):
        n_collisions += np.bincount(collisions[0], minlength=len(prints))
        buffer.append(collisions)
        if n_collisions.sum() > COLLISIONS:
            buffer.clear()
    if n_collisions.sum() <= COLLISIONS:
        yield from _count_votes(buffer, prints)
        return
    batch = n_collisions.cumsum() // COLLISIONS
    for number in np.unique(batch):
        selection = (collisions[:, batch[collisions[0]] == number] for collisions in _collide(prints))
        yield from _count_votes(list(selection), prints)


def _collide(prints: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield equal sub-fingerprints of two tracks, (3, n): first track, second track, and shift in frames."""
    for low, high in _split_values(prints):
        value, track, frame = _sort_range(prints, low, high)
        starts = _find_starts(value)
        length = np.diff(starts, append=len(value))
        mask = np.repeat((length > 1) & (length <= MAX_RUN), length)
        value, track, frame = value[mask], track[mask], frame[mask]
        for lag in range(1, MAX_RUN):
            equal = np.flatnonzero(value[lag:] == value[:-lag])
            if not len(equal):
                break
            yield np.stack([track[equal], track[equal + lag], frame[equal] - frame[equal + lag]])


def _split_values(prints: list[np.ndarray]) -> list[tuple[int, int]]:
    """Split the values into half-open ranges of about `VALUES` sub-fingerprints each."""
    sizes = np.zeros(1 << 16, np.int64)
    for value, _, _ in _flatten(prints):
        sizes += np.bincount(value >> 16, minlength=len(sizes))
    starts = [*_find_starts(sizes.cumsum() // VALUES).tolist(), len(sizes)]
    return [(low << 16, high << 16) for low, high in itertools.pairwise(starts)]


def _sort_range(prints: list[np.ndarray], low: int, high: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the sub-fingerprints of a range: value, track and frame, each value once per track."""
    blocks = []
    for value, track, frame in _flatten(prints):
        mask = (value >= max(low, 1)) & (value < high)
        blocks.append((value[mask], track[mask], frame[mask]))
    value, track, frame = (np.concatenate(columns) for columns in zip(*blocks, strict=True))
    order = np.argsort(value, kind="stable")
    value, track, frame = value[order], track[order], frame[order]
    is_first = np.ones(len(value), bool)
    is_first[1:] = (value[1:] != value[:-1]) | (track[1:] != track[:-1])
    return value[is_first], track[is_first], frame[is_first]


def _flatten(prints: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield value, track and frame of all sub-fingerprints, some tracks at a time; first an empty block."""
    yield np.zeros(0, np.uint32), np.zeros(0, np.int32), np.zeros(0, np.int32)
    for first in range(0, len(prints), TRACKS):
        block = prints[first : first + TRACKS]
        lengths = [len(p) for p in block]
        frame = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        yield np.concatenate(block), np.repeat(np.arange(first, first + len(block), dtype=np.int32), lengths), frame


def _count_votes(collisions: list[np.ndarray], prints: list[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Count the votes of each pair for two adjacent shifts; yield the best shift if it has enough votes."""
    n, longest = len(prints), max(map(len, prints), default=0)
    n_shifts = 2 * longest + 3  # possible shifts of a pair, with a gap to those of the next one
    codes = ((a.astype(np.int64) * n + b) * n_shifts + shift + longest + 1 for a, b, shift in collisions)
    keys, votes = np.unique(np.concatenate([np.zeros(0, np.int64), *codes]), return_counts=True)
    if not len(keys):
        return
    next_votes = np.append(np.where(np.diff(keys) == 1, votes[1:], 0), 0)
    total = votes + next_votes
    mask = total >= MIN_VOTES
    keys, votes, total = keys[mask], votes[mask], total[mask]
    for best in np.lexsort((-votes, -total, keys // n_shifts))[_find_starts(np.sort(keys // n_shifts))]:
        pair, offset = divmod(int(keys[best]), n_shifts)
        yield pair // n, pair % n, offset - longest - 1


def _find_starts(x: np.ndarray) -> np.ndarray:
    """Return the index of the first of each run of equal values in a sorted array."""
    return np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]])) if len(x) else np.zeros(0, int)


def _compute_different(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Compute the share of bits in which two fingerprints differ at a shift; 1 if they overlap too little."""
    a, b = a[max(shift, 0) :], b[max(-shift, 0) :]
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    is_audible = (a != 0) & (b != 0)
    if np.count_nonzero(is_audible) < MIN_FRAMES:
        return 1.0
    return float(np.bitwise_count(a[is_audible] ^ b[is_audible]).mean() / 32)
