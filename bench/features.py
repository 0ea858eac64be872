"""What featurize costs, as ratios within one run.

``python bench/features.py`` prints, for clips of thirty seconds,

* clips per second and core against one load and then librosa a kind at a time
  (same parameters, tuning 0); at least 2.5,
* clips per second of two processes against one, the cache in memory (``/dev/shm``); at least 1.8,
* the same on the disk of temporary files, and what that disk takes of plain bytes: it may be what bounds,
* the cost of ten new tracks among a thousand (``--growth``); about one per cent,
* peak memory of the run for 200 and for 2,000 clips (``--memory``); the same.
"""

import argparse
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

import numpy as np
import soundfile

from ostinato import audio
from ostinato.cache.build import fill
from ostinato.cache.spec import Track, describe

MEMORY = Path("/dev/shm")
RATE = 22050
BEAT = RATE // 2
SHARD_TRACKS = 32
PUBLISHED = {"n_fft": 4096, "hop_length": 1024, "pad_mode": "reflect"}
KINDS = ("stft", "stft_halved", "mel", "cqt", "mfcc", "chroma")
PITCH = {"hop_length": 1024, "fmin": 32.70319566257483, "bins_per_octave": 24}


def rendered(seed: int, seconds: int) -> np.ndarray:
    """Play half-second beats of a few fixed notes and noises in an order, loudness and noise of its own."""
    rng, beats = np.random.default_rng(seed), np.random.default_rng(0)
    time_ = np.arange(BEAT) / RATE
    stock = []
    for _ in range(16):
        notes = 55 * 2 ** (beats.integers(0, 60, 4) / 12)
        tone = sum(np.sin(2 * np.pi * f * k * time_) / k for f in notes for k in (1, 2, 3))
        stock.append(tone * np.exp(-3 * time_) + beats.standard_normal(BEAT) * np.exp(-40 * time_))
    y = np.concatenate([stock[i] for i in rng.integers(0, 16, 2 * seconds)])
    return (rng.uniform(0.02, 0.08) * y + 1e-3 * rng.standard_normal(y.size)).astype(np.float32)


def clips(folder: Path, n: int, seconds: int) -> list[Track]:
    tracks = []
    for i in range(n):
        path = folder / f"{i % 200:04d}.wav"
        if not path.exists():
            soundfile.write(path, rendered(i, seconds), RATE)
        tracks.append(Track(i, f"t{i}", f"{i:064d}", path.name))
    return tracks


def featurize(root: Path, tracks: list[Track], out: Path, workers: int) -> float:
    """Fill a cache with all kinds and return the seconds it took."""
    kinds = [describe(k, {}, sample_rate=RATE, shard_tracks=SHARD_TRACKS) for k in KINDS]
    settings = SimpleNamespace(workers=workers, dask=None)
    start = time.perf_counter()
    fill(out, root, tracks, kinds, settings, shard_tracks=SHARD_TRACKS)
    return time.perf_counter() - start


def afresh(root: Path, tracks: list[Track], out: Path, workers: int) -> float:
    """Fill a cache and remove it, so that the next one writes to memory that the machine has handed out before."""
    seconds = featurize(root, tracks, out, workers)
    shutil.rmtree(out)
    return seconds


def usual(path: Path) -> None:
    """Load once and call librosa for each kind; stft_halved is taken for a slice of stft."""
    import librosa

    y, sr = audio.load(path, RATE)
    librosa.amplitude_to_db(np.abs(librosa.stft(y, **PUBLISHED)), ref=1.0, top_db=80)
    librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sr, n_mels=256, **PUBLISHED))
    librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13, n_mels=256, **PUBLISHED)
    librosa.amplitude_to_db(np.abs(librosa.cqt(y, sr=sr, n_bins=168, tuning=0.0, pad_mode="reflect", **PITCH)), ref=1.0)
    librosa.feature.chroma_cqt(y=y, sr=sr, tuning=0.0, n_chroma=12, n_octaves=7, **PITCH)


def per_core(root: Path, rounds: int) -> None:
    """Take turns over the same ten clips, by processor time, which other work on the machine touches least."""
    tracks, ratios = clips(root, 10, 30), []
    usual(root / tracks[0].path)
    afresh(root, tracks, root / "first" / "out", 1)
    for i in range(rounds):
        started = time.process_time()
        afresh(root, tracks, root / f"core{i}" / "out", 1)
        between = time.process_time()
        for track in tracks:
            usual(root / track.path)
        own, other = (1e3 * s / len(tracks) for s in (between - started, time.process_time() - between))
        ratios.append(other / own)
        print(f"  {own:.0f} ms of processor a clip, a kind at a time {other:.0f} ms")
    print(f"clips per second and core, against a kind at a time: {statistics.median(ratios):.2f} (at least 2.5)")


def two_processes(root: Path, n: int, rounds: int, place: str) -> None:
    tracks, ratios = clips(root, n, 30), []
    afresh(root, tracks, root / "first" / "out", 2)
    for i in range(rounds):
        seconds, used = [], []
        for workers in (1, 2):
            before = processor()
            seconds.append(afresh(root, tracks, root / f"two{i}{workers}" / "out", workers))
            used.append(processor() - before)
        ratios.append(seconds[0] / seconds[1])
        print(f"  {n / seconds[0]:.1f} clips/s in one process, {n / seconds[1]:.1f} in two")
        print(f"  two processes use {used[1] / used[0]:.2f} times the processor time of one")
    print(f"two processes against one, {n} clips, the cache {place}: {statistics.median(ratios):.2f}")


def plain(root: Path, n: int) -> None:
    """Write as many bytes as the cache of so many clips has, and nothing else."""
    one = root / "plain" / "out"
    featurize(root, clips(root, 1, 30), one, 1)
    n_bytes = n * sum(path.stat().st_size for path in one.rglob("*.npy"))
    block, start = np.random.default_rng(0).bytes(2**22), time.perf_counter()
    with open(root / "plain" / "bytes", "wb") as file:
        for _ in range(n_bytes // len(block)):
            file.write(block)
    seconds = time.perf_counter() - start
    (root / "plain" / "bytes").unlink()
    print(f"  the disk takes the bytes of {n / seconds:.1f} clips/s")


def processor() -> float:
    """Return the processor time of this process and of those it has ended, in seconds."""
    return sum(os.times()[:4])


def growth(root: Path) -> None:
    tracks, out = clips(root, 1000, 30), root / "growth" / "out"
    whole = featurize(root, tracks[:990], out, 1)
    more = featurize(root, tracks, out, 1)
    print(f"ten new tracks among a thousand: {more / whole:.2%} of the whole")


def memory(seconds: int) -> None:
    for n in (200, 2000):
        command = [sys.executable, __file__, "--peak", str(n), "--seconds", str(seconds)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def peak(root: Path, n: int, seconds: int) -> None:
    featurize(root, clips(root, n, seconds), root / "peak" / "out", 2)
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.peak:
            peak(Path(folder), given.peak, given.seconds)
            return
        per_core(Path(folder), given.rounds)
        if MEMORY.is_dir():
            with tempfile.TemporaryDirectory(dir=MEMORY) as memory_folder:
                two_processes(Path(memory_folder), given.clips, given.rounds, "in memory (at least 1.8)")
        two_processes(Path(folder), given.clips // 2, given.rounds, "on disk")
        plain(Path(folder), given.clips // 2)
        if given.growth:
            growth(Path(folder))
    if given.memory:
        memory(given.seconds)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
