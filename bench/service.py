"""What the service bears, and what HTTP costs.

``python -m bench.service`` serves a network of the usual size with random weights
by ``ostinato serve`` on this machine, posts MP3s of thirty seconds from many clients
at once (``--clients``, ``--seconds``), and prints

* requests answered, errors, median and 99th percentile of the time to answer,
* throughput against the same work on as many threads without HTTP, done before and
  after (at least 0.8), by the clock, clients included, and by the service's
  processor time, which other work on the machine sways less,
* resident memory of the service after a fifth of the run and at its end (the same),
* what computing the chunks of several requests at once would save of a request.
"""

import argparse
import asyncio
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import httpx
import numpy as np
import soundfile
import torch
from bench.features import RATE, rendered
from bench.inference import BINS, FRAMES, network
from threadpoolctl import threadpool_limits

from ostinato.runtime.answers import answers
from ostinato.runtime.session import Released

SECONDS = 30
CLIPS = 8
CHUNKS = 5
ROUNDS = 10
PATIENCE = 120.0
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """What came of a run: seconds to answer, refusals, memory in MiB."""

    taken: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


@contextmanager
def served(project: Path, releases: Path) -> Iterator[tuple[str, int]]:
    """Run the service in a process of its own; gives its address and number."""
    command = [sys.executable, "-m", "ostinato", "serve", "--port", "0", "--models", str(releases)]
    process = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield process.stderr.readline().strip(), process.pid
    finally:
        process.terminate()
        process.wait(60)


def processor(pid: int) -> float:
    """Read the processor time of a process in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


async def loaded(address: str, pid: int, bodies: list[bytes], n_clients: int, for_seconds: float) -> Load:
    """Post from so many clients, each asking again as soon as it is answered."""
    load, end, turn = Load(), time.monotonic() + for_seconds, cycle(bodies)

    async def client(http: httpx.AsyncClient) -> None:
        while time.monotonic() < end:
            begin = time.monotonic()
            try:
                answer = await http.post("v1/predict", params={"name": "clip.mp3"}, content=next(turn))
            except httpx.HTTPError as error:
                load.errors.append(repr(error))
                continue
            load.taken.append(time.monotonic() - begin)
            if answer.status_code != 200:
                load.errors.append(f"{answer.status_code} {answer.text}")

    async def watch() -> None:
        while time.monotonic() < end:
            load.memory.append(resident(pid))
            await asyncio.sleep(min(0.5, for_seconds / 20))

    limits = httpx.Limits(max_connections=n_clients)
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE, limits=limits) as http:
        await asyncio.gather(watch(), *(client(http) for _ in range(n_clients)))
    return load


def bare(paths: list[Path], models: list[Released], workers: int, for_seconds: float) -> tuple[int, float, float]:
    """Do the same without HTTP; gives how many, the seconds and the processor's seconds."""
    begin, used, turn = time.monotonic(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), cycle(paths)

    def work() -> int:
        n = 0
        while time.monotonic() < begin + for_seconds:
            answers(next(turn), models)
            n += 1
        return n

    with ThreadPoolExecutor(workers) as pool:
        n = sum(f.result() for f in [pool.submit(work) for _ in range(workers)])
    return n, time.monotonic() - begin, sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - used


def spent(work: Callable[[], object]) -> float:
    """Take the least processor time of a few rounds."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def batching(released: Released, of_a_request: float) -> None:
    """Say what one run over the chunks of many requests would save."""
    x = np.random.default_rng(0).standard_normal((CHUNKS * 6, 1, BINS, FRAMES), np.float32)
    apart = spent(lambda: [released._run({"mel": x[i : i + CHUNKS]}) for i in range(0, len(x), CHUNKS)])
    together = spent(lambda: released._run({"mel": x}))
    share = (apart - together) / 6 / of_a_request
    print(f"six requests in one run of the network would save {share:.1%} of a request")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--clips", type=Path, help="a folder of MP3s instead of rendered ones")
    given = parser.parse_args()
    threadpool_limits(1)  # as the service does
    torch.set_num_threads(1)
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        project, releases = Path(folder), Path(folder) / "released"
        shutil.copyfile("params.yaml", project / "params.yaml")
        network("mel", releases / "genre")
        paths = sorted(given.clips.rglob("*.mp3")) if given.clips else [project / f"{i}.mp3" for i in range(CLIPS)]
        for i, path in enumerate([] if given.clips else paths):
            soundfile.write(path, rendered(i, SECONDS), RATE)
        models = [Released(releases / "genre", threads=1)]
        runs = [bare(paths, models, workers, given.seconds / 4)]
        with served(project, releases) as (address, pid):
            httpx.post(f"{address}v1/predict", content=paths[0].read_bytes(), timeout=PATIENCE).raise_for_status()
            begin, used = time.monotonic(), processor(pid)
            bodies = [p.read_bytes() for p in paths]
            load = asyncio.run(loaded(address, pid, bodies, given.clients, given.seconds))
            took, used = time.monotonic() - begin, processor(pid) - used
        runs.append(bare(paths, models, workers, given.seconds / 4))
        n, without, processor_without = (sum(column) for column in zip(*runs, strict=True))
        report(load, took, used, n / without, processor_without / n)
        batching(models[0], processor_without / n)
    print(f"load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {workers} cores")


def report(load: Load, took: float, used: float, rate: float, cost: float) -> None:
    """Print the figures of a run beside the rate and the processor's cost without HTTP."""
    n = len(load.taken) - len([e for e in load.errors if e[0].isdigit()])
    median, late = np.percentile(load.taken, [50, 99])
    print(f"{n} requests in {took:.0f} s, {len(load.errors)} errors {load.errors[:1] or ''}")
    print(f"half answered within {median:.2f} s, 99 of 100 within {late:.2f} s; {n / took:.1f} a second")
    print(f"without HTTP {rate:.1f} a second: the service reaches {n / took / rate:.2f}")
    print(f"of the processor a request takes {1000 * used / n:.0f} ms, {1000 * cost:.0f} ms without HTTP: ", end="")
    print(f"{cost * n / used:.2f}")
    print(f"memory: {load.memory[len(load.memory) // 5]:.0f} MiB after a fifth, {load.memory[-1]:.0f} MiB at the end")


if __name__ == "__main__":
    main()
