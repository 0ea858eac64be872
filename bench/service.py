"""Measure the throughput of the service, and what HTTP costs.

``python -m bench.service`` serves a network of typical size with random weights
by ``ostinato serve`` on this machine, posts MP3s of thirty seconds from many clients
at once (``--clients``, ``--seconds``; by wrk: ``apt install wrk``), and prints

* the requests, the errors, and the median and 99th percentile of the response time,
* the throughput against the same work on as many threads without HTTP, measured before
  and after (at least 0.8): by the clock, clients included, and by the processor time of
  the service, which depends less on other work on the machine,
* the resident memory of the service after a fifth of the run and at its end (the same),
* how much of a request running the chunks of several requests at once would save.
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
from bench.features import RATE, render_music
from bench.inference import BINS, FRAMES, release_network
from threadpoolctl import threadpool_limits

from ostinato.inference.answers import answer_file
from ostinato.inference.model import ReleasedModel

SECONDS = 30
CLIPS = 8
CHUNKS = 5
ROUNDS = 10
TIMEOUT = 120
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
  local template = '{"requests": %d, "seconds": %f, "errors": %d, "median": %f, "p99": %f}'
  local p99 = latency:percentile(99)
  print(template:format(summary.requests, summary.duration / 1e6, errors, latency:percentile(50) / 1e6, p99 / 1e6))
end
"""
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """Result of a run: requests and errors in so many seconds, response times in seconds, memory in MiB."""

    requests: int
    seconds: float
    errors: int
    median: float
    p99: float
    memory: list[float]


@contextmanager
def serve(project: Path, releases: Path) -> Iterator[tuple[str, int]]:
    """Run the service in a process of its own; yield its address and process id."""
    command = [sys.executable, "-m", "ostinato", "serve", "--port", "0", "--models", str(releases)]
    process = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        yield process.stderr.readline().strip(), process.pid
    finally:
        process.terminate()
        process.wait(60)


def read_processor_time(pid: int) -> float:
    """Read the processor time of a process in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def read_memory(pid: int) -> float:
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) / 1024 if match else 0.0


def run_clients(address: str, pid: int, paths: list[Path], n_clients: int, duration: float) -> Load:
    """Post from many clients, each one request after another."""
    script = paths[0].with_name("post.lua")
    script.write_text(POST.replace("PATHS", ", ".join(f"[==[{path}]==]" for path in paths)))
    command = [
        "wrk",
        "-t1",
        f"-c{n_clients}",
        f"-d{duration:.0f}s",
        f"--timeout={TIMEOUT}s",
        f"-s{script}",
        address,
    ]
    memory = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
        while clients.poll() is None:
            memory.append(read_memory(pid))
            time.sleep(min(0.5, duration / 20))
        assert clients.stdout is not None
        summary = json.loads(clients.stdout.read().splitlines()[-1])
    return Load(memory=memory, **summary)


def run_without_http(
    paths: list[Path], models: list[ReleasedModel], workers: int, duration: float
) -> tuple[int, float, float]:
    """Do the same without HTTP; return the number of files, the seconds and the processor seconds."""
    begin, start, turn = time.monotonic(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), cycle(paths)

    def work() -> int:
        n = 0
        while time.monotonic() < begin + duration:
            answer_file(next(turn), models)
            n += 1
        return n

    with ThreadPoolExecutor(workers) as pool:
        n = sum(f.result() for f in [pool.submit(work) for _ in range(workers)])
    return n, time.monotonic() - begin, sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - start


def time_processor(work: Callable[[], object]) -> float:
    """Return the least processor time of a few rounds."""
    seconds = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def measure_batching(released: ReleasedModel, request_seconds: float) -> None:
    """Print how much one run over the chunks of many requests would save."""
    x = np.random.default_rng(0).standard_normal((CHUNKS * 6, 1, BINS, FRAMES), np.float32)
    separate = time_processor(lambda: [released._run({"mel": x[i : i + CHUNKS]}) for i in range(0, len(x), CHUNKS)])
    together = time_processor(lambda: released._run({"mel": x}))
    share = (separate - together) / 6 / request_seconds
    print(f"six requests in one run of the network would save {share:.1%} of a request")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--clips", type=Path, help="a folder of MP3s instead of rendered ones")
    args = parser.parse_args()
    threadpool_limits(1)  # as the service does
    torch.set_num_threads(1)
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        project, releases = Path(folder), Path(folder) / "released"
        shutil.copyfile("params.yaml", project / "params.yaml")
        release_network("mel", releases / "genre")
        paths = sorted(args.clips.rglob("*.mp3")) if args.clips else [project / f"{i}.mp3" for i in range(CLIPS)]
        for i, path in enumerate([] if args.clips else paths):
            soundfile.write(path, render_music(i, SECONDS), RATE)
        models = [ReleasedModel(releases / "genre", threads=1)]
        runs = [run_without_http(paths, models, workers, args.seconds / 4)]
        with serve(project, releases) as (address, pid):
            httpx.post(f"{address}v1/predict", content=paths[0].read_bytes(), timeout=TIMEOUT).raise_for_status()
            processor_seconds = read_processor_time(pid)
            load = run_clients(address, pid, paths, args.clients, args.seconds)
            processor_seconds = read_processor_time(pid) - processor_seconds
        runs.append(run_without_http(paths, models, workers, args.seconds / 4))
        n, n_seconds, processor_without = (sum(column) for column in zip(*runs, strict=True))
        print_report(load, processor_seconds, n / n_seconds, processor_without / n)
        measure_batching(models[0], processor_without / n)
    print(f"load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {workers} cores")


def print_report(load: Load, processor_seconds: float, rate: float, cost: float) -> None:
    """Print the result of a run against the rate and the processor time without HTTP."""
    n, throughput = load.requests, load.requests / load.seconds
    print(f"{n} requests in {load.seconds:.0f} s, {load.errors} errors")
    print(f"median {load.median:.2f} s, 99th percentile {load.p99:.2f} s; {throughput:.1f} requests a second")
    print(f"without HTTP {rate:.1f} a second: the service reaches {throughput / rate:.2f}")
    print(
        f"processor time of a request: {1000 * processor_seconds / n:.0f} ms, {1000 * cost:.0f} ms without HTTP: ",
        end="",
    )
    print(f"{cost * n / processor_seconds:.2f}")
    print(f"memory: {load.memory[len(load.memory) // 5]:.0f} MiB after a fifth, {load.memory[-1]:.0f} MiB at the end")


if __name__ == "__main__":
    main()
