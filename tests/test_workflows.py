"""Workflows, Makefile and .ci/run call what there is."""

import importlib.util
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

from declarations import list_declared
from ostinato.cli import app

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TOOLS = {"dvc", "git", "gh", "echo", "if", "fi", "tee", "touch", "head", "sed"}
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def targets() -> set[str]:
    """List what make can make."""
    [phony] = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return set(phony.split())


def commands() -> set[str]:
    """List what ostinato can do."""
    return set(getattr(typer.main.get_command(app), "commands", {}))


def steps(workflow: dict[str, Any]) -> Iterator[str]:
    """Return each line a workflow runs, a command at a time."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            for line in step.get("run", "").splitlines():
                yield from (part.strip() for part in re.split(r"; then |; |\|", line) if part.strip())


def list_unknown_commands(workflow: dict[str, Any]) -> list[str]:
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


def check_schema(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Hold workflows against the schema that GitHub's are described by, which the checker carries with it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)


def test_the_workflows_are_what_github_takes() -> None:
    """All of them."""
    done = check_schema(*WORKFLOWS)
    assert done.returncode == 0, done.stdout


def test_a_workflow_that_github_would_refuse_is_found(tmp_path: Path) -> None:
    """One whose job says nowhere to run."""
    workflow = read(WORKFLOWS[0])
    for job in workflow["jobs"].values():
        del job["runs-on"]
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump(workflow))
    done = check_schema(tmp_path / "wrong.yml")
    assert done.returncode == 1
    assert "runs-on" in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_only_what_there_is(path: Path) -> None:
    """Make's targets, ostinato's commands, files of the repository and the usual tools."""
    assert list_unknown_commands(read(path)) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_stops_at_the_first_error_and_in_time_and_may_no_more_than_it_must(path: Path) -> None:
    """A shell that minds pipes, a limit for each job, permissions by name."""
    workflow = read(path)
    assert workflow["defaults"] == {"run": {"shell": "bash"}}  # GitHub runs it with -e and -o pipefail
    assert all(job["timeout-minutes"] <= 360 for job in workflow["jobs"].values())
    assert set(workflow["permissions"]) <= {"actions", "contents", "pull-requests"}


@pytest.mark.parametrize(
    "command", ["make tests", "ostinato comparison", "python flows/nothing.py", "rm -r data", ".ci/walk"]
)
def test_a_command_that_is_not_there_is_found(command: str) -> None:
    """Whatever kind it is of, and behind a pipe too."""
    workflow = {
        "jobs": {"job": {"steps": [{"uses": "actions/checkout@v4"}, {"run": f"make test\necho a | {command}"}]}}
    }
    assert list_unknown_commands(workflow) == [command]


def test_each_workflow_starts_when_it_should() -> None:
    """Tests on a push, figures on a pull request, the rest by the clock; retraining as params.yaml says."""
    started = {path.stem: read(path)["on"] for path in WORKFLOWS}
    assert sorted(started) == ["comment", "docs", "metrics", "nightly", "retrain", "tests"]
    assert started["comment"] == {"workflow_run": {"workflows": ["metrics"], "types": ["completed"]}}
    assert (started["tests"], started["docs"], started["metrics"]) == (["push"], ["push"], ["pull_request"])
    flows = yaml.safe_load((ROOT / "params.yaml").read_text())["flows"]
    assert started["retrain"]["schedule"] == [{"cron": flows["cron"]}]
    assert "schedule" in started["nightly"]


def list_steps(name: str) -> list[dict[str, Any]]:
    """List the steps of a workflow's only job."""
    [job] = read(ROOT / ".github" / "workflows" / f"{name}.yml")["jobs"].values()
    return list(job["steps"])


@pytest.mark.parametrize("path", [path for path in WORKFLOWS if path.stem != "comment"], ids=lambda path: path.stem)
def test_the_environment_and_what_dvc_made_stay_between_runs(path: Path) -> None:
    """Under keys that change with what they are made from; DVC's where stages run."""
    caches = {s["with"]["path"]: s["with"]["key"] for s in list_steps(path.stem) if "cache@" in s.get("uses", "")}
    assert "hashFiles('requirements*.lock', 'pyproject.toml')" in caches[".venv"]
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
def test_the_job_ends_as_the_comparison_does_and_shows_it_on_its_page(tmp_path: Path, status: int) -> None:
    """Whoever asks: the page needs no right to write."""
    steps = {step.get("name"): step for step in list_steps("metrics")}
    compare, show, keep = (
        steps[n] for n in ("Compare", "Show the comparison on the page of the run", "Keep it for the comment")
    )
    assert run_step(compare, tmp_path, ostinato=f"echo '# Metrics'; echo 'an error' >&2; exit {status}") == status
    assert not compare.get("continue-on-error")
    assert run_step(show, tmp_path) == 0
    assert (tmp_path / "summary.md").read_text() == "# Metrics\nan error\n"
    assert all("always() && steps.compare.outcome != 'skipped'" in step["if"] for step in (show, keep))
    assert keep["with"]["path"] == "comparison.md"


def test_the_comment_is_of_the_pull_request_that_github_names_and_calls_nobody(tmp_path: Path) -> None:
    """What the pull request's code wrote is text: no tag of HTML, no mention."""
    [step] = list_steps("comment")
    (tmp_path / "comparison.md").write_text("# Metrics\n<img src=x> @everyone & 1\n")
    gh = 'echo "$@" >> calls; [ "$1" = api ] && echo 7; [ "$1" = pr ] && cp body.md sent.md; true'
    assert run_step(step, tmp_path, gh=gh) == 0
    assert (tmp_path / "sent.md").read_text() == "# Metrics\n&lt;img src=x> &#64;everyone & 1\n"
    assert "pr comment 7 --body-file body.md" in (tmp_path / "calls").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_others_write_is_pinned_and_a_token_that_may_write_is_out_of_reach_of_a_pull_request(path: Path) -> None:
    """A tag may be moved, a commit cannot; and whoever opens a pull request writes what its job runs."""
    text, workflow = path.read_text(), read(path)
    assert all(PINNED.search(line) for line in text.splitlines() if "uses:" in line)
    triggers = set(workflow["on"])
    assert "pull_request_target" not in triggers
    assert all("permissions" not in job for job in workflow["jobs"].values())
    writes = "write" in workflow["permissions"].values()
    assert not (writes and triggers & {"pull_request", "push"})
    for step in (step for job in workflow["jobs"].values() for step in job["steps"]):
        if "checkout@" in step.get("uses", ""):
            assert "workflow_run" not in triggers
            assert writes or step["with"]["persist-credentials"] is False
        if "workflow_run" in triggers:
            assert "${{" not in step.get("run", "")
            assert not {shlex.split(line)[0] for line in step["run"].splitlines()} - {"gh", "head"}


def test_the_comparison_needs_no_history_and_no_credentials(tmp_path: Path) -> None:
    """The checkout is of the merge and its parents; the first of these is the base."""
    checkout, name_base = list_steps("metrics")[:2]
    assert checkout["with"] == {"persist-credentials": False, "fetch-depth": 2}
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in ("init -q -b main", "commit -q --allow-empty -m first", "commit -q --allow-empty -m base",
                    "checkout -q -b change", "commit -q --allow-empty -m change", "checkout -q main",
                    "merge -q --no-ff -m merge change"):  # fmt: skip
        subprocess.run([*git, *shlex.split(command)], cwd=origin, check=True, capture_output=True)
    url = origin.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth=2", url, str(clone)], check=True, capture_output=True)
    shell = ["bash", "-eo", "pipefail", "-c", name_base["run"]]
    subprocess.run(shell, cwd=clone, check=True, capture_output=True)
    [compare] = [s["run"] for s in list_steps("metrics") if s.get("name") == "Compare"]
    subject = subprocess.run(
        ["git", "log", "-1", "--format=%s", compare.split()[2]], cwd=clone, capture_output=True, text=True
    )
    assert subject.stdout.strip() == "base"


def test_the_check_before_a_merge_is_make_test() -> None:
    """And a person can run it."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "make test"


WITHOUT_TORCH = ["light", "serve", "encoders", "data", "structure", "remote", "docs"]


def read_lock(name: str) -> dict[str, tuple[str, int]]:
    """Read a lock: each package's version and how many hashes it has."""
    text = (ROOT / name).read_text()
    blocks = re.findall(r"^(\S+?)(?:\[\S+\])?==(\S+)([^\n]*\n(?: +--hash[^\n]*\n)*)", text, re.MULTILINE)
    return {
        _canonical(name): (version, len(re.findall("--hash=sha256:[0-9a-f]{64}", rest)))
        for name, version, rest in blocks
    }


def test_every_dependency_is_locked() -> None:
    """Each requirement of pyproject.toml, extras too, has one version in constraints.txt, and that has its hashes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    locked = {_canonical(name): version for name, version in pins.items()}
    assert len(locked) == len(pins)
    assert {_canonical(re.split(r"[\[<>=~!]", name)[0]) for name in wanted} - set(locked) == {"ostinato"}
    hashed, cuda = read_lock("requirements.lock"), read_lock("requirements-cuda.lock")
    assert locked.items() <= {name: version for name, (version, _) in hashed.items()}.items()
    assert all(n_hashes for _, n_hashes in (*hashed.values(), *cuda.values()))
    assert not set(hashed) & set(cuda)
    assert {"nvidia-cublas", "triton"} <= set(cuda)
    assert re.search(
        rf"^torch=={locked['torch']}\+cpu --hash=sha256:[0-9a-f]{{64}}$",
        (ROOT / "requirements-cpu.lock").read_text(),
        re.M,
    )


@pytest.mark.parametrize("kind", [*WITHOUT_TORCH, "train", "pipeline"])
def test_each_kind_of_installation_has_a_lock_of_the_same_versions(kind: str) -> None:
    """With hashes, and all that its extra declares; only what trains brings torch, with the CUDA of its own lock."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    locked, hashed = {_canonical(name): version for name, version in pins.items()}, read_lock(f"locks/{kind}.lock")
    assert all(n_hashes for _, n_hashes in hashed.values())
    elsewhere = {"colorama", "tzdata", "audioop-lts", "standard-aifc", "standard-chunk", "standard-sunau", "whenever"}
    elsewhere |= {"async-timeout", "pywin32", "setuptools", *read_lock("requirements-cuda.lock")}
    versions = {name: version for name, (version, _) in hashed.items() if name not in elsewhere}
    assert versions.items() <= locked.items()  # but for what only Windows or a newer Python needs
    assert list_declared("", *([] if kind == "light" else [kind])) <= set(hashed)
    assert ("torch" in hashed, "nvidia-cublas" in hashed) == ((kind not in WITHOUT_TORCH,) * 2)


def test_make_says_what_to_do_where_there_is_no_python_that_the_lock_is_of(tmp_path: Path) -> None:
    """None at all, or another one."""
    other = tmp_path / "python3.10"
    other.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.10.1 && exit\nexit 1\n')
    other.chmod(0o755)
    for python, words in (
        ("python3.99", "there is no python3.99: apt install python3 python3-venv, 'uv python install 3.13'"),
        ("", "needs Python 3.11, 3.12 or 3.13 with venv: apt install"),
        (other, "is Python 3.10.1: requirements.lock is of Python 3.11 to 3.14"),
    ):
        command = ["make", "environment", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert words in done.stderr
        assert not (tmp_path / "venv").exists()


def test_what_builds_the_package_is_locked_and_bound() -> None:
    """The environment is built without a download beside the lock."""
    [requirement] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    name, least, below = re.fullmatch(r"(\w+)>=(\d+),<(\d+)", requirement).groups()
    version, _ = read_lock("requirements.lock")[name]
    assert int(least) <= int(version.split(".")[0]) < int(below)
    makefile = (ROOT / "Makefile").read_text()
    assert "--no-build-isolation" in makefile
    assert makefile.count("--require-hashes") == 3


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_parts_what_only_torch_with_cuda_needs() -> None:
    """By name: what constraints.txt lacks and only Linux has; another Python's packages stay, with their marker."""
    spec = importlib.util.spec_from_file_location("lock", ROOT / "tools" / "lock.py")
    lock = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lock)
    pin = "{} \\\n    --hash=sha256:0\n"
    names = ["torch==2", "triton==3 ; sys_platform == 'linux'", "jeepney==1 ; sys_platform == 'linux'"]
    names += ["pywin32==3 ; sys_platform == 'win32'", "whenever==1 ; python_full_version >= '3.13'"]
    common, cuda = lock.split("".join(map(pin.format, names)), {"torch", "jeepney"})
    assert re.findall(r"^\w+", common, re.MULTILINE) == ["torch", "jeepney", "pywin32", "whenever"]
    assert cuda == pin.format(names[1])
    assert common.count("--hash") == 4
