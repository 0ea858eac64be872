"""A warm process runs commands as they run by themselves."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ostinato.core.paths import Paths
from ostinato.io.locks import is_locked
from ostinato.pipeline import forkserver

PID = os.getpid()
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def variables():
    """Keep a warm process, once it answers."""
    with forkserver.process() as found:
        address = found[forkserver.VARIABLE]
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


def run_command(*arguments):
    process = command(*arguments)
    return process.communicate(timeout=60), process.returncode


@pytest.mark.parametrize("arguments", [("--help",), ("architectures",), ("train", "nobody"), ("no-such-command",)])
def test_it_says_and_exits_as_without(variables, tmp_path, arguments):
    (tmp_path / "params.yaml").write_text("seed: 1\ndataset: {name: synthetic}\n")
    assert run_command(tmp_path, variables, *arguments) == run_command(tmp_path, {}, *arguments)


def test_nobody_answers_at_an_address_that_is_gone(tmp_path):
    assert forkserver.ask(str(tmp_path / "gone"), ["--help"]) is None
    assert run_command(tmp_path, {forkserver.VARIABLE: str(tmp_path / "gone")}, "--help")[1] == 0


def test_the_folder_and_variables_are_those_of_who_asks(variables, tmp_path):
    (_, said), status = run_command(tmp_path, variables, "train", "nobody")
    assert status == 2
    assert str(tmp_path) in said


def test_a_command_ends_with_who_asked(variables, tmp_path):
    """It holds its lock as long as it lives."""
    settings = (PROJECT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(settings.replace("name: synthetic", "name: synthetic\n  n_artists: 2000"))
    asker = command(tmp_path, variables, "ingest")
    lock = Paths(tmp_path).lock("ingest", None)
    assert until(lambda: is_locked(lock)), asker.communicate()
    asker.kill()
    asker.wait()
    assert until(lambda: not is_locked(lock))


def until(met):
    deadline = time.monotonic() + 20
    while not met() and time.monotonic() < deadline:
        time.sleep(0.02)
    return met()


def server_of(address):
    """Find the warm process of an address."""
    return next(p for p in psutil.Process().children(recursive=True) if address in p.cmdline() and p.ppid() == PID)


@pytest.mark.parametrize("n_bytes", [0, 2, 4, 40])
def test_a_request_that_is_cut_off_leaves_no_process_behind(variables, n_bytes):
    """Once the rest of a request that would never come was asked for again and again, by a whole core."""
    server = server_of(variables[forkserver.VARIABLE])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(variables[forkserver.VARIABLE])
        if n_bytes:
            message = forkserver._LENGTH.pack(1000) + b" " * 36
            socket.send_fds(connection, [message[:n_bytes][:4]], [0, 1, 2])
            connection.sendall(message[4:n_bytes])
        time.sleep(0.2)
    assert until(lambda: not server.children())
    assert run_command(Path.cwd(), variables, "--help")[1] == 0


def test_the_folder_of_a_flow_that_was_killed_goes_with_it(tmp_path):
    code = (
        "import sys, time\nfrom ostinato.pipeline import forkserver\n"
        "forkserver.LIBRARIES = ()\nwith forkserver.process() as found:\n"
        " print(found[forkserver.VARIABLE], flush=True)\n time.sleep(600)"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    flow = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    address = Path(flow.stdout.readline().strip())
    assert address.parent.parent == tmp_path
    wait = time.monotonic() + 120
    while not address.exists() and time.monotonic() < wait:
        time.sleep(0.1)
    flow.kill()
    flow.wait()
    assert until(lambda: not address.parent.exists()), list(address.parent.iterdir())
