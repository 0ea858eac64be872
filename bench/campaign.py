"""Inject faults into the pipeline and check that each ends in the right bytes or in an error that says what to do.

``python -m bench.campaign --hours 8 --seed 1`` (or ``--faults 500``) writes a tiny collection and runs the pipeline
of dvc.yaml on it without faults, stage by stage and once more after the collection has changed, and keeps a copy of
the project before and after each stage. Then it injects one fault after another, each into one stage on a fresh copy,
runs the stage again as ``dvc repro`` would, and compares all of data/ and models/ with the run without faults:

* ``kill``: SIGKILL in the middle of a write, or before a rename, a removal ... (any step of `tests.kills`)
* ``power``: the same, and files that were not synced to the disk are cut to half
* ``restarts``: SIGINT, SIGTERM or SIGKILL up to three times in a row
* ``full disk``: no space left from some write on, by a small tmpfs where this user may mount one, else by ENOSPC
* ``file limit``: no file may grow beyond some size (RLIMIT_FSIZE)
* ``read error``: one of the files that the stage reads gives EIO
* ``flipped byte``: one byte of a file of data/ or models/ changes, of each kind of file in turn; then all
  stages that DVC would run
* ``silent flip``: the same with unchanged size, time and inode, in files that hold their own checksums; then
  the stages that read them
* ``flipped audio``: a byte of a recording is wrong for one run, and right again in the next
* ``clock``: half of the files have times years away, and the clock jumps in the middle of the stage
* ``duplicate``: the stage is started twice at once

It prints counts by fault, and for each loss the options that repeat it: ``--seed S --only N``. The exit status is 1
if anything was lost.
"""

import argparse
import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
from bench.reference_run import RELEASE, Ending, ReferenceRun, Step, find_due, import_all, read_entry, run, start
from bench.reference_run import wait as await_end
from tests.kills import GROWING, Disk, Half

from ostinato.io.files import read_json
from ostinato.training.settings import derive

TRIES = 4
EVERY = 50
"""Number of faults after which progress is printed."""
REFUSED = 2
"""Exit status of a refusal with a message."""
STATE = (".ostinato", "data/docs", "data/docs_split", "music")
"""What is not compared: resume points, pages with dates, and the collection itself."""
PATH_PATTERN = re.compile(r"(/[^\s:;'`]+|[\w@.-]+\.[a-z]{2,11})\b")
BUSY_PATTERN = re.compile(r"another run is doing the same \(process \d+\); wait for it or stop it: `kill \d+`")
ADVICE = re.compile(
    r"\b(run|free|delete|restore|bring|make|see|wait|stop|raise|let|mend|replace|lower|remove|check|correct|fix|set|use|write)\b",
    re.I,
)
VERDICT = "models/verdict.json"
YEARS = 365.25 * 86_400
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class LossError(Exception):
    """A fault ended in wrong bytes, or in an error that does not name the file and what to do."""


@dataclass
class Case:
    """One fault: the project that it is injected into, and its random numbers.

    Parameters
    ----------
    reference : ReferenceRun
    root : Path
        Empty folder to work in.
    rng : numpy.random.Generator
    can_mount : bool
    """

    reference: ReferenceRun
    root: Path
    rng: np.random.Generator
    can_mount: bool
    n_refused: int = 0
    about: str = ""

    def choose_step(self, *names: str) -> Step:
        """Choose a stage, each group of dvc.yaml as likely as the others, and copy the project as it was before it."""
        groups = sorted({step.group for step in self.reference.steps if not names or step.group in names})
        group = groups[self.rng.integers(len(groups))]
        steps = [step for step in self.reference.steps if step.group == group]
        step = steps[self.rng.integers(len(steps))]
        self.copy(step.before)
        self.about = step.name
        return step

    def copy(self, source: Path) -> None:
        """Copy a project, with the times of its files."""
        shutil.copytree(source, self.root, dirs_exist_ok=True)

    def repeat(self, step: Step, prepare: Callable[[Path], object] | None = None) -> Ending:
        """Run a stage as `dvc repro` does."""
        self.reference.remove_outs(self.root, step.outs)
        return run(self.root, step.words, prepare)

    def accept(self, ending: Ending) -> bool:
        """Return whether a command succeeded; raise LossError if it failed without a proper message."""
        if ending.status == 0:
            return True
        text = ending.text.strip()
        is_clear = BUSY_PATTERN.search(text) or (PATH_PATTERN.search(text) and ADVICE.search(text))
        if ending.status != REFUSED or "Traceback" in text or not is_clear:
            raise LossError(
                f"status {ending.status}, not a refusal that names the file and what to do:\n{text[-2500:]}"
            )
        self.n_refused += 1
        return False

    def finish(self, step: Step) -> None:
        """Run a stage until it succeeds, and compare the results with those of the reference run."""
        for _ in range(TRIES):
            ending = self.repeat(step)
            if self.accept(ending):
                return self.compare(step.after)
            self.follow(ending.text)
        raise LossError(f"refused again and again:\n{ending.text[-2500:]}")

    def follow(self, text: str) -> None:
        """Delete the files that a refusal names and asks to delete."""
        if "delete" in text:
            for name in PATH_PATTERN.findall(text):
                path = self.root / name
                if path.is_relative_to(self.root) and path.is_file() and "params.yaml" not in name:
                    path.unlink()

    def repro(self, lock: dict[str, Any]) -> None:
        """Run the stages that are out of date, as `dvc repro` does, and follow the advice of refusals."""
        stages, lock = self.reference.stages, dict(lock)
        for name in self.reference.order:
            for _ in range(TRIES):
                if not find_due(self.root, {name: stages[name]}, lock):
                    break
                self.reference.remove_outs(self.root, stages[name].outs)
                ending = run(self.root, stages[name].command.split()[3:])
                if self.accept(ending):
                    lock[name] = read_entry(self.root, stages[name])
                    break
                self.follow(ending.text)
            else:
                raise LossError(f"{name} is refused again and again:\n{ending.text[-2500:]}")

    def compare(self, expected: Path) -> None:
        """Raise LossError if the results differ from those of the reference run."""
        mine, other = read_results(self.root), read_results(expected)
        differing = sorted(name for name in mine.keys() | other.keys() if mine.get(name) != other.get(name))
        if differing:
            how = [
                f"{n} ({'differs' if n in mine and n in other else 'gone' if n in other else 'left'})"
                for n in differing
            ]
            raise LossError(f"{len(how)} files differ from the reference run: {', '.join(how[:8])}")


def read_results(root: Path) -> dict[str, Any]:
    """Read all results; of a release only what does not depend on the speed of the machine."""
    results: dict[str, Any] = {}
    for top in ("data", "models"):
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_dir() or path.name.endswith(".partial") or any(name.startswith(f"{s}/") for s in STATE):
                continue
            results[name] = path.read_bytes()
            if name.startswith("models/released/") and path.name == "release.json":
                about = read_json(path)
                results[name] = [about.get(key) for key in ("version", "network", "files")]
            elif name == VERDICT:
                results[name] = {task: v["released"] for task, v in read_json(path).items()}
    return results


# -------------------------------------------------------------------------------------------------------- faults


def kill_stage(case: Case) -> None:
    """Kill a stage in the middle of a step."""
    step = case.choose_step()
    at = int(case.rng.integers(1, step.n_steps + 1))
    case.about += f", step {at} of {step.n_steps}"
    end_at(case, step, at)
    case.finish(step)


def cut_power(case: Case) -> None:
    """Kill a stage, and lose what was not synced to the disk."""
    step = case.choose_step()
    at = int(case.rng.integers(1, step.n_steps + 1))
    case.about += f", step {at} of {step.n_steps}"
    end_at(case, step, at, with_power=False)
    case.finish(step)


def restart(case: Case) -> None:
    """Stop a stage two or three times in a row."""
    step = case.choose_step()
    for _ in range(int(case.rng.integers(2, 4))):
        at = int(case.rng.integers(1, step.n_steps + 1))
        number = SIGNALS[case.rng.integers(len(SIGNALS))]
        case.about += f", {number.name} at {at} of {step.n_steps}"
        end_at(case, step, at, number=number)
    case.finish(step)


def end_at(
    case: Case, step: Step, at: int, *, with_power: bool = True, number: signal.Signals = signal.SIGKILL
) -> None:
    """Send a stage a signal at one of its steps."""

    def fault(disk: Disk, name: str, path: Path, half: Half) -> None:
        if disk.n_steps == at:
            if half is not None and number == signal.SIGKILL:
                half()
            if not with_power:
                disk.lose_unsynced()
            os.kill(os.getpid(), number)

    ending = case.repeat(step, lambda root: Disk(root, fault=fault))
    if number == signal.SIGKILL and ending.status not in (0, -signal.SIGKILL):
        case.accept(ending)


def fill_disk(case: Case) -> None:
    """Make writes fail for lack of space, from some write on."""
    step = case.choose_step()
    if case.can_mount:
        run_on_small_disk(case, step)
    else:
        at = int(case.rng.integers(1, step.n_steps + 1))
        case.about += f", from step {at} of {step.n_steps}"

        def fault(disk: Disk, name: str, path: Path, half: Half) -> None:
            if disk.n_steps >= at and name in GROWING:
                if half is not None and disk.n_steps == at:
                    half()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        case.accept(case.repeat(step, lambda root: Disk(root, fault=fault)))
    case.finish(step)


def run_on_small_disk(case: Case, step: Step) -> None:
    """Run a stage on a small disk with room for only part of what it writes, and copy the files back."""
    used, needed = measure_pages(step.before), measure_pages(step.after)
    size = used + int(case.rng.random() * max(needed - used, needed // 4))
    case.about += f", {(size - used) >> 10} KiB free"
    place, kept = case.root, case.root.with_name("kept")
    shutil.rmtree(kept, ignore_errors=True)
    place.rename(kept)
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        shutil.copytree(kept, place, dirs_exist_ok=True)
        case.accept(case.repeat(step))
        shutil.rmtree(kept)
        shutil.copytree(place, kept)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    place.rmdir()
    kept.rename(place)


def measure_pages(folder: Path) -> int:
    """Measure the disk space of files in pages of 4 KiB; folders take none."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def limit_files(case: Case) -> None:
    """Limit the size that a file may grow to."""
    step = case.choose_step()
    most = max(path.stat().st_size for path in step.after.rglob("*") if path.is_file())
    size = int(most ** case.rng.random())
    case.about += f", {size} bytes"

    def limit(root: Path) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    ending = case.repeat(step, limit)
    if ending.text or ending.status == 0:  # what the limit let the child say
        case.accept(ending)
    case.finish(step)


def fail_reading(case: Case) -> None:
    """Give EIO for one of the files that a stage reads."""
    step = case.choose_step()
    place = int(case.rng.integers(step.n_reads))

    def prepare(root: Path) -> None:
        Disk(root).unreadable = place

    case.about += f", file {place} of {step.n_reads}"
    case.accept(case.repeat(step, prepare))
    case.finish(step)


def flip_byte(case: Case) -> None:
    """Change a byte of a result or intermediate file, and run what DVC would run."""
    n = int(case.rng.integers(len(case.reference.finals)))
    case.copy(case.reference.finals[n])
    path = choose_file(case, ["data/**/*", "models/**/*"])
    released = case.root / "models" / "released"
    if path.is_relative_to(released):
        check_service(case, path)
        return
    flip(case, path)
    case.repro(case.reference.locks[n])
    case.compare(case.reference.finals[n])


def check_service(case: Case, path: Path) -> None:
    """Run predict and release before and after a file of the model in service changes."""
    clip = next(path for path in sorted((case.root / "music").rglob("*.wav")))
    words = ("predict", "--json", str(clip.relative_to(case.root)))
    expected = run(case.root, words)
    flip(case, path)
    ending = run(case.root, words)
    if case.accept(ending) and ending.text != expected.text:
        raise LossError(f"{path} changed, and the answer changed:\n{ending.text}\n{expected.text}")
    ending = run(case.root, (RELEASE,))
    if ending.status == 3 and str(path.name) in ending.text and ADVICE.search(ending.text):
        case.n_refused += 1
    else:
        case.accept(ending)


def flip_silently(case: Case) -> None:
    """Change a byte but neither size, time nor inode, so that only checksums can tell; run a stage that reads it."""
    step = case.choose_step("tune", "train", "tune_estimator", "infer", "evaluate", "rank", "split", RELEASE)
    stage = case.reference.stages.get(step.name)
    read = stage.deps if stage else ("models/predictions", "data/interim")
    path = choose_file(case, [*read, *(f"{dep}/**/*" for dep in read)], suffixes=(".npy", ".parquet"))
    status = path.stat()
    flip(case, path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    ending = case.repeat(step)
    if case.accept(ending):
        shutil.copy2(step.before / path.relative_to(case.root), path)
        case.compare(step.after)
    else:
        if path.name not in ending.text:
            raise LossError(f"the refusal does not name {path}:\n{ending.text}")
        shutil.copy2(step.before / path.relative_to(case.root), path)
        case.finish(step)


def choose_file(case: Case, patterns: Sequence[str], suffixes: Sequence[str] = ()) -> Path:
    """Choose a file, each suffix as likely as the others."""
    paths = sorted({path for pattern in patterns for path in case.root.glob(pattern) if path.is_file()})
    passed = [case.root / name for name in (*STATE, VERDICT) if name != "music"]  # no stage reads or writes the verdict
    paths = [path for path in paths if path.stat().st_size and not any(map(path.is_relative_to, passed))]
    known = sorted({path.suffix for path in paths} & (set(suffixes) or {path.suffix for path in paths}))
    suffix = known[case.rng.integers(len(known))]
    alike = [path for path in paths if path.suffix == suffix]
    return alike[case.rng.integers(len(alike))]


def flip(case: Case, path: Path) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    place = int(case.rng.integers(len(content)))
    content[place] ^= int(case.rng.integers(1, 256))
    path.write_bytes(content)
    case.about += f" byte {place} of {path.relative_to(case.root)}"


def flip_audio(case: Case) -> None:
    """Change a byte of a recording for one run."""
    case.copy(case.reference.finals[-1])
    path = choose_file(case, ["music/**/*.wav"])
    content = path.read_bytes()
    flip(case, path)
    for name in ("ingest", "featurize"):
        if not case.accept(run(case.root, (name,))):
            break
    path.write_bytes(content)
    case.repro(case.reference.locks[-1])
    case.compare(case.reference.finals[-1])


def jump_clock(case: Case) -> None:
    """Give half of the files times years away, and set the clock in the middle of a stage."""
    step = case.choose_step()
    at = int(case.rng.integers(1, step.n_steps + 1))
    paths = sorted(path for path in case.root.rglob("*") if path.is_file())
    for path in paths:
        if case.rng.random() < 0.5:
            when = time.time() + YEARS * case.rng.uniform(-20, 20)
            os.utime(path, (when, when))
    jump = YEARS * case.rng.uniform(-10, 10)
    case.about += f", {jump / YEARS:+.1f} years at step {at} of {step.n_steps}"

    def fault(disk: Disk, name: str, path: Path, half: Half) -> None:
        if disk.n_steps == at:
            clock, clock_ns = time.time, time.time_ns
            time.time = lambda: clock() + jump
            time.time_ns = lambda: clock_ns() + int(jump * 1e9)

    if case.accept(case.repeat(step, lambda root: Disk(root, fault=fault))):
        case.compare(step.after)
    case.finish(step)


def start_twice(case: Case) -> None:
    """Start a stage while it runs."""
    step = case.choose_step()
    case.reference.remove_outs(case.root, step.outs)
    first = start(case.root, step.words)
    delay = float(case.rng.random() ** 2)
    case.about += f", after {delay:.2f} s"
    time.sleep(delay)
    second = start(case.root, step.words)
    endings = [await_end(first), await_end(second)]
    if not any([case.accept(ending) for ending in endings]):
        raise LossError(f"both were refused:\n{endings[0].text}\n{endings[1].text}")
    case.compare(step.after)


FAULTS: dict[str, Callable[[Case], None]] = {
    "kill": kill_stage,
    "power": cut_power,
    "restarts": restart,
    "full disk": fill_disk,
    "file limit": limit_files,
    "read error": fail_reading,
    "flipped byte": flip_byte,
    "silent flip": flip_silently,
    "flipped audio": flip_audio,
    "clock": jump_clock,
    "duplicate": start_twice,
}


# --------------------------------------------------------------------------------------------------------- main


def can_mount(folder: Path) -> bool:
    """Return whether this user may mount a tmpfs."""
    folder.mkdir()
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if result.returncode == 0:
        subprocess.run(["umount", str(folder)], check=True)
    return result.returncode == 0


def inject_fault(reference: ReferenceRun, folder: Path, seed: int, n: int, is_mounting: bool) -> tuple[str, Case, str]:
    """Inject the n-th fault into a stage; return its kind, the case and what was lost."""
    kinds = list(FAULTS)
    kind = kinds[n % len(kinds)]
    root = folder / "faulty"
    shutil.rmtree(root, ignore_errors=True)
    case = Case(reference, root, np.random.default_rng(derive(seed, "campaign", n)), is_mounting)
    try:
        FAULTS[kind](case)
    except LossError as error:
        return kind, case, str(error)
    return kind, case, ""


@dataclass
class Counts:
    """How many faults of each kind were injected, refused with a message on the way, and lost."""

    injected: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, case: Case, loss: str) -> None:
        """Count a fault."""
        self.injected[kind] += 1
        self.refused[kind] += bool(case.n_refused)
        self.lost[kind] += bool(loss)

    def __str__(self) -> str:
        """Return a table with a line for each kind."""
        lines = [f"{'fault':16}{'injected':>10}{'refused':>9}{'lost':>6}"]
        lines += [f"{kind:16}{self.injected[kind]:10}{self.refused[kind]:9}{self.lost[kind]:6}" for kind in FAULTS]
        totals = (self.injected.total(), self.refused.total(), self.lost.total())
        return "\n".join([*lines, f"{'all':16}{totals[0]:10}{totals[1]:9}{totals[2]:6}"])


def run_campaign(folder: Path, seed: int, numbers: Iterable[int], end: float) -> Counts:
    """Inject faults until the numbers or the time run out, or Ctrl-C is pressed."""
    counts = Counts()
    import_all()
    reference = ReferenceRun(folder / "reference")
    reference.run()
    is_mounting = can_mount(folder / "mount")
    disk = "a tmpfs" if is_mounting else "ENOSPC"
    print(f"{len(reference.steps)} stages in the reference run; a full disk is {disk}", flush=True)
    with suppress(KeyboardInterrupt):
        for n in takewhile(lambda _: time.monotonic() < end, numbers):
            kind, case, loss = inject_fault(reference, folder, seed, n, is_mounting)
            counts.note(kind, case, loss)
            if loss:
                print(f"LOST: --seed {seed} --only {n}: {kind}: {case.about}: {loss}", flush=True)
            if counts.injected.total() % EVERY == 0:
                print(f"{counts.injected.total()} injected, {counts.lost.total()} lost", flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, help="number of faults; default: 110 unless --hours is given")
    parser.add_argument("--hours", type=float, help="stop after so many hours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="+", help="repeat these faults of the seed")
    parser.add_argument("--kinds", nargs="+", choices=list(FAULTS), help="inject only faults of these kinds")
    args = parser.parse_args()
    end = time.monotonic() + 3600 * args.hours if args.hours else float("inf")
    most = args.faults or (110 if args.hours is None else sys.maxsize)
    chosen = args.kinds or list(FAULTS)
    every = (n for n in range(sys.maxsize) if list(FAULTS)[n % len(FAULTS)] in chosen)
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        counts = run_campaign(Path(name), args.seed, args.only or islice(every, most), end)
    print(counts)
    sys.exit(bool(counts.lost.total()))


if __name__ == "__main__":
    main()
