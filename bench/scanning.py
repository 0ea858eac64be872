"""Compare the speed of two versions of the code in measuring files, by processor time, in turns.

``python -m bench.scanning --old SRC`` takes the folder ``src`` of the version to compare
with, such as a worktree's; each version runs in a process of its own. It writes a clip of
30 s in each format, or takes the files of ``--folder``, and prints the ratio of speeds:
above 1 the present version is faster.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

WORKER = """
import sys, time
from pathlib import Path
try:
    from ostinato.curation import inventory
except ImportError:  # an earlier version
    from ostinato import inventory
for line in sys.stdin:
    root, name, n = line.rstrip("\\n").split("\\t")
    start = time.process_time()
    for _ in range(int(n)):
        inventory.measure(Path(root), name)
    print(time.process_time() - start, flush=True)
"""
RATE, SECONDS = 44_100, 30


class Version:
    """A process that measures files by the code of one folder.

    Parameters
    ----------
    source : Path
        The folder that holds the package.
    """

    def __init__(self, source: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def time(self, root: Path, name: str, n: int) -> float:
        """Return the seconds of processor time of measuring a file `n` times."""
        assert self.process.stdin
        assert self.process.stdout
        print(root, name, n, sep="\t", file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def write_clips(root: Path) -> list[str]:
    """Write a clip of stereo music-like sound as MP3, FLAC and WAV; return the names."""
    t, rng = np.arange(SECONDS * RATE) / RATE, np.random.default_rng(0)
    chord = sum(np.sin(2 * np.pi * 147 * k * t * (1 + 0.001 * np.sin(t))) / k for k in (1, 2, 3, 5, 9, 20))
    y = 0.1 * chord * (1 + 0.5 * np.sin(2 * np.pi * 2 * t)) + 0.03 * rng.standard_normal(t.size)
    both = np.stack([y, np.roll(y, 44)], axis=1)
    names = ["stereo.mp3", "stereo.flac", "stereo.wav"]
    for name in names:
        soundfile.write(root / name, both, RATE)
    return names


def main() -> None:
    """Time both versions in turns and print a line for each format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", type=Path, required=True, help="folder src of the version to compare with")
    parser.add_argument("--new", type=Path, default=Path(__file__).parents[1] / "src")
    parser.add_argument("--folder", type=Path, help="measure these files instead of generated clips")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--n", type=int, default=4, help="measurements per turn")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = args.folder or Path(folder)
        names = [p.name for p in sorted(root.iterdir()) if p.is_file()] if args.folder else write_clips(root)
        versions = {"old": Version(args.old), "new": Version(args.new)}
        for name in names:
            seconds: dict[str, list[float]] = {which: [] for which in versions}
            for turn in range(args.rounds + 1):
                for which in sorted(versions, reverse=bool(turn % 2)):
                    processor_seconds = versions[which].time(root, name, args.n)
                    if turn:
                        seconds[which].append(processor_seconds / args.n)
            old, new = (float(np.median(seconds[which])) for which in ("old", "new"))
            ratios = np.array(seconds["old"]) / np.array(seconds["new"])
            low, high = np.quantile(ratios, [0.25, 0.75])
            print(
                f"{name}: {1000 * old:.1f} ms before, {1000 * new:.1f} ms now, "
                f"{np.median(ratios):.2f} times as fast (quartiles {low:.2f} to {high:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
