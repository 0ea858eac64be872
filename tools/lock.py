"""Write requirements.lock and locks/: each version of constraints.txt with the hashes of its files.

``pip install uv``, then ``python tools/lock.py``. Nothing is upgraded:
constraints.txt says which versions there are, this what their files hold. requirements.lock is the whole of it, for
development; locks/ has what each kind of installation needs. Each file is for every Python that pyproject.toml allows:
a marker stands beside what only some need.
CUDA libraries, which only PyPI's torch for Linux needs, stand apart from requirements.lock in requirements-cuda.lock,
and the torch for Python 3.11 without them, which other indexes offer, in requirements-cpu.lock.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
INDEX = "https://pypi.org/simple"
CPU_TORCH = "torch==2.13.0+cpu --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
"""torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl, of PyTorch's own index; PyPI has none."""
KINDS: dict[str, tuple[str, ...]] = {
    "light": (),
    "serve": ("serve",),
    "encoders": ("encoders",),
    "data": ("data",),
    "structure": ("structure",),
    "remote": ("remote",),
    "listening": ("data", "listening"),
    "docs": ("docs",),
    "train": ("train",),
    "pipeline": ("pipeline",),
}
"""Kinds of installation, and the extras of each; the last two bring PyPI's torch with its CUDA libraries."""
HEAD = "# Made by tools/lock.py from constraints.txt; install with pip install --require-hashes --no-deps.\n"


def compile_pins(file: str = "constraints.txt", *more: str) -> str:
    """Resolve what a file requires for every platform, with hashes.

    Parameters
    ----------
    file : str
        constraints.txt, or pyproject.toml.
    *more : str
        Further options of ``uv pip compile``.

    Raises
    ------
    CalledProcessError
        If uv is not installed, or versions do not go together.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", str(ROOT / file), "--no-config", *more]
    options = [
        "--universal",
        "--generate-hashes",
        "--no-annotate",
        "--no-header",
        "--python-version",
        "3.11",
        "--quiet",
    ]
    return subprocess.run(
        [*command, *options, "--default-index", INDEX], check=True, capture_output=True, text=True
    ).stdout


def split(text: str, pins: set[str]) -> tuple[str, str]:
    """Part what every installation needs from what PyPI's torch for Linux needs beside it.

    Parameters
    ----------
    text : str
        As `compile_pins` returns it.
    pins : set of str
        Names in constraints.txt, as `canonical` spells them.

    Returns
    -------
    common, cuda : str
    """
    common, cuda = list[str](), list[str]()
    for block in re.findall(r"^\S[^\n]*(?:\n +--hash[^\n]*)*\n", text, re.MULTILINE):
        name = canonical(re.split(r"[=\[ ]", block, maxsplit=1)[0])
        (cuda if name not in pins and "sys_platform == 'linux'" in block else common).append(block)
    return "".join(common), "".join(cuda)


def canonical(name: str) -> str:
    """Spell a package's name as indexes do.

    Examples
    --------
    >>> canonical("Ast_Serialize")
    'ast-serialize'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Write the files."""
    pins = {canonical(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().split()}
    common, cuda = split(compile_pins(), pins)
    (ROOT / "requirements.lock").write_text(HEAD + common)
    (ROOT / "requirements-cuda.lock").write_text(HEAD + cuda)
    (ROOT / "requirements-cpu.lock").write_text(f"{HEAD}{CPU_TORCH}\n")
    (ROOT / "locks").mkdir(exist_ok=True)
    for kind, extras in KINDS.items():
        options = [f"--extra={extra}" for extra in extras]
        pinned = compile_pins("pyproject.toml", "--constraint", str(ROOT / "constraints.txt"), *options)
        (ROOT / "locks" / f"{kind}.lock").write_text(HEAD + pinned)


if __name__ == "__main__":
    main()
