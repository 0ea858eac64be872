"""Measure how well boundaries, letters and thumbnails are found in songs with a known form, and what a song costs.

``python -m bench.structure --songs 40`` renders the songs and prints each measure with its interval over songs.
"""

import argparse
import time

import numpy as np
from tests.songs import Song, render_song

from ostinato.structure import Structure, analyze, find_thumbnail

TOLERANCE = 3.0
CLIP = 15.0


def score_boundaries(estimates: np.ndarray, truth: np.ndarray) -> float:
    """Compute the F-measure of boundaries within `TOLERANCE` seconds, each matched once."""
    left, n_hits = list(estimates), 0
    for boundary in truth:
        near = [e for e in left if abs(e - boundary) <= TOLERANCE]
        if near:
            left.remove(min(near, key=lambda e: abs(e - boundary)))
            n_hits += 1
    return 2 * n_hits / (len(estimates) + len(truth))


def score_letters(structure: Structure, song: Song) -> float:
    """Compute the F-measure of pairs of moments, a half second apart, that belong to sections of one kind."""
    moments = np.arange(0, structure.seconds, 0.5)
    labels = [
        np.array(names)[np.searchsorted(starts, moments, side="right") - 1]
        for names, starts in (
            (song.labels, song.starts),
            ([s.label for s in structure.sections], [s.start for s in structure.sections]),
        )
    ]
    truth, estimate = (x[:, np.newaxis] == x for x in labels)
    return float(2 * (truth & estimate).sum() / (truth.sum() + estimate.sum()))


def is_in_hook(start: float, song: Song) -> bool:
    """Return whether most of a clip lies in a hook."""
    overlaps = [min(start + CLIP, b) - max(start, a) for a, b in song.list_sections("hook")]
    return sum(max(0.0, seconds) for seconds in overlaps) > CLIP / 2


def print_interval(name: str, values: list[float]) -> None:
    """Print a mean with its 95 % bootstrap interval over songs."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    print(f"{name}: {np.mean(values):.3f} [{low:.3f}, {high:.3f}]")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=40)
    args = parser.parse_args()
    analyze(render_song(0).sound, 22050)  # compiles
    results: dict[str, list[float]] = {}
    for seed in range(1000, 1000 + args.songs):
        song = render_song(seed)
        started = time.process_time()
        structure = analyze(song.sound, song.sample_rate)
        seconds = time.process_time() - started
        boundaries = np.array([s.start for s in structure.sections[1:]])
        even = np.linspace(0, structure.seconds, len(song.starts) + 1)[1:-1]
        gain = score_boundaries(boundaries, song.starts[1:]) - score_boundaries(even, song.starts[1:])
        elsewhere = np.linspace(0, structure.seconds - CLIP, 50)
        for name, value in {
            "boundaries, F at 3 s": score_boundaries(boundaries, song.starts[1:]),
            "as many evenly spaced as there are": score_boundaries(even, song.starts[1:]),
            "gain over evenly spaced": gain,
            "letters, F of pairs": score_letters(structure, song),
            "thumbnail in a hook": float(is_in_hook(find_thumbnail(structure, CLIP)[0], song)),
            "first 15 s in a hook": float(is_in_hook(0.0, song)),
            "any 15 s in a hook": float(np.mean([is_in_hook(start, song) for start in elsewhere])),
            "processor seconds for 4 minutes": seconds / structure.seconds * 240,
        }.items():
            results.setdefault(name, []).append(value)
    for name, values in results.items():
        print_interval(name, values)


if __name__ == "__main__":
    main()
