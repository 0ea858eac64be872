"""Checks of the installation: Python, the packages of each extra, torch, decoders."""

import importlib
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from ostinato.core import extras
from ostinato.doctor.finding import Finding
from ostinato.doctor.machine import Machine

SUPPORTED = (3, 11)
MODULES = ("numpy", "onnxruntime", "soundfile", "soxr", "av", "voyager", "mutagen", "pydantic", "yaml", "typer")
"""What the light install imports; a wheel of another machine fails here."""
CONTAINERS = {"WAV", "FLAC", "OGG", "MP3", "AIFF"}
CODECS = {"aac", "alac", "opus", "mp3", "vorbis", "wavpack"}
REINSTALL = "pip install --force-reinstall"


def check_python(machine: Machine) -> list[Finding]:
    """Check that Python is one that the package supports."""
    try:
        required = metadata.metadata("ostinato")["Requires-Python"] or ""
    except metadata.PackageNotFoundError:
        required = ""
    least = tuple(int(n) for n in re.findall(r"\d+", required.partition(",")[0])) or SUPPORTED
    text = f"{platform.python_version()}, {platform.machine()}"
    if sys.version_info[:2] < least or sys.maxsize < 2**32:
        newest = ".".join(map(str, least))
        mend = f"install Python {newest} or newer of 64 bits (apt install python3, pyenv, uv python install)"
        return [Finding("python", "error", f"{text} is not supported", mend)]
    return [Finding("python", "ok", text)]


def check_packages(machine: Machine) -> list[Finding]:
    """Import what every command needs."""
    findings = []
    if missing := extras.find_missing(""):
        findings.append(Finding("packages", "error", f"lacks {', '.join(missing)}", "pip install ostinato"))
    for module in MODULES:
        name = extras.DISTRIBUTIONS.get(module, module)
        if name in missing:
            continue
        try:
            importlib.import_module(module)
        except Exception as error:  # a wheel of another architecture, or one without its libraries
            reason = str(error).partition("\n")[0]
            findings.append(Finding("packages", "error", f"{name} cannot be imported: {reason}", f"{REINSTALL} {name}"))
    return findings or [Finding("packages", "ok", f"{len(extras.read_extras().get('', MODULES))} of the light install")]


def check_extras(machine: Machine) -> list[Finding]:
    """Check that extras are there whole or not at all."""
    findings = []
    for extra, names in sorted(extras.read_extras().items()):
        missing = extras.find_missing(extra)
        install = f"pip install 'ostinato[{extra}]'"
        own = extras.list_own(extra)
        if not extra:
            continue
        if not missing:
            findings.append(Finding("extras", "ok", f"[{extra}]: {len(names)} packages"))
        elif set(own) <= set(missing):
            findings.append(Finding("extras", "absent", f"[{extra}]: not installed; {install}"))
        else:
            text = f"[{extra}] is there in part: it lacks {', '.join(missing)}"
            findings.append(Finding("extras", "warning", text, install))
    return findings or [Finding("extras", "ok", "imported from a folder, not installed")]


def check_torch(machine: Machine) -> list[Finding]:
    """Check that torch can be imported, and that it was built for the GPU that is there."""
    if "torch" in extras.find_missing("train"):
        return [Finding("torch", "absent", "not installed; only training needs it")]
    try:
        torch = importlib.import_module("torch")
    except Exception as error:  # libraries that do not fit, or do not fit together
        reason = str(error).partition("\n")[0]
        return [Finding("torch", "error", f"cannot be imported: {reason}", f"{REINSTALL} torch")]
    driver = (machine.proc / "driver" / "nvidia" / "version").is_file()
    if torch.cuda.is_available():
        return [Finding("torch", "ok", f"{torch.__version__}, CUDA {torch.version.cuda}")]
    if driver and torch.version.cuda is None:
        mend = f"pip install torch=={torch.__version__.partition('+')[0]} from PyPI, which has CUDA"
        return [Finding("torch", "warning", f"{torch.__version__} is without CUDA, and a GPU is there", mend)]
    if driver:
        text = f"{torch.__version__} with CUDA {torch.version.cuda} finds no GPU, though a driver is there"
        mend = "unset CUDA_VISIBLE_DEVICES, or run the container with --gpus all; else install a newer driver"
        return [Finding("torch", "warning", text, mend)]
    return [Finding("torch", "ok", f"{torch.__version__}, on the CPU")]


def check_decoders(machine: Machine) -> list[Finding]:
    """Check that libsndfile and FFmpeg read what music comes in."""
    import av
    import soundfile

    findings = []
    if lacking := CONTAINERS - set(soundfile.available_formats()):
        text = f"libsndfile {soundfile.__libsndfile_version__} reads no {', '.join(sorted(lacking))}"
        mend = f"{REINSTALL} soundfile, whose wheel has a newer one; unset LD_LIBRARY_PATH"
        findings.append(Finding("decoders", "error", text, mend))
    if lacking := CODECS - set(av.codecs_available):
        text = f"FFmpeg reads no {', '.join(sorted(lacking))}"
        findings.append(Finding("decoders", "warning", text, f"{REINSTALL} --only-binary av av"))
    ready = f"libsndfile {soundfile.__libsndfile_version__}, PyAV {av.__version__} in {Path(av.__file__).parent}"
    return findings or [Finding("decoders", "ok", ready)]
