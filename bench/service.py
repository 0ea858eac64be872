"""What the service bears, and what HTTP costs.

``python -m bench.service`` serves a network of the usual size with random weights
by ``ostinato serve`` on this machine, posts MP3s of thirty seconds from many clients
at once (``--clients``, ``--seconds``; by wrk: ``apt install wrk``), and prints

* requests answered, errors, median and 99th percentile of the time to answer,
* throughput against the same work on as many threads without HTTP, done before and
  after (at least 0.8), by the clock, clients included, and by the service's
  processor time, which other work on the machine sways less,
* resident memory of the service after a fifth of the run and at its end (the same),
* what computing the chunks of several requests at once would save of a request.
"""

import argparse
import json
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
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import httpx
import numpy as np
import soundfile
import torch
from bench.features import RATE, rendered
from bench.inference import BINS, FRAMES, network
from threadpoolctl import threadpool_limits

from ostinato.inference.answers import answer_file
from ostinato.inference.model import ReleasedModel

SECONDS = 30
CLIPS = 8
CHUNKS = 5
ROUNDS = 10
PATIENCE = 120
POST = """
local bodies = {}
function init()
  for i, path in ipairs({PATHS}) do
    local file = io.open(path, "rb")
    bodies[i] = wrk.format("POST", "/v1/predict?name=clip.mp3", nil, file:read("*a"))
    file:close()
  end
end
local turn = 0
function request()
  turn = turn % #bodies + 1
  return bodies[turn]
end
function done(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  local said = '{"requests": %d, "seconds": %f, "errors": %d, "median": %f, "late": %f}'
  local late = latency:percentile(99)
  print(said:format(summary.requests, summary.duration / 1e6, errors, latency:percentile(50) / 1e6, late / 1e6))
end
"""
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """What came of a run: requests answered, in how many seconds, errors, seconds to answer, memory in MiB."""

    requests: int
    seconds: float
    errors: int
    median: float
    late: float
    memory: list[float]


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


def loaded(address: str, pid: int, paths: list[Path], n_clients: int, for_seconds: float) -> Load:
    """Post from so many clients, each asking again as soon as it is answered."""
    script = paths[0].with_name("post.lua")
    script.write_text(POST.replace("PATHS", ", ".join(f"[==[{path}]==]" for path in paths)))
    command = [
        "wrk",
        "-t1",
        f"-c{n_clients}",
        f"-d{for_seconds:.0f}s",
        f"--timeout={PATIENCE}s",
        f"-s{script}",
        address,
    ]
    memory = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
        while clients.poll() is None:
            memory.append(resident(pid))
            time.sleep(min(0.5, for_seconds / 20))
        assert clients.stdout is not None
        found = json.loads(clients.stdout.read().splitlines()[-1])
    return Load(memory=memory, **found)


def bare(paths: list[Path], models: list[ReleasedModel], workers: int, for_seconds: float) -> tuple[int, float, float]:
    """Do the same without HTTP; gives how many, the seconds and the processor's seconds."""
    begin, used, turn = time.monotonic(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), cycle(paths)

    def work() -> int:
        n = 0
        while time.monotonic() < begin + for_seconds:
            answer_file(next(turn), models)
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


def batching(released: ReleasedModel, of_a_request: float) -> None:
    """Return what one run over the chunks of many requests would save."""
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
        models = [ReleasedModel(releases / "genre", threads=1)]
        runs = [bare(paths, models, workers, given.seconds / 4)]
        with served(project, releases) as (address, pid):
            httpx.post(f"{address}v1/predict", content=paths[0].read_bytes(), timeout=PATIENCE).raise_for_status()
            used = processor(pid)
            load = loaded(address, pid, paths, given.clients, given.seconds)
            used = processor(pid) - used
        runs.append(bare(paths, models, workers, given.seconds / 4))
        n, without, processor_without = (sum(column) for column in zip(*runs, strict=True))
        report(load, used, n / without, processor_without / n)
        batching(models[0], processor_without / n)
    print(f"load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {workers} cores")


def report(load: Load, used: float, rate: float, cost: float) -> None:
    """Print the figures of a run beside the rate and the processor's cost without HTTP."""
    n, reached = load.requests, load.requests / load.seconds
    print(f"{n} requests in {load.seconds:.0f} s, {load.errors} errors")
    print(f"half answered within {load.median:.2f} s, 99 of 100 within {load.late:.2f} s; {reached:.1f} a second")
    print(f"without HTTP {rate:.1f} a second: the service reaches {reached / rate:.2f}")
    print(f"of the processor a request takes {1000 * used / n:.0f} ms, {1000 * cost:.0f} ms without HTTP: ", end="")
    print(f"{cost * n / used:.2f}")
    print(f"memory: {load.memory[len(load.memory) // 5]:.0f} MiB after a fifth, {load.memory[-1]:.0f} MiB at the end")


if __name__ == "__main__":
    main()
