"""Checks of the machine: cores, memory, disk, folders, locale and clock, as this process may use them."""

import codecs
import locale
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ostinato
from ostinato.doctor.finding import Finding

MIN_MEMORY = 1 << 30
"""Bytes that `predict` and `serve` take with room to spare."""
MIN_DISK = 1 << 30
MIN_FILES = 1024
FOREVER = 1 << 60
"""A limit of cgroups from which on there is none."""


@dataclass(frozen=True)
class Machine:
    """Where to look.

    Parameters
    ----------
    root : Path
        The folder of the project, or the working folder.
    models : Path
        The released models.
    environ : mapping of str to str
    proc, cgroup : Path
        The system's own folders.
    """

    root: Path
    models: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")


def check_cores(machine: Machine) -> list[Finding]:
    """Compare the cores of the machine with those that affinity and the cgroup leave."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = read_core_quota(machine)
    if quota is not None and quota < allowed:
        threads = max(int(quota), 1)
        if machine.environ.get("OMP_NUM_THREADS", "").isdecimal() and int(machine.environ["OMP_NUM_THREADS"]) <= quota:
            return [
                Finding("cores", "ok", f"{quota:g} of {os.cpu_count()}, by the cgroup; OMP_NUM_THREADS keeps to it")
            ]
        text = f"the cgroup lets this process use {quota:g} of {allowed} cores; threads would wait for one another"
        return [Finding("cores", "warning", text, f"export OMP_NUM_THREADS={threads}; --workers {threads}")]
    return [Finding("cores", "ok", f"{allowed} of {os.cpu_count()}")]


def read_core_quota(machine: Machine) -> float | None:
    """Read how many cores the cgroup lets this process use, counted in time; None: all."""
    quotas = []
    for text in _read_limits(machine, "cpu.max", "cpu"):
        quota, _, period = text.partition(" ")
        if quota != "max" and period:
            quotas.append(int(quota) / int(period))
    times, periods = (
        [int(t) for t in _read_limits(machine, f"cpu.cfs_{what}_us", "cpu")] for what in ("quota", "period")
    )
    quotas += [t / p for t, p in zip(times, periods, strict=False) if t > 0 and p > 0]
    return min(quotas, default=None)


def _read_limits(machine: Machine, name: str, controller: str) -> list[str]:
    """Read a limit of this process' cgroup and of those above it; of cgroups 1 that of a controller's own tree."""
    try:
        lines = (machine.proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        lines = []
    values = []
    for _, controllers, below in (line.split(":", 2) for line in [*lines, "0::/"]):
        top = machine.cgroup / controller if controllers else machine.cgroup
        if controllers and controller not in controllers.split(","):
            continue
        folder = top / below.strip("/")
        places = [place for place in (folder, *folder.parents) if place.is_relative_to(top)]
        values += [(place / name).read_text().strip() for place in places if (place / name).is_file()]
    return values


def check_memory(machine: Machine) -> list[Finding]:
    """Compare the memory that is free, here and in the cgroup, with what a prediction takes."""
    available, whose = read_available_memory(machine)
    if available is None:
        return [Finding("memory", "ok", "cannot be read on this system")]
    text = f"{available / (1 << 30):.1f} GiB available{whose}"
    if available < MIN_MEMORY:
        mend = "give the container more (docker run --memory 2g)" if whose else "end other programs"
        return [Finding("memory", "warning", f"{text}; models and long files need 1 GiB", mend)]
    return [Finding("memory", "ok", text)]


def read_available_memory(machine: Machine) -> tuple[int | None, str]:
    """Read the bytes of memory that this process may still take, and who sets that limit."""
    amounts: list[tuple[int, str]] = []
    try:
        lines = dict(line.split(":", 1) for line in (machine.proc / "meminfo").read_text().splitlines() if ":" in line)
        amounts.append((int(lines["MemAvailable"].split()[0]) << 10, ""))
    except (OSError, KeyError, ValueError):
        pass
    for name in ("memory.max", "memory.limit_in_bytes"):
        limits = [int(text) for text in _read_limits(machine, name, "memory") if text.isdecimal()]
        amounts += [(limit, " in the cgroup") for limit in limits if limit < FOREVER]
    return min(amounts, default=(None, ""))


def check_disk(machine: Machine) -> list[Finding]:
    """Check the space left where the project and temporary files lie."""
    findings = []
    for place in dict.fromkeys([machine.root, Path(tempfile.gettempdir())]):
        free = shutil.disk_usage(place).free
        text = f"{place}: {free / (1 << 30):.1f} GiB free"
        if free < MIN_DISK:
            mend = "free some, or set TMPDIR to a folder with more" if place != machine.root else "free some"
            findings.append(Finding("disk", "error", text, mend))
        else:
            findings.append(Finding("disk", "ok", text))
    return findings


def check_temporary(machine: Machine) -> list[Finding]:
    """Check that a temporary file can be written; uploads and long files need that."""
    named = machine.environ.get("TMPDIR")
    try:
        if named is not None and not os.access(named, os.W_OK | os.X_OK):
            raise OSError(f"TMPDIR {named} is no folder that can be written to")
        with tempfile.TemporaryFile() as file:
            file.write(b"\0")
    except OSError as error:
        return [Finding("temporary", "error", str(error), "set TMPDIR to a folder that can be written to")]
    return [Finding("temporary", "ok", tempfile.gettempdir())]


def check_home(machine: Machine) -> list[Finding]:
    """Check that there is a folder for published weights, which are downloaded once."""
    cache, home = machine.environ.get("XDG_CACHE_HOME"), machine.environ.get("HOME")
    mend = "set XDG_CACHE_HOME to a folder that can be written to; only published weights are kept there"
    if not cache and not home:
        return [Finding("home", "warning", "neither HOME nor XDG_CACHE_HOME is set", mend)]
    folder = Path(cache) if cache else Path(home or "/") / ".cache"
    place = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
    if not place.is_dir() or not _can_write(place):
        return [Finding("home", "warning", f"{folder}: cannot be written to", mend)]
    return [Finding("home", "ok", str(folder))]


def _can_write(folder: Path) -> bool:
    """Return whether a file can be made in a folder; root passes every check of permissions but not of the mount."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def check_files(machine: Machine) -> list[Finding]:
    """Check how many files may be open; a service needs one for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(soft, hard) if resource.RLIM_INFINITY not in (soft, hard) else MIN_FILES
    if most < MIN_FILES:
        return [Finding("files", "warning", f"{most} files may be open at once", f"ulimit -Hn {MIN_FILES}")]
    return [Finding("files", "ok", f"{soft} files may be open at once")]


def check_locale(machine: Machine) -> list[Finding]:
    """Check that names of files and output are UTF-8."""
    names = {"file names": sys.getfilesystemencoding(), "output": locale.getpreferredencoding(False)}
    wrong = [f"{what} are {name}" for what, name in names.items() if codecs.lookup(name).name != "utf-8"]
    if wrong:
        text = f"{'; '.join(wrong)}: names beyond ASCII are mangled"
        return [Finding("locale", "warning", text, "export LC_ALL=C.UTF-8, or PYTHONUTF8=1")]
    return [Finding("locale", "ok", "UTF-8")]


def check_clock(machine: Machine) -> list[Finding]:
    """Check that the clock is not before this package, and that time zones are known; schedules go by both."""
    findings = []
    installed = Path(ostinato.__file__).stat().st_mtime
    if time.time() < installed - 86_400:
        text = f"the clock says {time.strftime('%Y-%m-%d')}, before this package was installed"
        findings.append(
            Finding("clock", "error", text, "set it (timedatectl set-ntp true); certificates fail otherwise")
        )
    try:
        ZoneInfo("Europe/Vienna")
    except (ZoneInfoNotFoundError, OSError):
        findings.append(Finding("clock", "warning", "no time zones are installed", "pip install tzdata"))
    return findings or [Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z"))]
