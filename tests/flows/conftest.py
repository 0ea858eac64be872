"""A project of toy stages under the real DVC and the real Prefect."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from toy_commands import shell

from ostinato.pipeline import graph

# what the project's own package lacks is found in the real one
BESIDE = "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n"

# stands in for the pipeline's own command line: `python -m` looks in the working folder first
TOY = """
import json, os, pathlib, sys, time

def params():
    import yaml
    return yaml.safe_load(open("params.yaml"))

def put(path, value):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))

def ingest():
    lines = sorted(pathlib.Path("raw.txt").read_text().split())
    put("data/tracks.json", lines)
    if pathlib.Path("offline").exists():
        pathlib.Path("offline").unlink()
        sys.exit("no network")

def train(name):
    if pathlib.Path(f"break_{name}").exists():
        with open(f"tries_{name}", "a") as tries:
            tries.write("x")
        sys.exit(f"{name} is broken")
    if pathlib.Path("wait").exists():
        put(f"waiting_{name}", os.getpid())
        time.sleep(600)
    if pathlib.Path("meet").exists():
        pathlib.Path(f"meet_{name}").touch()
        end = time.monotonic() + 30
        while len(list(pathlib.Path().glob("meet_*"))) < 2:
            if time.monotonic() > end:
                sys.exit("met nobody")
            time.sleep(0.05)
    tracks = json.load(open("data/tracks.json"))
    put(f"models/checkpoints/{name}.json", tracks)
    figure = {"value": len(tracks) / 10, "low": len(tracks) / 20, "high": len(tracks) / 10}
    row = {"task": "genre", "architecture": name, "feature": "mel", "test": {"f1_micro": figure}}
    put(f"models/metrics/{name}.json", row)

def gate():
    least = params()["gate"]["genre"]["f1_micro"]["min"]
    found = {p.stem: json.load(open(p))["test"]["f1_micro"]["value"] for p in pathlib.Path("models/metrics").iterdir()}
    put("models/gate.json", {name: {"accepted": value >= least} for name, value in sorted(found.items())})

def catalog():
    put("models/catalog/catalog.json", json.load(open("data/tracks.json")))

def release(*chosen):
    if chosen == ("--task", "catalog"):
        tracks = json.load(open("models/catalog/catalog.json"))
        put("models/verdict.json", {"catalog": {"answer": "released" if tracks else "rejected"}})
        print("catalog:", "released" if tracks else "rejected")
        if not tracks:
            sys.exit(3)
        put("models/released/catalog/catalog.json", tracks)
        return
    accepted = [name for name, told in json.load(open("models/gate.json")).items() if told["accepted"]]
    released = pathlib.Path("models/released/genre")
    before = released.read_text() if released.exists() else None
    reasons = [] if accepted else ["no accepted candidate"]
    after = accepted[0] if accepted else before
    answer = "released" if accepted else "no accepted candidate"
    verdict = {"answer": answer, "released": after, "previous": before, "reasons": reasons}
    put("models/verdict.json", {"genre": verdict})
    print("genre:", answer)
    if not accepted:
        sys.exit(3)
    released.parent.mkdir(parents=True, exist_ok=True)
    released.write_text(after)

from ostinato.core import parent

parent.die_with_caller()
globals()[sys.argv[1]](*sys.argv[2:])
"""

STAGES = {
    "ingest": {
        "cmd": "python -m ostinato ingest",
        "always_changed": True,
        "meta": {"network": True},
        "outs": ["data/tracks.json"],
    },
    "train": {
        "foreach": "${candidates}",
        "do": {
            "cmd": "python -m ostinato train ${key}",
            "meta": {"gpu": True},
            "deps": ["data/tracks.json"],
            "params": ["candidates.${key}"],
            "outs": ["models/checkpoints/${key}.json"],
            "metrics": [{"models/metrics/${key}.json": {"cache": False}}],
        },
    },
    "gate": {
        "cmd": "python -m ostinato gate",
        "deps": ["models/metrics"],
        "params": ["gate"],
        "outs": [{"models/gate.json": {"cache": False}}],
    },
}

PARAMS = {
    "dataset": {"name": "folder", "table": "raw.txt"},
    "features": {"kinds": {"mel": {}}},
    "compute": {"threads": 1},
    "candidates": {name: {"architecture": "time", "feature": "mel", "task": "genre"} for name in ("a", "b")},
    "gate": {"genre": {"f1_micro": {"min": 0.2}}},
    "flows": {"retries": 1, "retry_delay_seconds": 0},
}


@pytest.fixture(scope="session")
def never_ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a committed project of four stages, with a folder beside it as DVC remote."""
    project = tmp_path_factory.mktemp("never_ran") / "toy"
    (project / "ostinato").mkdir(parents=True)
    (project / "ostinato" / "__init__.py").write_text(BESIDE)
    (project / "ostinato" / "__main__.py").write_text(TOY)
    (project / "raw.txt").write_text("one two three")
    (project / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (project / ".gitignore").write_text(".ostinato/\nmeet*\nwait*\nbreak_*\ntries_*\noffline\n__pycache__/\n")
    shell(project, "git", "init", "--quiet", "--initial-branch=main")
    shell(project, "git", "config", "user.email", "toy@example.org")
    shell(project, "git", "config", "user.name", "Toy")
    shell(project, *graph.dvc("init", "--quiet"))
    (project / ".dvc" / "config").write_text("['remote \"store\"']\n    url = ../../store\n")
    shell(project, "git", "add", "--all")
    shell(project, "git", "commit", "--quiet", "--message", "Begin")
    return project


@pytest.fixture(scope="session")
def once_ran(never_ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the same project after `dvc repro`."""
    project = Path(shutil.copytree(never_ran, tmp_path_factory.mktemp("once_ran") / "toy"))
    shell(project, *graph.dvc("repro", "--quiet"))
    return project


@pytest.fixture
def toy(never_ran: Path, tmp_path: Path) -> Path:
    """Return a project that never ran."""
    return Path(shutil.copytree(never_ran, tmp_path / "toy"))


@pytest.fixture
def finished_toy(once_ran: Path, tmp_path: Path) -> Path:
    """Return a project whose graph is up to date."""
    return Path(shutil.copytree(once_ran, tmp_path / "toy"))


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    """Start Prefect's temporary server once for the flow tests of a file."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield
