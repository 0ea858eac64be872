"""Two instances behind a proxy: each is replaced in turn, and no request is lost."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from serving.served_project import Served, play

CLIENTS = 6


class Proxy:
    """A proxy of connections, in turns to those upstreams that accept one."""

    def __init__(self, ports: list[int]) -> None:
        self.ports, self.turn, self.port = ports, 0, 0
        self.connections: set[asyncio.Task[None] | None] = set()  # the loop's own references are weak

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(400):
            self.turn += 1
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self.ports[self.turn % len(self.ports)])
            await asyncio.sleep(0.05)
        raise OSError("no upstream accepts a connection")

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(asyncio.current_task())
        up_reader, up_writer = await self.connect()
        await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))
        up_writer.close()
        writer.close()
        self.connections.discard(asyncio.current_task())

    async def serve(self, ready: threading.Event, done: asyncio.Event) -> None:
        server = await asyncio.start_server(self.pass_on, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await done.wait()
        server.close()


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
        target.write_eof()


@contextlib.contextmanager
def run_proxy(ports: list[int]):
    proxy, loop, ready, done = Proxy(ports), asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(proxy.serve(ready, done),))
    thread.start()
    ready.wait()
    yield proxy.port
    loop.call_soon_threadsafe(done.set)
    thread.join()


def start(releases: Path, port: int) -> subprocess.Popen[str]:
    """Start an instance and wait until it listens."""
    command = [sys.executable, "-m", "ostinato", "serve", "--port", str(port), "--models", str(releases)]
    process = subprocess.Popen(command, cwd=releases, env=dict(os.environ), stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline().startswith("http://")
    return process


def find_free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


@pytest.mark.slow
def test_no_request_is_lost_while_two_instances_are_replaced_in_turn(tmp_path) -> None:
    served = Served(tmp_path)
    content = play(tmp_path / "tone.wav", seconds=5).read_bytes()
    ports = find_free_ports(2)
    instances = [start(served.releases, port) for port in ports]
    statuses: list[int | str] = []
    stop = threading.Event()

    def ask(port: int) -> None:
        while not stop.is_set():
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/predict?name=tone.wav", data=content)
            asked.add_header("Host", f"127.0.0.1:{ports[0]}")
            try:
                with urllib.request.urlopen(asked, timeout=60) as answer:
                    answer.read()
                    statuses.append(answer.status)
            except Exception as error:
                statuses.append(repr(error))

    with run_proxy(ports) as port:
        clients = [threading.Thread(target=ask, args=(port,)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for i, _ in enumerate(instances):
                time.sleep(2)
                before = len(statuses)
                instances[i].send_signal(signal.SIGTERM)
                assert instances[i].wait(timeout=60) in (0, -signal.SIGTERM)
                instances[i] = start(served.releases, ports[i])
                time.sleep(2)
                assert len(statuses) > before
        finally:
            stop.set()
            for client in clients:
                client.join()
    for process in instances:
        process.terminate()
        process.wait()
        process.stderr.close()
    assert len(statuses) > 4 * CLIENTS
    assert set(statuses) == {200}
