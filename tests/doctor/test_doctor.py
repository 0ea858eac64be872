"""`ostinato doctor` finds each defect that is planted, names its mend, and calls a sound machine sound."""

import importlib
import json
import locale
import resource
import shutil
import socket
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.core import extras
from ostinato.doctor import CHECKS, Machine, diagnose
from ostinato.doctor.machine import read_available_memory, read_core_quota
from ostinato.io.files import write_json
from ostinato.io.versions import compute_digests
from serving.served_project import Served

ROOT = Path(__file__).parents[2]
Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture(scope="module")
def released_models(tmp_path_factory) -> Path:
    """Write a released model with its hashes, and a catalog."""
    served = Served(tmp_path_factory.mktemp("released"))
    served.catalog()
    for folder in (served.genre, served.root / "catalog"):
        names = [file.name for file in folder.iterdir()]
        write_json(folder / "release.json", {"version": 1, "files": compute_digests(folder, names)})
    shutil.move(served.root / "catalog", served.releases / "catalog")
    return served.releases


@pytest.fixture
def machine(tmp_path, released_models, metadata) -> Machine:
    """Return a project on a sound machine."""
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", root)
    shutil.copytree(released_models, root / "released")
    (tmp_path / "remote").mkdir()
    (root / ".dvc" / "config").write_text(
        f"[core]\n    remote = shelf\n['remote \"shelf\"']\n    url = {tmp_path / 'remote'}\n"
    )
    for name, text in {"cpu.max": "max 100000", "memory.max": "max"}.items():
        (tmp_path / "cgroup").mkdir(exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/\n")
    (proc / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n")
    environ = {"HOME": str(tmp_path)}
    return Machine(root, root / "released", environ, proc, tmp_path / "cgroup")


def find_defects(machine: Machine) -> list:
    return [finding for finding in diagnose(machine) if finding.state in ("warning", "error")]


def find_closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def give(machine: Machine, **environ: str) -> Machine:
    return replace(machine, environ=dict(machine.environ) | environ)


def old_python(machine, patch):
    patch.setattr(sys, "version_info", (3, 10, 4))


def missing_package(machine, patch):
    patch.setattr(extras, "_is_installed", lambda name: name != "voyager")


def wheel_of_another_machine(machine, patch):
    load = importlib.import_module

    def refuse(name, *more):
        if name == "soxr":
            raise ImportError("soxr_ext.so: wrong ELF class: ELFCLASS32")
        return load(name, *more)

    patch.setattr(importlib, "import_module", refuse)


def half_an_extra(machine, patch):
    patch.setattr(extras, "_is_installed", lambda name: name != "prometheus-client")


def torch_without_cuda(machine, patch):
    (machine.proc / "driver" / "nvidia").mkdir(parents=True)
    (machine.proc / "driver" / "nvidia" / "version").write_text("NVRM version: 580")
    patch.setattr("torch.version.cuda", None)


def torch_that_finds_no_gpu(machine, patch):
    torch_without_cuda(machine, patch)
    patch.setattr("torch.version.cuda", "13.0")


def broken_torch(machine, patch):
    load = importlib.import_module

    def refuse(name, *more):
        if name == "torch":
            raise OSError("libc10.so: cannot open shared object file")
        return load(name, *more)

    patch.setattr(importlib, "import_module", refuse)


def libsndfile_without_mp3(machine, patch):
    patch.setattr("soundfile.available_formats", lambda: {"WAV": "", "FLAC": "", "OGG": "", "AIFF": ""})


def ffmpeg_without_aac(machine, patch):
    patch.setattr("av.codecs_available", {"alac", "opus", "mp3", "vorbis", "wavpack"})


def fewer_cores_than_affinity(machine, patch):
    patch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    (machine.cgroup / "cpu.max").write_text("150000 100000")


def little_memory(machine, patch):
    (machine.cgroup / "memory.max").write_text(str(300 << 20))


def full_disk(machine, patch):
    patch.setattr(shutil, "disk_usage", lambda place: Usage(1 << 40, 1 << 40, 5 << 20))


def no_temporary_folder(machine, patch):
    return give(machine, TMPDIR="/nonexistent")


def no_home(machine, patch):
    return replace(machine, environ={})


def read_only_home(machine, patch):
    return give(machine, HOME="/proc/1")


def few_files(machine, patch):
    patch.setattr(resource, "getrlimit", lambda what: (256, 256))


def no_utf8(machine, patch):
    patch.setattr(locale, "getpreferredencoding", lambda *given: "ANSI_X3.4-1968")


def clock_in_the_past(machine, patch):
    patch.setattr(time, "time", lambda: 1_000_000.0)


def unknown_parameter(machine, patch):
    (machine.root / "params.yaml").write_text("sede: 1\n" + (ROOT / "params.yaml").read_text())


def remote_that_is_gone(machine, patch):
    (machine.root.parent / "remote").rmdir()


def remote_that_is_not_described(machine, patch):
    (machine.root / ".dvc" / "config").write_text("[core]\n    remote = shelf\n")


def damaged_dvc_config(machine, patch):
    (machine.root / ".dvc" / "config").write_text("remote = shelf\n")


def prefect_that_is_down(machine, patch):
    return give(machine, PREFECT_API_URL=f"http://127.0.0.1:{find_closed_port()}/api")


def database_that_is_down(machine, patch):
    url = f"postgresql+asyncpg://user:secret@127.0.0.1:{find_closed_port()}/prefect"
    return give(machine, PREFECT_API_DATABASE_CONNECTION_URL=url)


def database_without_its_driver(machine, patch):
    return give(machine, PREFECT_API_DATABASE_CONNECTION_URL="postgresql+nosuchdriver://user:secret@localhost/prefect")


def short_key(machine, patch):
    return give(machine, OSTINATO_API_KEY="secret")


def other_network(machine, patch):
    with (machine.models / "genre" / "network.onnx").open("ab") as file:
        file.write(b"\0")


def damaged_pointer(machine, patch):
    (machine.models / "tags" / "current.json").write_text("{")


def damaged_catalog(machine, patch):
    with (machine.models / "catalog" / "vectors.npy").open("r+b") as file:
        file.seek(200)
        file.write(b"\xff" * 8)


DEFECTS = [
    (old_python, "python", "error", "3.11"),
    (missing_package, "packages", "error", "voyager"),
    (wheel_of_another_machine, "packages", "error", "soxr cannot be imported: soxr_ext.so: wrong ELF class"),
    (half_an_extra, "extras", "warning", "[serve] is there in part: it lacks prometheus-client"),
    (broken_torch, "torch", "error", "libc10.so"),
    (torch_without_cuda, "torch", "warning", "without CUDA"),
    (torch_that_finds_no_gpu, "torch", "warning", "finds no GPU"),
    (libsndfile_without_mp3, "decoders", "error", "reads no MP3"),
    (ffmpeg_without_aac, "decoders", "warning", "reads no aac"),
    (fewer_cores_than_affinity, "cores", "warning", "1.5 of 8 cores"),
    (little_memory, "memory", "warning", "0.3 GiB available in the cgroup"),
    (full_disk, "disk", "error", "0.0 GiB free"),
    (no_temporary_folder, "temporary", "error", "/nonexistent"),
    (no_home, "home", "warning", "neither HOME nor XDG_CACHE_HOME"),
    (read_only_home, "home", "warning", "cannot be written to"),
    (few_files, "files", "warning", "256 files"),
    (no_utf8, "locale", "warning", "ANSI_X3.4-1968"),
    (clock_in_the_past, "clock", "error", "before this package was installed"),
    (unknown_parameter, "params", "error", "sede"),
    (remote_that_is_gone, "remote", "error", "is not there"),
    (remote_that_is_not_described, "remote", "error", "shelf, which is not described"),
    (damaged_dvc_config, "remote", "error", "cannot be read"),
    (prefect_that_is_down, "prefect", "error", "refused"),
    (database_that_is_down, "database", "error", "refused"),
    (database_without_its_driver, "database", "error", "nosuchdriver"),
    (short_key, "key", "error", "is short"),
    (other_network, "models", "error", "is not the file that was released"),
    (damaged_pointer, "models", "error", "current.json"),
    (damaged_catalog, "catalog", "error", "vectors.npy"),
]


def test_a_sound_machine_has_no_defect(machine) -> None:
    assert find_defects(machine) == []
    assert {finding.check for finding in diagnose(machine)} == {check.__name__[6:] for check in CHECKS}


@pytest.mark.parametrize(("plant", "check", "state", "words"), DEFECTS, ids=[d[0].__name__ for d in DEFECTS])
def test_a_planted_defect_is_found_and_only_that(machine, monkeypatch, plant, check, state, words) -> None:
    planted = plant(machine, monkeypatch) or machine
    defects = find_defects(planted)
    assert {(d.check, d.state) for d in defects} == {(check, state)}
    assert any(words in f"{d.text} {d.mend}" for d in defects)
    assert all(d.mend for d in defects)
    assert "secret" not in "".join(d.text + d.mend for d in defects) or check == "key"


def test_limits_of_both_generations_of_cgroups_count(machine) -> None:
    inner = machine.cgroup / "system.slice" / "music.service"
    inner.mkdir(parents=True)
    (machine.proc / "self" / "cgroup").write_text("0::/system.slice/music.service\n")
    (inner.parent / "cpu.max").write_text("50000 100000")
    (inner / "memory.max").write_text("2147483648")
    assert read_core_quota(machine) == 0.5
    assert read_available_memory(machine) == (2147483648, " in the cgroup")
    old = replace(machine, cgroup=machine.cgroup / "old")
    (machine.proc / "self" / "cgroup").write_text("4:cpu,cpuacct:/docker/1\n3:memory:/docker/1\n")
    for name, text in {
        "cpu/docker/1/cpu.cfs_quota_us": "200000",
        "cpu/docker/1/cpu.cfs_period_us": "100000",
        "memory/docker/1/memory.limit_in_bytes": "1073741824",
        "memory/memory.limit_in_bytes": "9223372036854771712",
    }.items():
        (old.cgroup / name).parent.mkdir(parents=True, exist_ok=True)
        (old.cgroup / name).write_text(text)
    assert read_core_quota(old) == 2.0
    assert read_available_memory(old) == (1073741824, " in the cgroup")


def test_the_command_prints_a_mend_a_line_and_its_status_says_whether_there_is_an_error(machine, monkeypatch) -> None:
    monkeypatch.chdir(machine.root)
    asked = ["doctor", "--json", "--models", str(machine.models)]
    findings = json.loads(CliRunner().invoke(app, asked).stdout)
    assert {"check", "state", "text", "mend"} == set(findings[0])
    other_network(machine, monkeypatch)
    done = CliRunner().invoke(app, [a for a in asked if a != "--json"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("error") and "models" in line)
    assert lines[place + 1].strip().startswith("to fix it: bring its files back")
