"""Measure what featurize costs, as ratios within one run.

``python -m bench.features`` prints, for clips of thirty seconds,

* clips per second and core, against loading once and calling librosa for each feature
  (same parameters, tuning 0); at least 2.5,
* clips per second of two processes against one, with the cache in memory (``/dev/shm``); at least 1.8,
* the same with the cache on disk, and the speed of that disk for plain bytes, which may be the limit,
* the cost of adding ten tracks to a thousand (``--growth``); about one per cent,
* the peak memory for 200 and for 2,000 clips (``--memory``); the same.
"""

import argparse
import hashlib
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import soundfile

from ostinato import audio
from ostinato.cache.build import fill
from ostinato.cache.spec import Track, describe

MEMORY = Path("/dev/shm")
RATE = 22050
BEAT = RATE // 2
SHARD_TRACKS = 32
PUBLISHED: dict[str, Any] = {"n_fft": 4096, "hop_length": 1024, "pad_mode": "reflect"}
KINDS = ("stft", "stft_halved", "mel", "cqt", "mfcc", "chroma")
PITCH: dict[str, Any] = {"hop_length": 1024, "fmin": 32.70319566257483, "bins_per_octave": 24}


def render_music(seed: int, seconds: int) -> np.ndarray:
    """Render half-second beats of a few fixed sounds; order, loudness and noise depend on the seed."""
    rng, beats = np.random.default_rng(seed), np.random.default_rng(0)
    time_ = np.arange(BEAT) / RATE
    stock = []
    for _ in range(16):
        notes = 55 * 2 ** (beats.integers(0, 60, 4) / 12)
        tone = sum(np.sin(2 * np.pi * f * k * time_) / k for f in notes for k in (1, 2, 3))
        stock.append(tone * np.exp(-3 * time_) + beats.standard_normal(BEAT) * np.exp(-40 * time_))
    y = np.concatenate([stock[i] for i in rng.integers(0, 16, 2 * seconds)])
    return (rng.uniform(0.02, 0.08) * y + 1e-3 * rng.standard_normal(y.size)).astype(np.float32)


def write_clips(folder: Path, n: int, seconds: int) -> list[Track]:
    tracks = []
    hashes: dict[str, str] = {}
    for i in range(n):
        path = folder / f"{i % 200:04d}.wav"
        if not path.exists():
            soundfile.write(path, render_music(i, seconds), RATE)
        if path.name not in hashes:
            hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        tracks.append(Track(i, f"t{i}", hashes[path.name], path.name))
    return tracks


def featurize(root: Path, tracks: list[Track], out: Path, workers: int) -> float:
    """Fill a cache with all features and return the seconds it took."""
    kinds = [describe(k, {}, sample_rate=RATE, shard_tracks=SHARD_TRACKS) for k in KINDS]
    settings = SimpleNamespace(workers=workers, dask=None)
    start = time.perf_counter()
    fill(out, root, tracks, kinds, settings, shard_tracks=SHARD_TRACKS)
    return time.perf_counter() - start


def featurize_and_remove(root: Path, tracks: list[Track], out: Path, workers: int) -> float:
    """Fill a cache and remove it, so that the next one writes to memory that has been used before."""
    seconds = featurize(root, tracks, out, workers)
    shutil.rmtree(out)
    return seconds


def compute_with_librosa(path: Path) -> None:
    """Load once and call librosa for each feature; stft_halved counts as a slice of stft."""
    import librosa

    y, sr = audio.load(path, RATE)
    librosa.amplitude_to_db(np.abs(librosa.stft(y, **PUBLISHED)), ref=1.0, top_db=80)
    librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sr, n_mels=256, **PUBLISHED))
    librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13, n_mels=256, **PUBLISHED)
    librosa.amplitude_to_db(np.abs(librosa.cqt(y, sr=sr, n_bins=168, tuning=0.0, pad_mode="reflect", **PITCH)), ref=1.0)
    librosa.feature.chroma_cqt(y=y, sr=sr, tuning=0.0, n_chroma=12, n_octaves=7, **PITCH)


def measure_per_core(root: Path, rounds: int) -> None:
    """Compare on the same ten clips in turns, by processor time, which depends least on other work."""
    tracks, ratios = write_clips(root, 10, 30), []
    compute_with_librosa(root / str(tracks[0].path))
    featurize_and_remove(root, tracks, root / "first" / "out", 1)
    for i in range(rounds):
        start = time.process_time()
        featurize_and_remove(root, tracks, root / f"core{i}" / "out", 1)
        middle = time.process_time()
        for track in tracks:
            compute_with_librosa(root / str(track.path))
        own, other = (1e3 * s / len(tracks) for s in (middle - start, time.process_time() - middle))
        ratios.append(other / own)
        print(f"  {own:.0f} ms of processor time a clip, with librosa {other:.0f} ms")
    print(f"clips per second and core, against librosa: {statistics.median(ratios):.2f} (at least 2.5)")


def compare_processes(root: Path, n: int, rounds: int, place: str) -> None:
    tracks, ratios = write_clips(root, n, 30), []
    featurize_and_remove(root, tracks, root / "first" / "out", 2)
    for i in range(rounds):
        seconds, processor_seconds = [], []
        for workers in (1, 2):
            before = read_processor_time()
            seconds.append(featurize_and_remove(root, tracks, root / f"two{i}{workers}" / "out", workers))
            processor_seconds.append(read_processor_time() - before)
        ratios.append(seconds[0] / seconds[1])
        print(f"  {n / seconds[0]:.1f} clips/s in one process, {n / seconds[1]:.1f} in two")
        print(f"  two processes use {processor_seconds[1] / processor_seconds[0]:.2f} times the processor time of one")
    print(f"two processes against one, {n} clips, the cache {place}: {statistics.median(ratios):.2f}")


def measure_disk(root: Path, n: int) -> None:
    """Time writing the bytes of a cache of `n` clips, and nothing else."""
    one = root / "plain" / "out"
    featurize(root, write_clips(root, 1, 30), one, 1)
    n_bytes = n * sum(path.stat().st_size for path in one.rglob("*.npy"))
    block, start = np.random.default_rng(0).bytes(2**22), time.perf_counter()
    with open(root / "plain" / "bytes", "wb") as file:
        for _ in range(n_bytes // len(block)):
            file.write(block)
    seconds = time.perf_counter() - start
    (root / "plain" / "bytes").unlink()
    print(f"  the disk writes the bytes of {n / seconds:.1f} clips/s")


def read_processor_time() -> float:
    """Return the processor time of this process and its finished children, in seconds."""
    return sum(os.times()[:4])


def measure_growth(root: Path) -> None:
    tracks, out = write_clips(root, 1000, 30), root / "growth" / "out"
    whole = featurize(root, tracks[:990], out, 1)
    more = featurize(root, tracks, out, 1)
    print(f"ten new tracks among a thousand: {more / whole:.2%} of the whole")


def measure_memory(seconds: int) -> None:
    for n in (200, 2000):
        command = [sys.executable, "-m", "bench.features", "--peak", str(n), "--seconds", str(seconds)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def measure_peak_memory(root: Path, n: int, seconds: int) -> None:
    featurize(root, write_clips(root, n, seconds), root / "peak" / "out", 2)
    own = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]  # getrusage has the parent's too
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"peak memory for {n} clips: {int(own) / 1024:.0f} MiB, and {worker / 1024:.0f} MiB in a worker")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000, help="in memory; half as many on disk")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--seconds", type=int, default=10, help="length of a clip where memory is measured")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.peak:
            measure_peak_memory(Path(folder), args.peak, args.seconds)
            return
        measure_per_core(Path(folder), args.rounds)
        if MEMORY.is_dir():
            with tempfile.TemporaryDirectory(dir=MEMORY) as memory_folder:
                compare_processes(Path(memory_folder), args.clips, args.rounds, "in memory (at least 1.8)")
        compare_processes(Path(folder), args.clips // 2, args.rounds, "on disk")
        measure_disk(Path(folder), args.clips // 2)
        if args.growth:
            measure_growth(Path(folder))
    if args.memory:
        measure_memory(args.seconds)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
