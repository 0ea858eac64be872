"""Measure what it costs to read random training chunks through the cache.

``python -m bench.store`` prints the speed of gathering batches of random chunks
through `Store.read`, and its ratio to the same gather from one memory-mapped array that
holds the same bytes; at least 0.5. Both take turns on the same chunks.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ostinato.cache import store
from ostinato.cache.writer import Writer, half

BINS = 256
CHUNK = 129
BATCH = 16


def write_cache(folder: Path, n_tracks: int, n_frames: int, shard_tracks: int) -> None:
    rng = np.random.default_rng(0)
    rows = half(rng.standard_normal((n_frames, BINS)).astype(np.float32))
    entries = []
    for shard in range(-(-n_tracks // shard_tracks)):
        ordinals = range(shard * shard_tracks, min((shard + 1) * shard_tracks, n_tracks))
        places = [i * n_frames for i in range(len(ordinals))]
        entries += [store.Entry(o, f"t{o}", "", shard, p, n_frames) for o, p in zip(ordinals, places, strict=True)]
        write_rows(store.shard_file(folder, shard), rows, len(ordinals))
    store.write_meta(folder, {"tail": [BINS]})
    store.write_index(folder, entries)
    write_rows(folder / "whole.npy", rows, n_tracks)


def write_rows(path: Path, rows: np.ndarray, n_tracks: int) -> None:
    with Writer(path) as writer:
        for _ in range(n_tracks):
            writer.append(rows)
        writer.finish().commit()


def time_gather(read: Callable[[int, int], np.ndarray], chunks: np.ndarray) -> float:
    start = time.perf_counter()
    batch = np.empty((BATCH, CHUNK, BINS), np.float16)
    for i, (track, frame) in enumerate(chunks):
        batch[i % BATCH] = read(track, frame)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=1000)
    parser.add_argument("--chunks", type=int, default=4000)
    args = parser.parse_args()
    n_frames, rng, ratios = 646, np.random.default_rng(1), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cache(folder, args.tracks, n_frames, 128)
        cache, whole = store.Store(folder), store.open_rows(folder / "whole.npy")
        ids = [f"t{i}" for i in range(args.tracks)]
        for _ in range(7):
            chunks = np.stack(
                [rng.integers(0, args.tracks, args.chunks), rng.integers(0, n_frames - CHUNK, args.chunks)], 1
            )
            through = time_gather(lambda t, f: cache.read(ids[t], f, f + CHUNK), chunks)
            plain = time_gather(lambda t, f: whole[t * n_frames + f : t * n_frames + f + CHUNK], chunks)
            ratios.append(plain / through)
    print(f"random chunks through the cache: {args.chunks / through:.0f} a second")
    print(f"against one memory-mapped array: {statistics.median(ratios[1:]):.2f} (at least 0.5)")


if __name__ == "__main__":
    main()
