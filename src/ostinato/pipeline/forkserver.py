"""Fork server: a process that imports heavy libraries once, and forks a child for each command.

On a small collection many stages take less time than importing torch. A flow runs one
server; if an environment variable holds its socket, ``python -m ostinato`` passes its
arguments, folder, environment and standard streams to it and waits. Without a server, or
if it does not answer, the command runs by itself, with the same results. Modules of
ostinato are not imported in advance, so that edits take effect at once.
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
KILLED_STATUS = 128 + signal.SIGKILL
_LENGTH = struct.Struct("!I")
_STATUS = struct.Struct("!B")


@contextmanager
def process() -> Iterator[dict[str, str]]:
    """Run a fork server, and yield the variable that commands find it by.

    Yields
    ------
    dict of str to str
        For the environment of commands, valid at once: until the server has
        imported its libraries, commands run by themselves.
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
    """Run a command on the fork server, with the folder, environment and standard streams of this process.

    Parameters
    ----------
    address : str
        Path of its socket.
    arguments : sequence of str
        Arguments of ``python -m ostinato``.

    Returns
    -------
    int or None
        Exit status; None if no server answers.
    """
    environment = {k: v for k, v in os.environ.items() if k != VARIABLE}
    request = json.dumps({"arguments": list(arguments), "folder": os.getcwd(), "environment": environment}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(address)
            socket.send_fds(connection, [_LENGTH.pack(len(request))], [0, 1, 2])
            connection.sendall(request)
        except OSError:
            return None
        answer = connection.recv(_STATUS.size)
    return _STATUS.unpack(answer)[0] if answer else KILLED_STATUS


def serve(address: str) -> int:
    """Import the libraries, then fork a child for each command until standard input ends.

    Parameters
    ----------
    address : str
        Path of the socket to create.

    Returns
    -------
    int
        Exit status of the server or, in a child, of its command.
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
    with suppress(OSError):  # a killed flow does not clean up
        os.unlink(address)
        os.rmdir(Path(address).parent)
    return 0


class _Child:
    """A forked process that runs a command, and sends its exit status after all exit handlers.

    Parameters
    ----------
    connection : socket
        Connection to the client.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.status, self.is_sent = KILLED_STATUS, False

    def run(self) -> int:
        """Run the command; return its exit status."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            request = _read_request(self.connection)
        except (EOFError, OSError, ValueError, struct.error):  # the client is gone before its request was complete
            return KILLED_STATUS
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.argv = ["ostinato", *request["arguments"]]
        atexit.register(self._send_status)  # registered first, so that it runs last
        threading.Thread(target=self._end_with_client, daemon=True).start()
        self.status = _run_command()
        return self.status

    def _send_status(self) -> None:
        """Send the exit status."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        self.is_sent = True
        with suppress(OSError):
            self.connection.sendall(_STATUS.pack(self.status))

    def _end_with_client(self) -> None:
        """End at once when the client is gone before the exit status was sent."""
        if not self.connection.recv(1) and not self.is_sent:
            os._exit(KILLED_STATUS)


def _read_request(connection: socket.socket) -> dict[str, Any]:
    """Read a request, and replace the standard streams of this process by those of the client."""
    head, streams, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    (length,) = _LENGTH.unpack(head)
    content = b""
    while len(content) < length:
        part = connection.recv(length - len(content))
        if not part:
            raise EOFError("the client is gone")
        content += part
    request: dict[str, Any] = json.loads(content)
    return request


def _run_command() -> int:
    """Run the command; return its exit status."""
    import ostinato.__main__ as command

    sys.modules["__main__"] = command  # for libraries that start this program again
    status: Any = 0
    try:
        command.main()
    except SystemExit as error:
        status = error.code
    except BaseException:  # as the interpreter does with uncaught exceptions
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1]))
