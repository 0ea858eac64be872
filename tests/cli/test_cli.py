"""The command line's own words."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.cli.root import ORDER
from ostinato.core.paths import Paths
from ostinato.io.files import write_json

ROOT = Path(__file__).parents[2]
GROUPS = sorted(str(group.name) for group in app.registered_groups)
COMMANDS = sorted([*(str(command.name or command.callback.__name__) for command in app.registered_commands), *GROUPS])


@pytest.mark.parametrize("command", ["", *COMMANDS, "study make", "study report"])
def test_help_shows_a_flag_without_a_type(command):
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert "--help" in shown.stdout
    assert "<bool>" not in shown.stdout


def test_stages_are_listed_in_the_order_of_the_pipeline():
    shown = CliRunner().invoke(app, ["--help"]).stdout.partition("Stages, in the order")[2]
    places = [shown.index(f" {stage} ") for stage in ("ingest", "split", "tune", "train", "evaluate", "gate", "export")]
    assert places == sorted(places)
    assert set(ORDER) == set(COMMANDS)


def test_candidates_says_why_one_is_not_accepted_and_which_is_in_service(tmp_path, monkeypatch):
    paths = Paths(tmp_path)
    shutil.copy(ROOT / "params.yaml", paths.params)
    rules = [{"reason": "0.5 is at least 0.3", "kept": True}, {"reason": "9 is above 8", "kept": False}]
    decisions = {
        "time_mel": {"accepted": True, "reasons": [], "rules": []},
        "freq_mel": {"accepted": False, "reasons": [rule["reason"] for rule in rules], "rules": rules},
    }
    written = {
        paths.gate: decisions,
        paths.current_release("genre") / "model.json": {"name": "time_mel"},
        paths.metrics("time_mel"): {"test": {"f1_micro": {"value": 0.5}}},
    }
    for path, said in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(said))
    monkeypatch.chdir(tmp_path)
    lines = {line.split()[0]: line for line in CliRunner().invoke(app, ["candidates"]).stdout.splitlines()}
    assert lines["time_mel"].endswith("  f1_micro 0.500   accepted, in service")
    assert lines["freq_mel"].endswith("  not accepted: 9 is above 8")
    assert lines["rnn_mfcc"].endswith("  not evaluated yet")
    rows = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["candidates", "--json"]).stdout)}
    assert rows["time_mel"]["in_service"]
    assert rows["freq_mel"]["reasons"] == ["0.5 is at least 0.3", "9 is above 8"]
    timed = CliRunner().invoke(app, ["candidates", "--latency"]).stdout.splitlines()
    assert timed[1].endswith("  - ms  accepted, in service")


def test_candidates_says_what_in_service_is_damaged_or_no_candidate_any_more(tmp_path, monkeypatch):
    paths = Paths(tmp_path)
    shutil.copy(ROOT / "params.yaml", paths.params)
    for task, name in (("genre", "gone"), ("tags", "freq_mel")):
        folder = paths.releases / task
        write_json(folder / "model.json", {"name": name})
        write_json(folder / "release.json", {"files": {"model.json": "0" * 64} if task == "tags" else {}})
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["candidates"])
    assert "genre: gone is in service but no longer in params.yaml" in done.stderr
    assert "tags: the model in service is damaged: " in done.stderr
    assert "model.json: is not the file that was released; restore it" in done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("evaluate time_mel --json", "require --on"),
        ("evaluate time_mel --rename a=b", "require --on"),
        ("evaluate --on nowhere", "does not exist"),
        ("serve --study . --model musicnn", "--study cannot be combined with --model or --weights"),
        ("serve --port 99999", "less than or equal to 65535"),
        ("predict song.mp3 -k 3", "-k requires --recommend"),
        ("predict song.mp3 --recommend --csv", "requires text or --json"),
        ("release --rollback --resume", "--rollback cannot be combined with --resume or --replace"),
        ("release --rollback --replace", "--rollback cannot be combined with --resume or --replace"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(command, words):
    refused = CliRunner().invoke(app, command.split())
    assert refused.exit_code == 2
    assert words in " ".join(refused.output.replace("│", " ").split())


@pytest.mark.parametrize("command", ["predict", "tag"])
def test_missing_files_are_refused_before_weights_are_downloaded(tmp_path, monkeypatch, command):
    requests = []
    monkeypatch.setattr("ostinato.pretrained.folder.prepare", lambda *given: requests.append(given) or tmp_path)
    result = CliRunner().invoke(app, [command, "nosuchfile", "--model", "musicnn"], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (1, "nosuchfile: no such file or folder\n")
    assert requests == []
