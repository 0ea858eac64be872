"""What healthy clients get while releases change and others abuse the service.

``python -m bench.abuse --seconds 60 --models models/released`` copies released models and the catalog, serves the copy
by ``ostinato serve``, and has 64 clients post 14 kinds of files of thirty seconds, each again as soon as it is
answered, twice:

* while every two seconds another version of a model or of the catalog is released,
* the same beside slow senders (bodies and heads of a byte a second, connections that say nothing) and
  floods of headers that do not end.

Printed are requests, errors, median and 99th percentile of the time to answer of both, their ratio, and resident
memory before, at its most, and after. An error is a refused or dropped request, or an answer without a label.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from bench.service import resident
from tests.audio.zoo import ZOO, make_music

from ostinato.io import versions
from ostinato.io.files import read_json, write_json

KINDS = (
    "pcm_16.wav",
    "float.wav",
    "pcm_24.wave",
    "cover.aiff",
    "pcm.au",
    "pcm.caf",
    "whole.flac",
    "vorbis.ogg",
    "opus.opus",
    "stereo.mp3",
    "uncounted_vbr.mp3",
    "aac.m4a",
    "alac.m4a",
    "opus.webm",
)
REPEATS = 5
"""Six seconds of music so many times."""
PATIENCE = 120.0
REST_SECONDS = 10.0
"""After which memory is measured."""
RELEASE_SECONDS = 2.0
KEPT = 3
SILENT, SLOW_BODIES, SLOW_HEADS, FLOODS = 60, 60, 60, 20


@dataclass
class Answers:
    """Seconds to answer, and what went wrong how often."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def late(self) -> float:
        """99th percentile."""
        return float(np.percentile(self.seconds, 99))


# ------------------------------------------------------------------------------------------------ healthy clients


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, body: bytes) -> str | None:
    """Post a file; return what is wrong with the answer."""
    head = f"POST /v1/predict?name={name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = answer.split(" ", 2)[1]
    (size,) = (int(line[15:]) for line in answer.lower().splitlines() if line.startswith("content-length:"))
    content = await reader.readexactly(size)
    if status != "200":
        return f"{status} {content[:80].decode(errors='replace')}"
    predictions = json.loads(content)["predictions"]
    return None if predictions and all(p["label"] or p["scores"] for p in predictions) else "no label"


async def ask(where: tuple[str, int], bodies: Iterator[tuple[str, bytes]], end: float, answers: Answers) -> None:
    """Post again as soon as there is an answer."""
    reader, writer = await asyncio.open_connection(*where)
    while time.monotonic() < end:
        begin = time.monotonic()
        try:
            error = await asyncio.wait_for(post(reader, writer, *next(bodies)), PATIENCE)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as failure:
            error = type(failure).__name__
            with suppress(OSError):
                writer.close()
                reader, writer = await asyncio.open_connection(*where)
        answers.seconds.append(time.monotonic() - begin)
        if error:
            answers.errors[error] += 1
    writer.close()


async def load(where: tuple[str, int], bodies: dict[str, bytes], n_clients: int, seconds: float) -> Answers:
    """Ask from many clients; each begins with another kind."""
    answers, end, items = Answers(), time.monotonic() + seconds, list(bodies.items())
    turns = [cycle(items[i % len(items) :] + items[: i % len(items)]) for i in range(n_clients)]
    await asyncio.gather(*(ask(where, turn, end, answers) for turn in turns))
    return answers


# --------------------------------------------------------------------------------------------------------- abuse


async def drip(where: tuple[str, int], head: bytes, drop: bytes) -> None:
    """Send a head, and then a little a second, again and again."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(*where)
            writer.write(head)
            while not reader.at_eof():
                writer.write(drop)
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1000), 1.0)
            writer.close()
        await asyncio.sleep(0.1)


async def flood(where: tuple[str, int]) -> None:
    """Send headers that do not end as fast as they are taken, again and again."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(*where)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
            while not reader.at_eof():
                writer.write(b"X-Filler: " + b"a" * 4000 + b"\r\n")
                await asyncio.wait_for(writer.drain(), 5.0)
                await asyncio.sleep(0)
            writer.close()
        await asyncio.sleep(0.05)


async def abuse(where: tuple[str, int]) -> None:
    """Do all of it at once until the process is ended."""
    body = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    work: list[Coroutine[Any, Any, None]] = [drip(where, b"", b"") for _ in range(SILENT)]
    work += [drip(where, body, b"\0") for _ in range(SLOW_BODIES)]
    work += [drip(where, b"GET / HTTP/1.1\r\nHost: local", b"h") for _ in range(SLOW_HEADS)]
    work += [flood(where) for _ in range(FLOODS)]
    await asyncio.gather(*work)


def run_abuse(where: tuple[str, int]) -> None:
    asyncio.run(abuse(where))


# ------------------------------------------------------------------------------------------------------- service


def release_again(folder: Path, turn: int) -> None:
    """Put a copy of one of the versions in service as a new one, as a release does."""
    present = versions.list_versions(folder)
    incoming, version = versions.make_incoming(folder), versions.find_next(folder)
    source = folder / str(present[turn % len(present)])
    for path in source.iterdir():
        shutil.copyfile(path, incoming / path.name)
    about = read_json(incoming / versions.RELEASE)
    write_json(incoming / versions.RELEASE, about | {"version": version})
    versions.add_version(folder, incoming, version, KEPT)


async def change_releases(releases: Path) -> None:
    """Release models and the catalog in turn until cancelled."""
    folders = sorted(path for path in releases.iterdir() if path.is_dir())
    turn = 0
    try:
        while True:
            await asyncio.sleep(RELEASE_SECONDS)
            await asyncio.to_thread(release_again, folders[turn % len(folders)], turn // len(folders))
            turn += 1
    finally:
        print(f"{turn} releases meanwhile")


@contextmanager
def serve(project: Path) -> Iterator[tuple[tuple[str, int], int]]:
    """Run the service in a process of its own; gives where it listens, and its number."""
    command = [sys.executable, "-m", "ostinato", "serve", "--port", "0"]
    with (project / "service.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project, stderr=log)
        try:
            while not (address := (project / "service.log").read_text().partition("\n")[0]):
                time.sleep(0.1)
            url = urlsplit(address)
            yield (str(url.hostname), int(url.port or 0)), process.pid
        finally:
            process.terminate()
            process.wait(60)


async def measure(
    where: tuple[str, int], pid: int, releases: Path, run: Callable[[], Coroutine[Any, Any, Answers]]
) -> tuple[Answers, float]:
    """Load the service while releases change; return the answers, and its memory at its most in MiB."""
    peak = 0.0
    changing, running = asyncio.create_task(change_releases(releases)), asyncio.create_task(run())
    while not running.done():
        peak = max(peak, resident(pid))
        await asyncio.sleep(0.2)
    changing.cancel()
    with suppress(asyncio.CancelledError):
        await changing
    return running.result(), peak


def describe(name: str, answers: Answers) -> None:
    n, errors = len(answers.seconds), answers.errors
    print(f"{name}: {n} requests, {errors.total()} errors {dict(errors) or ''}")
    print(
        f"  half within {statistics.median(answers.seconds):.2f} s, 99 of 100 within {answers.late:.2f} s", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--models", type=Path, default=Path("models/released"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        shutil.copyfile("params.yaml", project / "params.yaml")
        shutil.copytree(given.models, project / "models" / "released")
        music, bodies = np.tile(make_music(), REPEATS), {}
        for kind in KINDS:
            ZOO[kind](project / kind, music)
            bodies[kind] = (project / kind).read_bytes()
        with serve(project) as (where, pid):
            first = asyncio.run(load(where, bodies, 4, 8.0))
            time.sleep(REST_SECONDS)
            before = resident(pid)
            describe("to warm up", first)

            def run() -> Coroutine[Any, Any, Answers]:
                return load(where, bodies, given.clients, given.seconds)

            releases = project / "models" / "released"
            alone, peak = asyncio.run(measure(where, pid, releases, run))
            describe("while releases change", alone)
            abuser = multiprocessing.get_context("spawn").Process(target=run_abuse, args=(where,), daemon=True)
            abuser.start()
            time.sleep(5.0)
            beside, peak_beside = asyncio.run(measure(where, pid, releases, run))
            abuser.terminate()
            abuser.join()
            describe("beside abuse", beside)
            print(f"99 of 100 take {beside.late / alone.late:.2f} times as long beside abuse (at most 3)")
            time.sleep(REST_SECONDS)
            after = resident(pid)
            print(f"memory: {before:.0f} MiB before, at most {peak:.0f} and {peak_beside:.0f}, {after:.0f} after")
    print(f"load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    sys.exit(bool(alone.errors or beside.errors))


if __name__ == "__main__":
    main()
