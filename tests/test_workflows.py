"""Workflows, Makefile and .ci/run call what there is."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ostinato.cli import app

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TOOLS = {"dvc", "git", "gh", "echo", "if", "fi", "tee", "touch"}


def targets() -> set[str]:
    """List what make can make."""
    [phony] = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return set(phony.split())


def commands() -> set[str]:
    """List what ostinato can do."""
    return set(getattr(typer.main.get_command(app), "commands", {}))


def steps(workflow: dict[str, Any]) -> Iterator[str]:
    """Give each line a workflow runs, a command at a time."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            for line in step.get("run", "").splitlines():
                yield from (part.strip() for part in re.split(r"; then |; |\|", line) if part.strip())


def unknown(workflow: dict[str, Any]) -> list[str]:
    """List the commands that this repository does not know."""
    return [command for command in steps(workflow) if not _is_known(*shlex.split(command))]


def _is_known(program: str, *arguments: str) -> bool:
    if program == "make":
        return set(arguments) <= targets()
    if program == "ostinato":
        return arguments[0] in commands()
    if program == "python":
        return (ROOT / arguments[0]).is_file()
    return program in TOOLS or os.access(ROOT / program, os.X_OK)


def read(path: Path) -> dict[str, Any]:
    """Read a workflow; YAML takes its key ``on`` for true."""
    workflow = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in workflow.items()}


def checked(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Hold workflows against the schema that GitHub's are described by, which the checker carries with it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)


def test_the_workflows_are_what_github_takes() -> None:
    """All of them."""
    done = checked(*WORKFLOWS)
    assert done.returncode == 0, done.stdout


def test_a_workflow_that_github_would_refuse_is_found(tmp_path: Path) -> None:
    """One whose job says nowhere to run."""
    workflow = read(WORKFLOWS[0])
    for job in workflow["jobs"].values():
        del job["runs-on"]
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump(workflow))
    done = checked(tmp_path / "wrong.yml")
    assert done.returncode == 1
    assert "runs-on" in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_only_what_there_is(path: Path) -> None:
    """Make's targets, ostinato's commands, files of the repository and the usual tools."""
    assert unknown(read(path)) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_stops_at_the_first_error_and_in_time_and_may_no_more_than_it_must(path: Path) -> None:
    """A shell that minds pipes, a limit for each job, permissions by name."""
    workflow = read(path)
    assert workflow["defaults"] == {"run": {"shell": "bash"}}  # GitHub runs it with -e and -o pipefail
    assert all(job["timeout-minutes"] <= 360 for job in workflow["jobs"].values())
    assert set(workflow["permissions"]) <= {"contents", "pull-requests"}


@pytest.mark.parametrize(
    "command", ["make tests", "ostinato comparison", "python flows/nothing.py", "rm -r data", ".ci/walk"]
)
def test_a_command_that_is_not_there_is_found(command: str) -> None:
    """Whatever kind it is of, and behind a pipe too."""
    workflow = {
        "jobs": {"job": {"steps": [{"uses": "actions/checkout@v4"}, {"run": f"make test\necho a | {command}"}]}}
    }
    assert unknown(workflow) == [command]


def test_each_workflow_starts_when_it_should() -> None:
    """Tests on a push, figures on a pull request, the rest by the clock; retraining as params.yaml says."""
    started = {path.stem: read(path)["on"] for path in WORKFLOWS}
    assert sorted(started) == ["metrics", "nightly", "retrain", "tests"]
    assert (started["tests"], started["metrics"]) == (["push"], ["pull_request"])
    flows = yaml.safe_load((ROOT / "params.yaml").read_text())["flows"]
    assert started["retrain"]["schedule"] == [{"cron": flows["cron"]}]
    assert "schedule" in started["nightly"]


def list_steps(name: str) -> list[dict[str, Any]]:
    """List the steps of a workflow's only job."""
    [job] = read(ROOT / ".github" / "workflows" / f"{name}.yml")["jobs"].values()
    return list(job["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_environment_and_what_dvc_made_stay_between_runs(path: Path) -> None:
    """Under keys that change with what they are made from; DVC's where stages run."""
    caches = {s["with"]["path"]: s["with"]["key"] for s in list_steps(path.stem) if "cache@" in s.get("uses", "")}
    assert "hashFiles('constraints.txt', 'pyproject.toml')" in caches[".venv"]
    assert "python-version" in caches[".venv"]
    if path.stem in ("metrics", "retrain"):
        assert "hashFiles('dvc.lock')" in caches[".dvc/cache"]


def run_step(step: dict[str, Any], folder: Path, **programs: str) -> int:
    """Run a step as GitHub's bash does, with programs that stand for the real ones."""
    for name, text in programs.items():
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/bash\n{text}\n")
        program.chmod(0o755)
    variables = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "PULL_REQUEST": "1",
    }
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(shell, cwd=folder, env=os.environ | variables, capture_output=True).returncode


@pytest.mark.parametrize("status", [0, 1])
def test_the_job_ends_as_the_comparison_does_and_shows_it_to_forks_too(tmp_path: Path, status: int) -> None:
    """A comment that a fork's token may not make changes nothing."""
    steps = {step.get("name"): step for step in list_steps("metrics")}
    compare, show, comment = (steps[n] for n in ("Compare", "Show the comparison on the page of the run", "Comment"))
    assert run_step(compare, tmp_path, ostinato=f"echo '# Metrics'; echo 'an error' >&2; exit {status}") == status
    assert not compare.get("continue-on-error")
    assert run_step(show, tmp_path) == 0
    assert (tmp_path / "summary.md").read_text() == "# Metrics\nan error\n"
    assert all("always() && steps.compare.outcome != 'skipped'" in step["if"] for step in (show, comment))
    assert "head.repo.full_name == github.repository" in comment["if"]
    assert run_step(comment, tmp_path, gh="exit 1") == 1
    assert comment["continue-on-error"] is True


def test_the_comparison_needs_no_history(tmp_path: Path) -> None:
    """The checkout is shallow, and the base is fetched under the name that is compared with."""
    checkout, fetch = list_steps("metrics")[:2]
    assert "with" not in checkout
    commands = ["git init -q -b main", "git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m a"]
    (tmp_path / "origin").mkdir()
    for command in (*commands, *commands[1:]):
        subprocess.run(shlex.split(command), cwd=tmp_path / "origin", check=True, capture_output=True)
    clone = tmp_path / "clone"
    url = (tmp_path / "origin").as_uri()
    subprocess.run(["git", "clone", "-q", "--depth=1", url, str(clone)], check=True, capture_output=True)
    shell = ["bash", "-eo", "pipefail", "-c", fetch["run"]]
    subprocess.run(shell, cwd=clone, env=os.environ | {"BASE": "main"}, check=True, capture_output=True)
    [compare] = [s["run"] for s in list_steps("metrics") if s.get("name") == "Compare"]
    revision = compare.split()[2]
    subprocess.run(["git", "rev-parse", "--verify", "-q", revision], cwd=clone, check=True, capture_output=True)
    count = subprocess.run(["git", "rev-list", "--count", revision], cwd=clone, capture_output=True, text=True)
    assert count.stdout.strip() == "1"


def test_the_check_before_a_merge_is_make_test() -> None:
    """And a person can run it."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "make test"


def test_every_dependency_is_locked() -> None:
    """Each requirement of pyproject.toml, extras too, has one version in constraints.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    locked = [_canonical(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().split()]
    assert len(locked) == len(set(locked))
    assert {_canonical(re.split(r"[\[<>=~!]", name)[0]) for name in wanted} - set(locked) == set()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
