"""Measure what each kind of installation takes, and the way from an empty folder to the first label.

``python -m bench.install SONG --models models/released --before REVISION`` builds the wheel, makes an environment for
each lock of ``locks/`` below a temporary folder, and prints

* the megabytes and distributions of each kind, pip and setuptools aside,
* the seconds from an empty folder to the first label: environment, installation from a warm cache by pip or uv
  (``--installer``), ``predict``,
* the wall and processor time of ``ostinato predict`` of one song against that of another revision (``--before``) in
  this environment, in turns, and in the light environment,
* the processor time of ``ostinato.load_model(...).predict(samples)`` against that of the features and the network's own
  run, on one thread.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import soundfile

import ostinato
from ostinato.audio.context import AudioContext
from ostinato.inference.model import ReleasedModel
from ostinato.io.versions import find_models

ROOT = Path(__file__).parents[1]
TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")


def measure_environment(environment: Path) -> tuple[float, int]:
    """Measure the megabytes on disk and the number of distributions, pip and setuptools aside."""
    [site] = environment.glob("lib/python3.*/site-packages")
    paths = [path for path in site.iterdir() if not path.name.startswith(TOOLS)]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files) / 1e6, sum(p.name.endswith(".dist-info") for p in paths)


def install(python: str, environment: Path, kind: str, wheel: Path, installer: str) -> tuple[float, float]:
    """Make an environment of one kind by pip or uv; return the wall and processor time in seconds."""
    used, begin = read_processor_time(), time.perf_counter()
    venv = ["uv", "venv", "--quiet", "--python", python] if installer == "uv" else [python, "-m", "venv"]
    subprocess.run([*venv, environment], check=True)
    program = environment / "bin" / "python"
    chosen = ["uv", "pip", "install", "--python"] if installer == "uv" else []
    pip = [*chosen, str(program), *([] if chosen else ["-m", "pip", "install"]), "--quiet", "--no-deps"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # else pip finds the sources
    lock = ["--require-hashes", "--requirement", str(ROOT / "locks" / f"{kind}.lock")]
    subprocess.run([*pip, *lock], check=True, stderr=subprocess.DEVNULL, env=clean)
    subprocess.run([*pip, str(wheel)], check=True, stderr=subprocess.DEVNULL, env=clean)
    return time.perf_counter() - begin, read_processor_time() - used


def read_processor_time() -> float:
    """Read the processor time of the commands that ended so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def time_command(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command in an empty folder; return its wall and processor time in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        used, begin = read_processor_time(), time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin, read_processor_time() - used


def compare_api(song: Path, models: Path, rounds: int) -> float:
    """Compute the median ratio of the processor time of `predict` on samples to that of its features and network."""
    samples, sample_rate = soundfile.read(song, dtype="float32", always_2d=True)
    samples = samples.mean(axis=1)
    model = ostinato.load_model(models)
    released = model._released = ReleasedModel(find_models(models)[model.task], threads=1)

    def run_parts() -> None:
        context = AudioContext(samples, sample_rate)
        rows = {name: given.compute(context) for name, given in released.inputs.items()}
        prepared = {name: given.prepare(rows[name]) for name, given in released.inputs.items()}
        n_chunks = max(given.count_chunks(rows[name]) for name, given in released.inputs.items())
        chunks = {n: g.cut(prepared[n], n_chunks, slice(0, n_chunks)) for n, g in released.inputs.items()}
        released.session.run(["logits", "embedding"], chunks)

    def time_call(function: Callable[[], object]) -> float:
        begin = time.process_time()
        function()
        return time.process_time() - begin

    predict = partial(model.predict, samples, sample_rate)
    return statistics.median(time_call(predict) / time_call(run_parts) for _ in range(rounds))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("song", type=Path)
    parser.add_argument("--models", type=Path, default=Path("models/released"))
    parser.add_argument("--before", metavar="REVISION", help="compare the cold start with this revision of git")
    parser.add_argument("--python", default="python3.11")
    parser.add_argument("--installer", choices=("pip", "uv"), default="pip", help="uv must be on the path")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--kinds", nargs="*", default=["light", "serve", "encoders"])
    options = parser.parse_args()
    song, models = str(options.song.resolve()), str(options.models.resolve())
    ratio = compare_api(Path(song), Path(models), options.rounds * 10)
    print(f"load_model(...).predict(samples) takes {ratio:.3f} of features and network")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copytree(ROOT / "src", place / "source" / "src")
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, place / "source")
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "--wheel-dir", place, place / "source"], check=True)
        [wheel] = place.glob("*.whl")
        plain = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
        commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        for kind in options.kinds:
            install(options.python, place / "warm", kind, wheel, options.installer)  # fills the cache
            shutil.rmtree(place / "warm")
            wall, processor = install(options.python, place / kind, kind, wheel, options.installer)
            predict = [str(place / kind / "bin" / "ostinato"), "predict", song, "--models", models]
            first, used = time_command(predict, plain)
            megabytes, count = measure_environment(place / kind)
            times_text = f"first label after {wall + first:.1f} s, {processor + used:.1f} s of processor"
            print(f"{kind}: {megabytes:.0f} MB, {count} distributions; {times_text}")
            commands.setdefault("light environment", (predict, plain))
        here = [sys.executable, "-m", "ostinato", "predict", song, "--models", models]
        commands["this environment"] = here, plain | {"PYTHONPATH": str(ROOT / "src")}
        if options.before:
            (place / "before").mkdir()
            archive = subprocess.run(
                ["git", "archive", options.before, "src"], cwd=ROOT, check=True, capture_output=True
            )
            subprocess.run(["tar", "-x", "-C", place / "before"], input=archive.stdout, check=True)
            commands[options.before] = here, plain | {"PYTHONPATH": str(place / "before" / "src")}
        times = {name: [] for name in commands}  # type: dict[str, list[tuple[float, float]]]
        for _ in range(options.rounds):
            for name, (command, environment) in commands.items():
                times[name].append(time_command(command, environment))
        for name, taken in times.items():
            walls, processors = zip(*taken, strict=True)
            medians = f"median {statistics.median(walls):.2f} s, {statistics.median(processors):.2f} s of processor"
            print(f"predict, {name}: least {min(walls):.2f} s, {min(processors):.2f} s of processor; {medians}")


if __name__ == "__main__":
    main()
