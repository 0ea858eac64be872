"""Measure what it costs to verify that the cache holds what was written.

``python -m bench.digests`` prints ratios of times, measured in turn in one run, with
verification to without: computing a feature of a clip into a shard, with a hashed copy
and a digest; decoding a clip through its hashed copy; writing a shard with its digest;
verifying a whole cache, against computing it (log-mel alone, the cheapest feature in
use); and reading a table with its checksums.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import soundfile

from ostinato import audio
from ostinato.audio import decode as decode_module
from ostinato.audio.context import AudioContext
from ostinato.cache import store
from ostinato.cache.writer import Writer
from ostinato.core import registry
from ostinato.features import parameters
from ostinato.io import files

RATE, SECONDS = 22_050, 30


class NoDigest:
    """A hash that costs nothing."""

    def update(self, data: object) -> None:
        """Ignore the data."""

    def digest(self) -> bytes:
        """Return no bytes."""
        return b""


def time_call(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(name: str, first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> None:
    """Print the median of the ratios of two times, measured in turn."""
    ratios = [time_call(first) / time_call(second) for _ in range(rounds + 1)][1:]
    print(f"{name}: {statistics.median(ratios):.3f}", flush=True)


def decode_file(path: Path) -> None:
    with audio.open_stream(path) as stream:
        np.concatenate([audio.mono(block) for block in audio.limit_blocks(stream, path, audio.MAX_SECONDS)])


def write_rows(path: Path, rows: np.ndarray, n_tracks: int) -> None:
    with Writer(path) as writer:
        for _ in range(n_tracks):
            writer.append(rows)
        writer.finish().commit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = 0.1 * rng.standard_normal(RATE * SECONDS)
        for suffix in ("flac", "mp3", "wav"):
            path = folder / f"clip.{suffix}"
            soundfile.write(path, sound, RATE)
            label = f"decoding {suffix.upper()} through a hashed copy, against the file itself"
            compare(label, partial(audio.load, path), partial(decode_file, path), args.rounds)
        module, keywords = registry.load("ostinato.features", "mel"), parameters("mel", {}, RATE)
        rows = np.asarray(module.compute(AudioContext(sound.astype(np.float32), RATE), **keywords))
        shard = folder / "shard-00000.npy"

        def cache_track() -> None:
            with Writer(shard) as writer:
                writer.append(module.compute(AudioContext(*audio.load(folder / "clip.flac")), **keywords))
                writer.finish().commit()

        def run_without_digests(work: Callable[[], None]) -> None:
            with (
                mock.patch.object(store.hashlib, "sha256", lambda data=b"": hashlib.md5(data) if data else NoDigest()),
                mock.patch.object(
                    decode_module, "open_snapshot", lambda path, _: nullcontext(SimpleNamespace(path=path))
                ),
            ):
                work()

        label = "computing the log-mel of a clip (FLAC) into a shard, with hashed copy and digest, against without"
        compare(label, cache_track, lambda: run_without_digests(cache_track), 5 * args.rounds)

        def write_shard() -> None:
            write_rows(shard, rows, args.tracks)

        compare(
            "writing a shard with its digest, against without",
            write_shard,
            lambda: run_without_digests(write_shard),
            args.rounds,
        )
        write_shard()
        compute_seconds = (
            time_call(lambda: module.compute(AudioContext(*audio.load(folder / "clip.flac")), **keywords)) * args.tracks
        )
        checks = [time_call(lambda: store.compute_digest(shard)) for _ in range(args.rounds)]
        n_bytes = shard.stat().st_size
        print(
            f"verifying a cache by its digests, against computing it: {statistics.median(checks) / compute_seconds:.4f}"
        )
        print(f"a core verifies {n_bytes / statistics.median(checks) / 1e6:.0f} MB a second")
        table = folder / "table.parquet"
        n = 100_000
        columns = {
            "track_id": [f"track {i}" for i in range(n)],
            "x": rng.standard_normal(n),
            "y": rng.standard_normal(n),
        }
        files.write_parquet(table, pa.table(columns))
        compare(
            "reading a table with its checksums, against without",
            lambda: files.read_parquet(table),
            lambda: pd.read_parquet(table),
            args.rounds,
        )


if __name__ == "__main__":
    main()
