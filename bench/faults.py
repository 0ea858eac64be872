"""Plant faults of every kind in audio files and measure how many are found, and how many false alarms there are.

``python -m bench.faults`` renders 1,000 clean clips, plants 20 instances of each kind of
fault in copies of some, runs ingest and validate on all, and writes docs/faults.md: the
share found by kind and by third of the severity range, the false alarms, the speed of
scanning, and how the time of matching grows. ``--real FOLDER`` lists every alarm among
the files of a folder of your own.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr
from tests.planting import KINDS, match_faults, plant_faults, validate_folder

from ostinato.core.params.schema import Compute
from ostinato.curation import duplicates, inventory, splits
from ostinato.datasets import synthetic
from ostinato.expectations import _session
from ostinato.expectations import splits as sides

SIDES = {"artist": "an artist is in two splits", "album": "an album is in two splits"}
SIDES |= {"copy": "a copy is in two splits"}
OTHER_SPLIT = {"train": "test", "test": "validation", "validation": "train"}
THIRDS = ("mild", "middle", "severe")


def plant_leaks(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Move one track of a group to another split and check that validation reports it, `n` times for each kind."""
    rows = []
    for what, reason in SIDES.items():
        for i in range(n):
            tracks = pd.DataFrame(
                {
                    "ordinal": range(120),
                    "track_id": [f"t{k}" for k in range(120)],
                    "genre": [f"g{k // 3 % 4}" for k in range(120)],
                    "tags": [[]] * 120,
                    "artist": [f"artist {k // 3}" for k in range(120)],
                    "album": [f"album {k // 3}" for k in range(120)],
                    "content_hash": [f"{k}" for k in range(120)],
                    "copy": [f"{k // 3}" for k in range(120)],
                }
            )
            rows_of = splits.assign_splits(tracks, splits.SplitPlan(seed=i)).splits
            at = int(rng.integers(len(rows_of)))
            rows_of.loc[at, "split"] = OTHER_SPLIT[str(rows_of.loc[at, "split"])]
            alone = [other for other in SIDES if other != what]
            tracks[alone] = None
            with tempfile.TemporaryDirectory() as docs:
                session = _session.Session(Path(docs))
                _, faults = session.check("splits", sides.prepare(tracks, rows_of), sides.suite("artist"))
            hit = reason in set(faults["reason"]) and rows_of.loc[at, "track_id"] in set(faults["track_id"])
            rows.append((f"{what} across splits", float("nan"), i * 3 // n, hit))
    return pd.DataFrame(rows, columns=["kind", "severity", "third", "found"])


def time_matching(sizes: tuple[int, ...] = (2_000, 20_000)) -> list[str]:
    """Time how long random fingerprints of 30 s take to match."""
    lines = []
    for n in sizes:
        rng = np.random.default_rng(0)
        prints = [rng.integers(1, 2**32, 579, dtype=np.uint32) for _ in range(n)]
        prints[-1] = prints[0][60:]
        start = time.process_time()
        matches = duplicates.find_matches(prints)
        seconds = time.process_time() - start
        lines.append(f"| matching {n:,} fingerprints ({len(matches)} copy among them) | {seconds:.2f} s |")
    return lines


def time_scanning(clip: Path, sizes: tuple[int, ...] = (200, 2_000)) -> list[str]:
    """Time many scans of one clip of 30 s, as FLAC and as stereo MP3, and measure their memory."""
    lines = []
    y, rate = soundfile.read(clip, dtype="float32")
    y = np.resize(y, 30 * rate)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        soundfile.write(root / "mono.flac", y, rate)
        fast = soxr.resample(y, rate, 44_100)
        soundfile.write(root / "stereo.mp3", np.stack([fast, np.roll(fast, 44)], axis=1), 44_100)
        for file, what in (("mono.flac", f"FLAC, mono, {rate:,} Hz"), ("stereo.mp3", "MP3, stereo, 44,100 Hz")):
            for n in sizes:
                start = time.process_time()
                for _ in range(n):
                    inventory.measure(root, file)
                speed = n / (time.process_time() - start)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                text = f"{speed:.0f} clips a second and core, {peak:.0f} MiB"
                lines.append(f"| scanning {n:,} clips of 30 s ({what}) | {text} |")
    return lines


def format_page(results: pd.DataFrame, alarms: pd.DataFrame, n_clean: int, speed: list[str]) -> str:
    """Format the page."""
    lines = [
        "# Planted faults",
        "",
        "`python -m bench.faults` plants faults in copies of clean clips, runs validation, and writes this page.",
        "Severities cover each range evenly. A fault is found if validation gives the reason of this fault, in",
        "quarantine or in a warning; a copy is found if it is matched to its original. The bounds are the",
        "defaults of `validate`, except for `min_seconds: 3`.",
        "",
        "| kind | severity | planted | found | " + " | ".join(THIRDS) + " |",
        "|---|---|--:|--:|" + "--:|" * len(THIRDS),
    ]
    for name, rows in results.groupby("kind", sort=False):
        kind = KINDS.get(str(name))
        unit = f"{kind.low:g} to {kind.high:g} {kind.unit}" if kind and kind.unit else ""
        thirds = [f"{rows.loc[rows['third'] == i, 'found'].mean():.0%}" for i in range(3)]
        lines.append(f"| {name} | {unit} | {len(rows)} | {rows['found'].mean():.0%} | {' | '.join(thirds)} |")
    lines += ["", "Mild, middle and severe are the thirds of each range, from its low end to its high end.", ""]
    lines += [f"False alarms among {n_clean:,} clean clips: {alarms['path'].nunique()}"]
    lines += [f"* {row['path']}: {row['reason']} ({row['evidence']})" for _, row in alarms.iterrows()]
    return "\n".join([*lines, "", "| what | measured |", "|---|--:|", *speed]) + "\n"


def main() -> None:
    """Render clips, plant faults, validate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clean", type=int, default=1_000)
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--root", type=Path, default=Path("data/raw/faults"), help="where clips are rendered")
    parser.add_argument("--real", type=Path, help="only list the alarms among the files of this folder")
    parser.add_argument("--out", type=Path, default=Path("docs/faults.md"))
    args = parser.parse_args()
    if args.real:
        for table in validate_folder(args.real):
            print(table.to_string())
        return
    options = synthetic.Options(n_artists=-(-args.clean // 3))
    tracks = synthetic.tracks(args.root, options, seed=99, workers=Compute().workers or 2)
    rng = np.random.default_rng(99)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        clips = []
        for path in tracks["path"][: args.clean]:
            clips.append(root / "clean" / Path(path).name)
            clips[-1].parent.mkdir(exist_ok=True)
            clips[-1].hardlink_to(args.root / path)
        plan = plant_faults(root, clips, args.instances, rng)
        quarantine, copies = validate_folder(root)
        plan["found"] = match_faults(plan, quarantine, copies)
        print(plan[~plan["found"]].to_string(), file=sys.stderr)
        alarms = quarantine[quarantine["path"].str.startswith("clean/")]
        false_copies = copies[copies["track_id"].str.startswith("clean/")].rename(columns={"track_id": "path"})
        alarms = pd.concat([alarms, false_copies.assign(reason="a copy")])
        results = pd.concat([plan, plant_leaks(args.instances, rng)])
        speed = time_scanning(clips[0]) + time_matching()
    args.out.write_text(format_page(results, alarms, args.clean, speed))


if __name__ == "__main__":
    main()
