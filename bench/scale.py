"""Measure what each stage costs as a collection grows: processor seconds and peak memory, without audio.

``python -m bench.scale --tracks 2000 20000 100000`` writes a table of tracks with attributes and a small cache of
frames (ten chunks a track), runs the stages one after another with at most 1,024 open files each, and prints a row
for each stage with the exponent of growth between the smallest and the largest collection. ``--code`` runs another
checkout, to compare the two.
"""

import argparse
import csv
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from ostinato.cache import store
from ostinato.cache.spec import assign_shard
from ostinato.cache.writer import Writer
from ostinato.datasets.spotify_attributes import ATTRIBUTES
from ostinato.io import tables

PROJECT = Path(__file__).parents[1]
N_GENRES, TRACKS_PER_ARTIST, FRAMES, BINS, CHUNK = 10, 5, 130, 13, 13
KIND, NETWORK, ESTIMATOR, SHARD_TRACKS = "mfcc13", "mlp_mfcc13", "logistic", 32
OPEN_FILES = 1024
SECONDS = FRAMES * 1024 / 22_050
PARAMS = {
    "seed": 7,
    "compute": {"workers": 1, "threads": 1, "dask": None},
    "dataset": {"name": "spotify_attributes", "path": "raw"},
    "features": {"sample_rate": 22_050, "shard_tracks": SHARD_TRACKS, "kinds": {"attributes": {}, KIND: {}}},
    "train": {"max_epochs": 2, "patience": 2, "batch_size": 64, "lr": 0.001},
    "tune": {"n_trials": 0},
    "candidates": {
        NETWORK: {
            "architecture": "mlp",
            "feature": KIND,
            "task": "genre",
            "chunk_frames": CHUNK,
            "normalise": "train",
            "network": {"hidden": [32]},
        }
    },
    "estimators": {ESTIMATOR: {"estimator": ESTIMATOR, "feature": "attributes", "task": "genre"}},
    "stacked": {},
    "members": {},
    "numbers": {},
    "regressions": {},
    "paper": {},
    "recommend": {"k": 20, "baseline": "attributes"},
    "gate": {"genre": {"accuracy": {"min": 0.0}}, "space": {"map": {"min": 0.0}}},
}
STAGES: tuple[tuple[str, ...], ...] = (
    ("ingest",),
    ("validate",),
    ("split",),
    ("featurize",),
    ("artists",),
    *((stage, name) for name in (NETWORK, ESTIMATOR) for stage in ("tune", "train", "infer", "evaluate")),
    ("rank",),
    ("gate",),
    *(("export", name) for name in (NETWORK, ESTIMATOR)),
    ("catalog",),
    ("report",),
    ("release",),
)


def write_table(path: Path, n_tracks: int) -> None:
    """Write a table of tracks whose attributes depend weakly on the genre."""
    rng = np.random.default_rng(0)
    genre = rng.integers(0, N_GENRES, n_tracks)
    artist = rng.integers(0, max(n_tracks // TRACKS_PER_ARTIST, 1), n_tracks)
    means = rng.standard_normal((N_GENRES, len(ATTRIBUTES)))
    values = (means[genre] + 2 * rng.standard_normal((n_tracks, len(ATTRIBUTES)))).round(4)
    values[:, ATTRIBUTES.index("duration_ms")] = rng.integers(60_000, 400_000, n_tracks)
    for name, low, high in (("key", 0, 11), ("mode", 0, 1), ("time_signature", 3, 5)):
        values[:, ATTRIBUTES.index(name)] = rng.integers(low, high, n_tracks, endpoint=True)
    path.parent.mkdir(parents=True)
    with open(path, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["track_id", "artist", "track_name", "genre", *ATTRIBUTES])
        for i in range(n_tracks):
            names = [f"t{i:07d}", f"artist {artist[i]}", f"song {i}", f"genre {genre[i]}"]
            table.writerow([*names, *values[i]])


def plant_cache(root: Path) -> None:
    """Write frames of every track, as featurize would from audio."""
    rng, folder = np.random.default_rng(1), root / "data" / "features" / KIND
    table = root / "data" / "interim" / "tracks.parquet"
    tracks = tables.read(table)
    tables.write(table, tracks.assign(duration=SECONDS), tables.TRACKS, tables.notes(table))
    means = rng.standard_normal((N_GENRES, BINS)).astype(np.float32)
    place = {name: i for i, name in enumerate(sorted(tracks["genre"].unique()))}
    shards = np.array([assign_shard(o, SHARD_TRACKS) for o in tracks["ordinal"]])
    entries, digests = [], {}
    for shard in np.unique(shards):
        with Writer(store.shard_file(folder, int(shard))) as writer:
            for row in tracks.loc[shards == shard, ["ordinal", "track_id", "genre"]].itertuples():
                noise = rng.standard_normal((FRAMES, BINS), np.float32)
                entries.append(store.Entry(row.ordinal, row.track_id, "h", int(shard), writer.n_rows, FRAMES))
                writer.append(means[place[row.genre]] / 4 + noise)
            shard_file = writer.finish()
        shard_file.commit()
        digests[int(shard)] = shard_file.digest
    about = {"kind": KIND, "module": KIND, "source": "audio", "key": "", "dtype": "float16", "tail": [BINS]}
    store.write_meta(folder, about | {"parameters": {"sample_rate": 22_050, "hop_length": 1024}})
    store.write_index(folder, entries, digests)


def make_project(root: Path, code: Path, n_tracks: int) -> None:
    """Write a project with a table of tracks."""
    write_table(root / "raw" / "tracks.csv", n_tracks)
    own = yaml.safe_load((code / "params.yaml").read_text())
    (root / "params.yaml").write_text(yaml.safe_dump(own | PARAMS))


def run_stage(root: Path, code: Path, words: Sequence[str]) -> tuple[float, float, int]:
    """Run a stage and return its processor seconds, its peak of resident memory in MB and its exit status."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))

    environment = os.environ | {"PYTHONPATH": str(code / "src"), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "ostinato", *words]
    with open(root / "log", "a") as log:
        child = subprocess.Popen(command, cwd=root, env=environment, preexec_fn=limit, stdout=log, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, child.returncode


def run_stages(root: Path, code: Path, n_tracks: int, only: Sequence[str]) -> dict[str, tuple[float, float, int]]:
    """Run the stages on a new project; print the cost of each as it ends."""
    make_project(root, code, n_tracks)
    results = {}
    for words in STAGES:
        name, started = " ".join(words), time.perf_counter()
        seconds, peak, status = run_stage(root, code, words)
        clock, end = time.perf_counter() - started, f"  exit status {status}" if status else ""
        print(f"{n_tracks:>9,} {name:<22} {seconds:8.1f} s {peak:6.0f} MB, clock {clock:8.1f} s{end}", flush=True)
        if words[0] == "featurize":
            plant_cache(root)
        if not only or words[0] in only:
            results[name] = seconds, peak, status
    return results


def print_table(results: dict[int, dict[str, tuple[float, float, int]]]) -> None:
    """Print a Markdown table with a row for each stage."""
    sizes = sorted(results)
    print(f"\n| stage | {' | '.join(f'{n:,} tracks' for n in sizes)} | exponent |")
    print(f"|---|{'---|' * (len(sizes) + 1)}")
    for stage in results[sizes[0]]:
        cells = [f"{results[n][stage][0]:.1f} s, {results[n][stage][1]:.0f} MB" for n in sizes]
        first, last = (max(results[n][stage][0], 1e-3) for n in (sizes[0], sizes[-1]))
        exponent = math.log(last / first) / math.log(sizes[-1] / sizes[0]) if len(sizes) > 1 else math.nan
        print(f"| {stage} | {' | '.join(cells)} | {exponent:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, nargs="+", default=[2_000, 20_000, 100_000])
    parser.add_argument("--code", type=Path, default=PROJECT, help="checkout to run; default: this one")
    parser.add_argument("--only", nargs="*", default=[], help="stages to show in the table; all are run")
    parser.add_argument("--keep", type=Path, help="folder for the projects; default: a temporary one")
    args = parser.parse_args()
    results = {}
    for n_tracks in args.tracks:
        with tempfile.TemporaryDirectory() as temporary:
            root = (args.keep or Path(temporary)) / str(n_tracks)
            results[n_tracks] = run_stages(root, args.code.resolve(), n_tracks, args.only)
    print_table(results)


if __name__ == "__main__":
    main()
