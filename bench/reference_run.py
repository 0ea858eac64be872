"""Write a tiny collection and run the pipeline on it without faults, as the reference for `bench.campaign`.

Each stage runs in a child of one process that has imported everything, as ``python -m ostinato`` would run it.
"""

import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import yaml
from tests.kills import Disk

import ostinato
from ostinato.errors import OstinatoError
from ostinato.io import files
from ostinato.pipeline import dvc_files
from ostinato.pipeline.forkserver import LIBRARIES

RATE = 22_050
TIMEOUT = 120.0
"""Seconds after which a stage is killed."""
PARAMS = {
    "seed": 5,
    "compute": {"workers": 1, "threads": 1},
    "dataset": {"name": "folder", "path": "music"},
    "validate": {"min_seconds": 1.0, "max_broken_share": 0.5},
    "features": {"shard_tracks": 8, "kinds": {"mfcc13": {}, "mfcc": {}}},
    "train": {"max_epochs": 2, "patience": 2, "chunk_frames": 24, "batch_size": 8},
    "tune": {"n_trials": 2, "max_epochs": 1},
    "stacking": {"folds": 2},
    "candidates": {
        name: {"architecture": "mlp", "feature": "mfcc13", "task": "genre", "network": {"hidden": [width]}}
        for name, width in (("narrow", 4), ("wide", 8))
    },
    "estimators": {"svm": {"estimator": "mfcc_svm", "feature": "mfcc", "task": "genre", "n_trials": 2}},
    "stacked": {"stack": {"architecture": "timefreq", "task": "genre", "n_trials": 0}},
    "members": {f"stack.{name}": {"of": "stack", "member": name} for name in ("narrow", "wide")},
    "numbers": {},
    "regressions": {},
    "paper": {},
    "gate": {"genre": {"f1_micro": {"min": 0.0}}, "space": {"map": {"min": 0.0}}},
}
PROJECT = Path(__file__).parents[1]
HUNG = -1000
"""Status of a command that timed out."""
RELEASE, REPORT, HASHES = "release", "report", ".ostinato/campaign.json"


# ------------------------------------------------------------------------------------------------- the collection


def render(path: Path, pitch: float, n_samples: int, seed: int) -> None:
    """Write a tone with tremolo."""
    rng, t = np.random.default_rng(seed), np.arange(n_samples) / RATE
    tone = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 9)) * (1 + 0.5 * np.sin(2 * np.pi * 3 * t))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.2 * tone + 0.002 * rng.standard_normal(n_samples), RATE)


def make_collection(folder: Path, *, changed: bool) -> None:
    """Write 24 short clips of three genres; with `changed`, one differs, two are new and one is gone."""
    for genre, pitch in (("blues", 110.0), ("jazz", 311.0), ("rock", 830.0)):
        for i in range(8 + (changed and genre != "rock")):
            path = folder / genre / f"Artist {genre} {i // 2} - Song {i}.wav"
            is_other = changed and (genre, i) == ("jazz", 3)
            render(path, pitch * (1 + 0.04 * i + 0.3 * is_other), RATE + 2205 * (i % 3), i + 100 * is_other)
            os.utime(path, (1e9, 1e9))  # the changed clip has the size and time of the one before
    if changed:
        (folder / "rock" / "Artist rock 3 - Song 7.wav").unlink()


def make_project(root: Path) -> set[str]:
    """Write params.yaml and dvc.yaml without the dependencies on code; return the outputs that DVC leaves in place."""
    own = yaml.safe_load((PROJECT / "params.yaml").read_text())
    root.mkdir(parents=True)
    (root / "params.yaml").write_text(yaml.safe_dump(own | PARAMS))
    graph = yaml.safe_load((PROJECT / "dvc.yaml").read_text())
    persistent = set()
    for stage in graph["stages"].values():
        body = stage.get("do", stage)
        body["deps"] = [path for path in body["deps"] if not path.startswith("src/")]
        outs = [out for out in body.get("outs", ()) if isinstance(out, dict)]
        persistent |= {name for out in outs for name, options in out.items() if options.get("persist")}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": graph["stages"]}, sort_keys=False))
    shutil.copy(PROJECT / ".dvcignore", root)
    return persistent


# ---------------------------------------------------------------------------------------------------- processes


@dataclass
class Ending:
    """How a command ended: its status, negative for a signal, and its output."""

    status: int
    text: str


Prepare = Callable[[Path], object]


def import_all() -> None:
    """Import what stages import, before children are forked."""
    modules = [m.name for m in pkgutil.walk_packages(ostinato.__path__, "ostinato.") if "__main__" not in m.name]
    for name in (*LIBRARIES, *modules, "great_expectations"):
        importlib.import_module(name)
    torch.set_num_threads(1)


@dataclass
class Running:
    """A command in a child: its process id, and the pipe with its output."""

    pid: int
    output: int


def start(root: Path, words: Sequence[str], prepare: Prepare | None = None) -> Running:
    """Run a command of ostinato in a child."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        os.set_blocking(reading, False)
        return Running(pid, reading)
    status = 1
    try:
        os.setpgid(0, 0)
        os.chdir(root)
        os.dup2(writing, 2)
        os.dup2(writing, 1)
        sys.argv = ["ostinato", *words]
        files.PAUSES = (0.0, 0.0)
        import ostinato.__main__ as command

        if prepare is not None:
            prepare(root)
        command.main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def wait(running: Running) -> Ending:
    """Wait for a child to end, and read its output."""
    deadline, text, status = time.monotonic() + TIMEOUT, b"", None
    while status is None:
        pid, ended = os.waitpid(running.pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(ended) if pid else None
        with suppress(BlockingIOError):
            while part := os.read(running.output, 1 << 16):
                text += part
        if time.monotonic() > deadline:
            os.kill(running.pid, signal.SIGKILL)
            os.waitpid(running.pid, 0)
            status = HUNG
        time.sleep(0.004)
    os.close(running.output)
    return Ending(status, text.decode(errors="replace"))


def run(root: Path, words: Sequence[str], prepare: Prepare | None = None) -> Ending:
    """Run a command of ostinato in a child."""
    return wait(start(root, words, prepare))


# --------------------------------------------------------------------------------------------- the reference run


@dataclass
class Step:
    """A stage of the reference run: the project before and after it, and its counts of disk writes and reads."""

    name: str
    words: tuple[str, ...]
    outs: tuple[str, ...]
    before: Path
    after: Path
    n_steps: int
    n_reads: int

    @property
    def group(self) -> str:
        """Its name in dvc.yaml."""
        return self.name.partition("@")[0]


@dataclass
class ReferenceRun:
    """Two runs of the whole pipeline, the second after the collection has changed.

    Parameters
    ----------
    folder : Path
        Folder for copies of the project.

    Attributes
    ----------
    persistent : set of str
        Outputs that DVC leaves in place.
    steps : list of Step
    stages : dict of str to Stage
    finals, locks : list
        The project after each run, and what dvc.lock would record of it.
    """

    folder: Path
    persistent: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    stages: dict[str, dvc_files.Stage] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    finals: list[Path] = field(default_factory=list)
    locks: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> None:
        """Run the whole pipeline twice."""
        root, lock = self.folder / "project", dict[str, Any]()
        self.persistent = make_project(root)
        self.stages = dvc_files.read_stages(root)
        self.order = list(dvc_files.find_upstream(self.stages))
        for changed in (False, True):
            make_collection(root / "music", changed=changed)
            before = self.copy_project(root, f"start{changed:d}")
            for name in [*self.order, RELEASE, REPORT]:  # which says what is in service
                is_stale = name == REPORT and self.steps[-1].name == RELEASE
                if name == RELEASE or is_stale or find_due(root, {name: self.stages[name]}, lock):
                    before = self._run_stage(root, name, before)
                    if name != RELEASE:
                        lock[name] = read_entry(root, self.stages[name])
            self.finals.append(before)
            self.locks.append(dict(lock))

    def _run_stage(self, root: Path, name: str, before: Path) -> Path:
        stage = self.stages.get(name)
        words = (RELEASE,) if stage is None else tuple(stage.command.split()[3:])
        outs = () if stage is None else stage.outs
        self.remove_outs(root, outs)
        counts = self.folder / "counts.json"
        ending = run(root, words, lambda root: count_steps(root, counts))
        if ending.status:
            raise SystemExit(f"{name} failed without a fault:\n{ending.text}")
        self.steps.append(
            Step(
                name,
                words,
                outs,
                before,
                self.copy_project(root, f"{len(self.steps):03d}"),
                *json.loads(counts.read_text()),
            )
        )
        return self.steps[-1].after

    def copy_project(self, root: Path, name: str) -> Path:
        """Keep a copy of a project."""
        return Path(shutil.copytree(root, self.folder / name))

    def remove_outs(self, root: Path, outs: Sequence[str]) -> None:
        """Remove outputs as DVC does before it runs a stage."""
        for out in outs:
            path = root / out
            if path.is_dir() and out not in self.persistent:
                shutil.rmtree(path)
            elif out not in self.persistent:
                path.unlink(missing_ok=True)


def count_steps(root: Path, path: Path) -> None:
    """Make a child count its writes and reads, and write the counts into a file at its end."""
    disk, leave = Disk(root), os._exit

    def end(status: int) -> None:
        path.write_text(json.dumps([disk.n_steps, len(disk.opened)]))
        leave(status)

    os._exit = end  # type: ignore[assignment]


def find_due(root: Path, stages: dict[str, dvc_files.Stage], lock: dict[str, Any]) -> list[str]:
    """List the stages that DVC would run now."""
    return list(dvc_files.find_changes(stages, lock, dvc_files.Hashes(root, root / HASHES)))


def read_entry(root: Path, stage: dvc_files.Stage) -> dict[str, Any]:
    """Return what a stage read and wrote, as dvc.lock records it."""
    digests = dvc_files.Hashes(root, root / HASHES).compute((*stage.deps, *stage.outs))
    params, values = yaml.safe_load((root / "params.yaml").read_text()), dict[str, Any]()
    for key in stage.params:
        with suppress(OstinatoError):
            values[key] = dvc_files._look_up(key, params)
    listed = {kind: [{"path": p, "md5": digests[p]} for p in getattr(stage, kind)] for kind in ("deps", "outs")}
    return {"cmd": stage.command, "params": {"params.yaml": values}} | listed
