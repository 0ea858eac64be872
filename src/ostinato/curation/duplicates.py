"""Find tracks that are one recording: bit for bit, or by their fingerprints.

Equal sub-fingerprints, found by sorting, propose pairs of tracks and how far one
starts into the other; the share of differing bits over what they have in common
decides. Two recordings differ in about half of their bits, copies through another
level, format, sample rate or start in less than a sixth. Work grows with the
number of tracks and of proposals, not with the number of pairs; what is held at
once is a range of values, and the collisions of some of the tracks.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ostinato.audio import fingerprint

MAX_RUN = 64  # what more recordings share says nothing
MIN_VOTES = 2
TRACKS = 1024
"""Tracks whose sub-fingerprints are looked through at once."""
VALUES = 1 << 23
"""Sub-fingerprints that are sorted at once."""
COLLISIONS = 1 << 23
"""Collisions that are counted at once."""
MIN_FRAMES = 60
MAX_DIFFERENT = 0.2
COLUMNS = ("track_id", "copy_of", "kind", "evidence")


class Match(NamedTuple):
    """Two tracks that are one recording.

    Parameters
    ----------
    first, second : int
        Their places; ``first < second``.
    shift : int
        Frames from the start of `first` to that of `second`.
    different : float
        Share of bits that differ.
    """

    first: int
    second: int
    shift: int
    different: float


def find(files: pd.DataFrame) -> pd.DataFrame:
    """List the tracks that repeat one before them.

    Parameters
    ----------
    files : DataFrame
        With track_id, audio_hash and fingerprint, in the order of first
        occurrence; what could not be decoded repeats nothing.

    Returns
    -------
    DataFrame
        track_id, copy_of (the first track of the recording), kind ("exact" or
        "near") and evidence, in the order of `files`.
    """
    files = files[files["fingerprint"].notna()].reset_index(drop=True)
    ids = files["track_id"].tolist()
    original = files.groupby("audio_hash", sort=False)["track_id"].transform(lambda same: same.index[0])
    leaders = np.flatnonzero(original.to_numpy() == np.arange(len(files)))
    prints = [np.frombuffer(files["fingerprint"].iloc[i], "<u4") for i in leaders]
    near = [(leaders[m.first], leaders[m.second], m) for m in matches(prints)]
    evidence: dict[int, str] = {}
    for a, b, match in near:
        evidence.setdefault(b, _evidence(ids[a], match))
    exact = {i: f"the samples of {ids[o]}" for i, o in enumerate(original) if i != o}
    first = _firsts_of([(a, b) for a, b, _ in near] + [(original[i], i) for i in exact], len(ids))
    why = evidence | exact
    rows = [(ids[i], ids[first[i]], "exact" if i in exact else "near", why[i]) for i in sorted(why)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _firsts_of(edges: list[tuple[int, int]], n: int) -> np.ndarray:
    """Return for each track the first of those it is tied to."""
    ends = np.array(edges, np.int64).reshape(-1, 2).T
    _, group = connected_components(coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(n, n)), directed=False)
    _, first = np.unique(group, return_index=True)
    return first[group]


def _evidence(track_id: str, match: Match) -> str:
    seconds = match.shift * fingerprint.SECONDS
    return f"starts {seconds:+.1f} s into {track_id}; {match.different:.1%} of the bits differ"


def matches(prints: list[np.ndarray]) -> list[Match]:
    """Find the pairs of fingerprints that are one recording.

    Parameters
    ----------
    prints : list of np.ndarray [shape=(n_frames,), dtype=uint32]

    Returns
    -------
    list of Match
        By `first`, then `second`.
    """
    found = []
    for a, b, shift in _propose(prints):
        different = min(_different(prints[a], prints[b], near) for near in (shift - 1, shift, shift + 1))
        if different <= MAX_DIFFERENT:
            found.append(Match(a, b, shift, different))
    return sorted(found)


def _propose(prints: list[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Pair tracks that share sub-fingerprints at one shift: first, second, shift."""
    held: list[np.ndarray] = []
    n_collisions = np.zeros(len(prints), np.int64)
    for collisions in _collide(prints):
        n_collisions += np.bincount(collisions[0], minlength=len(prints))
        held.append(collisions)
        if n_collisions.sum() > COLLISIONS:
            held.clear()
    if n_collisions.sum() <= COLLISIONS:
        yield from _count_votes(held, prints)
        return
    part = n_collisions.cumsum() // COLLISIONS
    for number in np.unique(part):
        some = (collisions[:, part[collisions[0]] == number] for collisions in _collide(prints))
        yield from _count_votes(list(some), prints)


def _collide(prints: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield what two tracks share, (3, n): first track, second track, and how many frames it is later in the first."""
    for low, high in _split_values(prints):
        value, owner, frame = _index(prints, low, high)
        starts = _firsts(value)
        length = np.diff(starts, append=len(value))
        kept = np.repeat((length > 1) & (length <= MAX_RUN), length)
        value, owner, frame = value[kept], owner[kept], frame[kept]
        for apart in range(1, MAX_RUN):
            same = np.flatnonzero(value[apart:] == value[:-apart])
            if not len(same):
                break
            yield np.stack([owner[same], owner[same + apart], frame[same] - frame[same + apart]])


def _split_values(prints: list[np.ndarray]) -> list[tuple[int, int]]:
    """Cut the values into ranges, from the first to before the last, of which each holds some `VALUES`."""
    sizes = np.zeros(1 << 16, np.int64)
    for value, _, _ in _lay_out(prints):
        sizes += np.bincount(value >> 16, minlength=len(sizes))
    part = sizes.cumsum() // VALUES
    begins = [*_firsts(part).tolist(), len(sizes)]
    return [(low << 16, high << 16) for low, high in itertools.pairwise(begins)]


def _index(prints: list[np.ndarray], low: int, high: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the sub-fingerprints of a range by value: value, track and frame, each value once a track."""
    blocks = []
    for value, owner, frame in _lay_out(prints):
        inside = (value >= max(low, 1)) & (value < high)
        blocks.append((value[inside], owner[inside], frame[inside]))
    value, owner, frame = (np.concatenate(columns) for columns in zip(*blocks, strict=True))
    order = np.argsort(value, kind="stable")
    value, owner, frame = value[order], owner[order], frame[order]
    new = np.ones(len(value), bool)
    new[1:] = (value[1:] != value[:-1]) | (owner[1:] != owner[:-1])
    return value[new], owner[new], frame[new]


def _lay_out(prints: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield value, track and frame of all sub-fingerprints, those of some tracks at a time; the first hold none."""
    yield np.zeros(0, np.uint32), np.zeros(0, np.int32), np.zeros(0, np.int32)
    for first in range(0, len(prints), TRACKS):
        some = prints[first : first + TRACKS]
        lengths = [len(p) for p in some]
        frame = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        yield np.concatenate(some), np.repeat(np.arange(first, first + len(some), dtype=np.int32), lengths), frame


def _count_votes(collisions: list[np.ndarray], prints: list[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Count the votes of each pair for a shift and its neighbour; give the best where there are enough."""
    n, longest = len(prints), max(map(len, prints), default=0)
    wide = 2 * longest + 3  # shifts of a pair, with a gap to those of the next one
    keys, votes = np.unique(
        np.concatenate(
            [np.zeros(0, np.int64), *((a.astype(np.int64) * n + b) * wide + s + longest + 1 for a, b, s in collisions)]
        ),
        return_counts=True,
    )
    if not len(keys):
        return
    beside = np.append(np.where(np.diff(keys) == 1, votes[1:], 0), 0)
    total = votes + beside
    enough = total >= MIN_VOTES
    keys, votes, total = keys[enough], votes[enough], total[enough]
    for best in np.lexsort((-votes, -total, keys // wide))[_firsts(np.sort(keys // wide))]:
        both, at = divmod(int(keys[best]), wide)
        yield both // n, both % n, at - longest - 1


def _firsts(ordered: np.ndarray) -> np.ndarray:
    """Return where each value of a sorted array begins."""
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.zeros(0, int)


def _different(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Return the share of bits in which two fingerprints differ at a shift; 1 where they share too little."""
    a, b = a[max(shift, 0) :], b[max(-shift, 0) :]
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    heard = (a != 0) & (b != 0)
    if np.count_nonzero(heard) < MIN_FRAMES:
        return 1.0
    return float(np.bitwise_count(a[heard] ^ b[heard]).mean() / 32)
