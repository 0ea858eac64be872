"""The locks: on every Python there is a wheel for all they name, and make takes the newest Python that there is."""

import os
import subprocess
from pathlib import Path

import pytest

from installs.test_fresh import find_python, run

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-cuda.lock", *(f"locks/{file.name}" for file in (ROOT / "locks").iterdir())]
SOURCE_ONLY = "antlr4-python3-runtime"
"""Has published no wheel; it is Python alone."""


def write_python(folder: Path, version: str, status: int = 0) -> None:
    """Write a Python that says its version and otherwise does nothing; ``status`` 1: it cannot make environments."""
    program = folder / f"python{version}"
    program.write_text(f'#!/bin/sh\n[ "$1" = -V ] && echo "Python {version}.0"; exit {status}\n')
    program.chmod(0o755)


def run_make(target: Path, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run ``make environment`` without doing it, where only the programs of one folder and the system's shell are."""
    variables = {"PATH": str(path)}
    command = ["/usr/bin/make", "--dry-run", "environment", f"VENV={target / 'venv'}", *options]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("versions", "broken", "newest"),
    [
        (["3.11", "3.12", "3.13", "3.14"], [], "3.13"),
        (["3.11", "3.12"], ["3.13"], "3.12"),
        (["3.10", "3.11"], [], "3.11"),
        (["3.10"], [], None),
    ],
)
def test_make_takes_the_newest_python_that_can_make_environments(tmp_path, versions, broken, newest) -> None:
    for version in versions:
        write_python(tmp_path, version)
    for version in broken:  # such as a shim of pyenv, or Debian's without its package venv
        write_python(tmp_path, version, status=1)
    (tmp_path / "bash").symlink_to("/bin/bash")
    assert f'python="{f"python{newest}" if newest else ""}"\n' in run_make(tmp_path, tmp_path).stdout


def test_make_takes_the_python_that_it_is_given(tmp_path) -> None:
    (tmp_path / "bash").symlink_to("/bin/bash")
    assert 'python="/opt/python3.14"\n' in run_make(tmp_path, tmp_path, "PYTHON=/opt/python3.14").stdout


@pytest.fixture(scope="module")
def uv(tmp_path_factory) -> Path:
    """Install uv, which reads an index without downloading what it lists."""
    folder = tmp_path_factory.mktemp("uv")
    run(find_python("3.11"), "-m", "venv", folder)
    run(folder / "bin" / "pip", "install", "--quiet", "uv")
    return folder / "bin" / "uv"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("lock", LOCKS)
def test_there_is_a_wheel_of_the_hashes_for_each_line(uv, tmp_path, lock, version) -> None:
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-binary", SOURCE_ONLY]
    place = ["--target", tmp_path, "--python-version", version, "--default-index", "https://pypi.org/simple"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"UV_NO_CONFIG": "1"}
    done = run(uv, "pip", "install", "--dry-run", *options, *place, "--requirement", ROOT / lock, env=environment)
    assert "Would install" in done.stderr
