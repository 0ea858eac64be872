"""Measure what well-behaved clients get from the service while models are replaced and other clients abuse it.

``python -m bench.abuse --seconds 60 --models models/released`` copies the released models and the catalog, serves the
copy by ``ostinato serve``, and lets 64 clients post files of thirty seconds in 14 formats, one request after another.
It does so twice:

* while a new version of a model or of the catalog is released every two seconds,
* the same with slow senders (bodies and headers of a byte a second, silent connections) and with floods of
  endless headers.

For both it prints the requests, the errors, and the median and 99th percentile of the response time; then the ratio
of the two 99th percentiles, and the resident memory before, at the peak and after. An error is a request that is
refused or dropped, or a response without a label.
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
from bench.service import read_memory
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
"""How often six seconds of music are repeated in each file."""
TIMEOUT = 120.0
REST_SECONDS = 10.0
"""Pause before memory is measured."""
RELEASE_SECONDS = 2.0
N_VERSIONS = 3
SILENT, SLOW_BODIES, SLOW_HEADS, FLOODS = 60, 60, 60, 20


@dataclass
class Answers:
    """Response times in seconds, and counts of errors."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def p99(self) -> float:
        """99th percentile of the response times."""
        return float(np.percentile(self.seconds, 99))


# -------------------------------------------------------------------------------------------- well-behaved clients


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, body: bytes) -> str | None:
    """Post a file; return what is wrong with the response, or None."""
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


async def keep_posting(
    address: tuple[str, int], bodies: Iterator[tuple[str, bytes]], end: float, answers: Answers
) -> None:
    """Post one file after another until the end."""
    reader, writer = await asyncio.open_connection(*address)
    while time.monotonic() < end:
        begin = time.monotonic()
        try:
            error = await asyncio.wait_for(post(reader, writer, *next(bodies)), TIMEOUT)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as failure:
            error = type(failure).__name__
            with suppress(OSError):
                writer.close()
                reader, writer = await asyncio.open_connection(*address)
        answers.seconds.append(time.monotonic() - begin)
        if error:
            answers.errors[error] += 1
    writer.close()


async def load(address: tuple[str, int], bodies: dict[str, bytes], n_clients: int, seconds: float) -> Answers:
    """Post from many clients at once; each begins with another format."""
    answers, end, items = Answers(), time.monotonic() + seconds, list(bodies.items())
    turns = [cycle(items[i % len(items) :] + items[: i % len(items)]) for i in range(n_clients)]
    await asyncio.gather(*(keep_posting(address, turn, end, answers) for turn in turns))
    return answers


# --------------------------------------------------------------------------------------------------------- abuse


async def drip(address: tuple[str, int], head: bytes, drop: bytes) -> None:
    """Send a head and then a few bytes a second, again and again."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(head)
            while not reader.at_eof():
                writer.write(drop)
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1000), 1.0)
            writer.close()
        await asyncio.sleep(0.1)


async def flood(address: tuple[str, int]) -> None:
    """Send endless headers as fast as the service reads them, again and again."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
            while not reader.at_eof():
                writer.write(b"X-Filler: " + b"a" * 4000 + b"\r\n")
                await asyncio.wait_for(writer.drain(), 5.0)
                await asyncio.sleep(0)
            writer.close()
        await asyncio.sleep(0.05)


async def abuse(address: tuple[str, int]) -> None:
    """Run all kinds of abuse at once until the process is terminated."""
    body = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    work: list[Coroutine[Any, Any, None]] = [drip(address, b"", b"") for _ in range(SILENT)]
    work += [drip(address, body, b"\0") for _ in range(SLOW_BODIES)]
    work += [drip(address, b"GET / HTTP/1.1\r\nHost: local", b"h") for _ in range(SLOW_HEADS)]
    work += [flood(address) for _ in range(FLOODS)]
    await asyncio.gather(*work)


def run_abuse(address: tuple[str, int]) -> None:
    asyncio.run(abuse(address))


# ------------------------------------------------------------------------------------------------------- service


def release_again(folder: Path, turn: int) -> None:
    """Release a copy of one of the present versions as a new version."""
    present = versions.list_versions(folder)
    incoming, version = versions.make_incoming(folder), versions.find_next(folder)
    source = folder / str(present[turn % len(present)])
    for path in source.iterdir():
        shutil.copyfile(path, incoming / path.name)
    about = read_json(incoming / versions.RELEASE)
    write_json(incoming / versions.RELEASE, about | {"version": version})
    versions.add_version(folder, incoming, version, N_VERSIONS)


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
        print(f"{turn} releases during this run")


@contextmanager
def serve(project: Path) -> Iterator[tuple[tuple[str, int], int]]:
    """Run the service in a process of its own; yield its address and process id."""
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
    address: tuple[str, int], pid: int, releases: Path, run: Callable[[], Coroutine[Any, Any, Answers]]
) -> tuple[Answers, float]:
    """Load the service while releases change; return the responses and the peak memory in MiB."""
    peak = 0.0
    changing, running = asyncio.create_task(change_releases(releases)), asyncio.create_task(run())
    while not running.done():
        peak = max(peak, read_memory(pid))
        await asyncio.sleep(0.2)
    changing.cancel()
    with suppress(asyncio.CancelledError):
        await changing
    return running.result(), peak


def describe(name: str, answers: Answers) -> None:
    n, errors = len(answers.seconds), answers.errors
    print(f"{name}: {n} requests, {errors.total()} errors {dict(errors) or ''}")
    print(f"  median {statistics.median(answers.seconds):.2f} s, 99th percentile {answers.p99:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--models", type=Path, default=Path("models/released"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        shutil.copyfile("params.yaml", project / "params.yaml")
        shutil.copytree(args.models, project / "models" / "released")
        music, bodies = np.tile(make_music(), REPEATS), {}
        for kind in KINDS:
            ZOO[kind](project / kind, music)
            bodies[kind] = (project / kind).read_bytes()
        with serve(project) as (address, pid):
            first = asyncio.run(load(address, bodies, 4, 8.0))
            time.sleep(REST_SECONDS)
            before = read_memory(pid)
            describe("warm-up", first)

            def run() -> Coroutine[Any, Any, Answers]:
                return load(address, bodies, args.clients, args.seconds)

            releases = project / "models" / "released"
            baseline, peak = asyncio.run(measure(address, pid, releases, run))
            describe("while releases change", baseline)
            abuser = multiprocessing.get_context("spawn").Process(target=run_abuse, args=(address,), daemon=True)
            abuser.start()
            time.sleep(5.0)
            abused, abused_peak = asyncio.run(measure(address, pid, releases, run))
            abuser.terminate()
            abuser.join()
            describe("under abuse", abused)
            print(f"the 99th percentile is {abused.p99 / baseline.p99:.2f} times as long under abuse (at most 3)")
            time.sleep(REST_SECONDS)
            after = read_memory(pid)
            print(f"memory: {before:.0f} MiB before, {peak:.0f} and {abused_peak:.0f} at the peaks, {after:.0f} after")
    print(f"load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    sys.exit(bool(baseline.errors or abused.errors))


if __name__ == "__main__":
    main()
