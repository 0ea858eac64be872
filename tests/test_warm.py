"""A warm process runs commands as they run by themselves."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ostinato import warm
from ostinato.files import held
from ostinato.paths import Paths

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def variables():
    """Keep a warm process, once it answers."""
    with warm.process() as found:
        address = found[warm.VARIABLE]
        deadline = time.monotonic() + 120
        while not os.path.exists(address):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield found


def command(folder, variables, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "ostinato", *arguments],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(*arguments):
    process = command(*arguments)
    return process.communicate(timeout=60), process.returncode


@pytest.mark.parametrize("arguments", [("--help",), ("architectures",), ("train", "nobody"), ("no-such-command",)])
def test_it_says_and_exits_as_without(variables, tmp_path, arguments):
    (tmp_path / "params.yaml").write_text("seed: 1\ndataset: {name: synthetic}\n")
    assert ended(tmp_path, variables, *arguments) == ended(tmp_path, {}, *arguments)


def test_nobody_answers_at_an_address_that_is_gone(tmp_path):
    assert warm.ask(str(tmp_path / "gone"), ["--help"]) is None
    assert ended(tmp_path, {warm.VARIABLE: str(tmp_path / "gone")}, "--help")[1] == 0


def test_the_folder_and_variables_are_those_of_who_asks(variables, tmp_path):
    (_, said), status = ended(tmp_path, variables, "train", "nobody")
    assert status == 2
    assert str(tmp_path) in said


def test_a_command_ends_with_who_asked(variables, tmp_path):
    """It holds its lock as long as it lives."""
    settings = (PROJECT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(settings.replace("name: synthetic", "name: synthetic\n  n_artists: 2000"))
    asker = command(tmp_path, variables, "ingest")
    lock = Paths(tmp_path).lock("ingest", None)
    assert until(lambda: held(lock)), asker.communicate()
    asker.kill()
    asker.wait()
    assert until(lambda: not held(lock))


def until(met):
    deadline = time.monotonic() + 20
    while not met() and time.monotonic() < deadline:
        time.sleep(0.02)
    return met()
