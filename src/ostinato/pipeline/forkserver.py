"""A process that has imported the heavy libraries once, and forks a child for each command.

On a small collection many a stage takes less time than importing torch. A flow
keeps one such process; where the environment names its socket, ``python -m ostinato``
hands its arguments, folder, environment and standard streams over and waits.
Without one, or if it does not answer, the command runs by itself: the results are
the same. Nothing of ostinato is imported beforehand, so that edits count at once.
"""

import atexit
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

VARIABLE = "OSTINATO_WARM"
LIBRARIES = (
    "pytorch_lightning",
    "onnxruntime",
    "onnxscript",
    "optuna",
    "pandas",
    "pyarrow.parquet",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.metrics",
    "sklearn.svm",
    "torch.onnx",
    "typer",
)
KILLED = 128 + signal.SIGKILL
_LENGTH = struct.Struct("!I")
_STATUS = struct.Struct("!B")


@contextmanager
def process() -> Iterator[dict[str, str]]:
    """Keep a warm process; give the variable that leads commands to it.

    Yields
    ------
    dict of str to str
        For the environment of commands. It may be passed at once: until the
        process has imported its libraries, commands run by themselves.
    """
    with tempfile.TemporaryDirectory(prefix="ostinato-") as folder:
        address = str(Path(folder) / "warm")
        command = [sys.executable, "-m", "ostinato.pipeline.forkserver", address]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
            try:
                yield {VARIABLE: address}
            finally:
                assert server.stdin is not None
                server.stdin.close()


def ask(address: str, arguments: Sequence[str]) -> int | None:
    """Have a warm process run a command with this process' folder, environment and standard streams.

    Parameters
    ----------
    address : str
        Of its socket.
    arguments : sequence of str
        What follows ``python -m ostinato``.

    Returns
    -------
    int or None
        The exit status; None if no process answers there.
    """
    environment = {k: v for k, v in os.environ.items() if k != VARIABLE}
    told = json.dumps({"arguments": list(arguments), "folder": os.getcwd(), "environment": environment}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(address)
            socket.send_fds(connection, [_LENGTH.pack(len(told))], [0, 1, 2])
            connection.sendall(told)
        except OSError:
            return None
        answer = connection.recv(_STATUS.size)
    return _STATUS.unpack(answer)[0] if answer else KILLED


def serve(address: str) -> int:
    """Import the libraries, then fork a child for each command until standard input ends.

    Parameters
    ----------
    address : str
        Where to make the socket.

    Returns
    -------
    int
        The exit status: of the server, and in each child of its command.
    """
    for library in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(library)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"{address}.making")
        listener.listen()
        os.rename(f"{address}.making", address)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                return _Child(connection).run()
            connection.close()
    with suppress(OSError):  # a flow that was killed removes nothing
        os.unlink(address)
        os.rmdir(Path(address).parent)
    return 0


class _Child:
    """A forked process that becomes a command, and tells its exit status once all that it left to do is done.

    Parameters
    ----------
    connection : socket
        To who asked.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.status, self.has_told = KILLED, False

    def run(self) -> int:
        """Run the command; return its exit status."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            request = _read_request(self.connection)
        except (EOFError, OSError, ValueError, struct.error):  # who asked has gone before all was said
            return KILLED
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.argv = ["ostinato", *request["arguments"]]
        atexit.register(self._tell)  # before the command: what it registers runs first
        threading.Thread(target=self._end_with_asker, daemon=True).start()
        self.status = _run_command()
        return self.status

    def _tell(self) -> None:
        """Send the exit status."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        self.has_told = True
        with suppress(OSError):
            self.connection.sendall(_STATUS.pack(self.status))

    def _end_with_asker(self) -> None:
        """End at once when who asked is gone before it was told."""
        if not self.connection.recv(1) and not self.has_told:
            os._exit(KILLED)


def _read_request(connection: socket.socket) -> dict[str, Any]:
    """Read a request, and take its standard streams for this process' own."""
    head, streams, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    (left,) = _LENGTH.unpack(head)
    read = b""
    while len(read) < left:
        part = connection.recv(left - len(read))
        if not part:
            raise EOFError("who asked is gone")
        read += part
    request: dict[str, Any] = json.loads(read)
    return request


def _run_command() -> int:
    """Run the command; return its exit status."""
    import ostinato.__main__ as command

    sys.modules["__main__"] = command  # what libraries that start this program again go by
    status: Any = 0
    try:
        command.main()
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # as the interpreter does with what nobody caught
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1]))
