"""The package as people get it: from an empty folder, on each Python, by anyone; and the steps of the Containerfile."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ostinato.io.files import write_json
from ostinato.io.versions import compute_digests
from serving.served_project import Served

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
NOBODY = 54321
"""A user that no machine has an entry for."""
LIGHT_MEGABYTES, LIGHT_DISTRIBUTIONS = 350, 30
SERVE_MEGABYTES = 420
CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
"""Where pip finds no sources of the package."""


def find_python(version: str) -> str:
    """Find a Python of a version: the system's, on the path or among pyenv's, or skip."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    system = Path(f"/usr/bin/python{version}")
    places = [
        str(system) if system.exists() else None,
        shutil.which(f"python{version}"),
        *sorted(map(str, pyenv.glob(f"{version}.*/bin/python"))),
    ]
    for place in filter(None, places):
        asked = [place, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(asked, capture_output=True, text=True).stdout.strip() == version:
            return place
    pytest.skip(f"no Python {version} here: install python{version} and python{version}-venv, or pyenv install it")


def run(*command: object, **options) -> subprocess.CompletedProcess[str]:
    variables = {"env": CLEAN} | options
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **variables)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Return a folder that every user may read, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="ostinato-installs-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def distributions(place) -> Path:
    """Build the sdist and, of it, the wheel; return their folder."""
    source, tools = place / "source", place / "tools"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    run(find_python("3.11"), "-m", "venv", tools)
    run(tools / "bin" / "pip", "install", "--quiet", "build", "twine")
    run(tools / "bin" / "python", "-m", "build", "--outdir", place / "dist", source)
    run(tools / "bin" / "twine", "check", "--strict", *(place / "dist").iterdir())
    return place / "dist"


@pytest.fixture(scope="module")
def released_root(place) -> Path:
    """Write a released model with its hashes, a catalog, and tones to ask about."""
    served = Served(place / "released")
    served.catalog()
    names = [file.name for file in served.genre.iterdir()]
    write_json(served.genre / "release.json", {"version": 1, "files": compute_digests(served.genre, names)})
    shutil.move(served.root / "catalog", served.releases / "catalog")
    for path in (served.root, *served.root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return served.root


def install(environment: Path, lock: str, distributions: Path) -> Path:
    """Install a lock by hash and the wheel into an environment; return its folder of programs."""
    programs = environment / "bin"
    run(programs / "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", ROOT / "locks" / lock)
    [wheel] = distributions.glob("*.whl")
    run(programs / "pip", "install", "--quiet", "--no-deps", "--force-reinstall", wheel)
    run(programs / "pip", "check")
    return programs


def measure(environment: Path) -> tuple[float, int]:
    """Measure the megabytes and the number of distributions that were installed, pip and setuptools aside."""
    [site] = environment.glob("lib/python3.*/site-packages")
    tools = re.compile(r"(pip|setuptools|pkg_resources|_distutils_hack|distutils-precedence)\b")
    mine = [path for path in site.iterdir() if not tools.match(path.name)]
    files = [file for path in mine for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    n_bytes = sum(file.stat().st_blocks * 512 for file in files)
    return n_bytes / 1e6, sum(path.name.endswith(".dist-info") for path in mine)


def can_become_nobody(programs: Path) -> bool:
    """Return whether this process may become another user who may run this Python: not one below /root."""
    return os.geteuid() == 0 and all(place.stat().st_mode & 1 for place in (programs / "python").resolve().parents)


class Nobody:
    """Someone without a home and without an entry among the users, in a folder that cannot be written to."""

    def __init__(self, programs: Path, here: Path) -> None:
        self.ostinato, self.here = programs / "ostinato", here
        here.mkdir()
        here.chmod(0o555)
        self.environment = {"PATH": "/usr/bin:/bin"}
        self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if can_become_nobody(programs) else {}

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(self.ostinato), *map(str, arguments)]
        options = {"cwd": self.here, "env": self.environment, **self.user}
        return subprocess.run(command, capture_output=True, text=True, **options)

    @contextmanager
    def serve(self, models: Path) -> Iterator[str]:
        """Serve on a free port, settings by environment; gives the address."""
        variables = self.environment | {"OSTINATO_PORT": "0", "OSTINATO_MODELS": str(models)}
        with subprocess.Popen(
            [str(self.ostinato), "serve"], cwd=self.here, env=variables, stderr=subprocess.PIPE, text=True, **self.user
        ) as process:
            try:
                lines = []
                for line in process.stderr:
                    lines.append(line)
                    if line.startswith("http://"):
                        break
                else:
                    pytest.fail("".join(lines))
                yield line.strip()
            finally:
                process.terminate()


def fetch(url: str, content: bytes | None = None) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, data=content), timeout=60) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("version", PYTHONS)
def test_from_an_empty_folder_to_a_label_and_a_service(version, place, distributions, released_root) -> None:
    python, environment = find_python(version), place / f"environment-{version}"
    song = released_root / "music" / "tone 0.wav"
    run(python, "-m", "venv", environment)
    programs = install(environment, "light.lock", distributions)
    megabytes, count = measure(environment)
    print(f"Python {version}, light: {megabytes:.0f} MB, {count} distributions")
    assert (megabytes <= LIGHT_MEGABYTES, count <= LIGHT_DISTRIBUTIONS) == (True, True)

    nobody = Nobody(programs, place / f"here-{version}")
    assert nobody.run("--version").stdout == "ostinato 0.1.0\n"
    done = nobody.run("predict", song, "--models", released_root / "released", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["label"] in ("blues", "jazz", "rock")
    found = nobody.run("doctor", "--json", "--models", released_root / "released")
    assert [f["text"] for f in json.loads(found.stdout) if f["state"] == "error"] == []
    refused = nobody.run("serve")
    assert refused.returncode == 2
    assert (
        refused.stderr == "ostinato: ostinato serve needs fastapi and 6 more packages: pip install 'ostinato[serve]'\n"
    )

    install(environment, "serve.lock", distributions)
    megabytes, count = measure(environment)
    print(f"Python {version}, serve: {megabytes:.0f} MB, {count} distributions")
    assert megabytes <= SERVE_MEGABYTES
    with nobody.serve(released_root / "released") as url:
        assert json.loads(fetch(f"{url}healthz"))["status"] == "ok"
        [answer] = json.loads(fetch(f"{url}v1/predict?name=tone.wav&task=genre", song.read_bytes()))["predictions"]
        assert answer["task"] == "genre"
        assert len(json.loads(fetch(f"{url}v1/recommend", json.dumps({"tracks": ["tone1"], "k": 2}).encode()))) > 0
        assert "ostinato_requests_total" in fetch(f"{url}metrics")
        assert "<html" in fetch(url)
    assert list(nobody.here.iterdir()) == []


def test_an_unsupported_python_is_refused_by_pip(place, distributions) -> None:
    python = find_python("3.10")
    run(python, "-m", "venv", place / "old")
    [wheel] = distributions.glob("*.whl")
    refused = subprocess.run(
        [place / "old" / "bin" / "pip", "install", "--no-deps", wheel], capture_output=True, text=True
    )
    assert refused.returncode != 0
    assert "requires a different Python: 3.10" in refused.stderr


def test_the_sdist_makes_the_same_package_as_the_tree(distributions) -> None:
    import zipfile

    [wheel] = distributions.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("ostinato/")}
    files = [f for f in (ROOT / "src" / "ostinato").rglob("*") if f.is_file() and f.parent.name != "__pycache__"]
    assert packed == {str(file.relative_to(ROOT / "src")) for file in files}
