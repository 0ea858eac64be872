"""The retraining flow on a toy project: what runs, what does not, and how it ends."""

import json
from pathlib import Path

import pytest
import yaml
from toy_commands import run_flow, turn

from recommend import recommend
from retrain import retrain

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server")]


def test_first_run_retrains_second_does_nothing_and_a_high_gate_rejects(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs of one project; the two trainings only end if they run at once."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    (toy / "meet").touch()
    first = run_flow(retrain, toy)
    assert (first.type.value, first.name) == ("COMPLETED", "Completed"), first.message
    assert first.message == "ingest, train@a, train@b, gate changed"
    released = toy / "models" / "released" / "genre"
    assert released.read_text() == "a"
    assert (toy / "models" / "released.dvc").is_file()

    before = {path: path.stat().st_mtime_ns for path in (toy / "models").rglob("*")}
    second = run_flow(retrain, toy)
    assert (second.name, second.message) == ("Completed", "nothing changed")
    assert {path: path.stat().st_mtime_ns for path in (toy / "models").rglob("*")} == before

    turn(toy, "gate", {"genre": {"f1_micro": {"min": 0.99}}})
    third = run_flow(retrain, toy)
    assert (third.type.value, third.name) == ("FAILED", "Rejected")
    assert third.message == "genre: no accepted candidate"
    assert released.stat().st_mtime_ns == before[released]


def test_a_failed_stage_stops_only_what_follows_from_it(toy: Path) -> None:
    """The other branch goes on, and the next run does what was left and what grew.

    The stage that says it needs the network fails once and is tried again; the
    one that is broken is not.
    """
    (toy / "break_b").touch()
    (toy / "offline").touch()
    state = run_flow(retrain, toy)
    assert (state.type.value, state.name) == ("FAILED", "Failed")
    assert state.message == "train@b failed; gate could not run"
    assert (toy / "models" / "metrics" / "a.json").is_file()
    assert not (toy / "models" / "verdict.json").exists()
    assert (toy / "tries_b").read_text() == "x"

    (toy / "break_b").unlink()
    (toy / "raw.txt").write_text("one two three four")
    assert run_flow(retrain, toy, target="train@b").message == "train@b changed"
    assert json.loads((toy / "models" / "checkpoints" / "b.json").read_text()) == ["four", "one", "three", "two"]


def test_a_release_cut_off_is_made_up_for(finished_toy: Path) -> None:
    """The graph is clean, but no release has judged it."""
    state = run_flow(retrain, finished_toy)
    assert (state.name, state.message) == ("Completed", "nothing changed")
    assert (finished_toy / "models" / "released" / "genre").read_text() == "a"


def test_the_catalog_is_released_with_the_run_that_made_it(finished_toy: Path) -> None:
    """A refusal fails the run and leaves what was in service."""
    stages = yaml.safe_load((finished_toy / "dvc.yaml").read_text())
    made = {"cmd": "python -m ostinato catalog", "deps": ["data/tracks.json"], "outs": ["models/catalog"]}
    (finished_toy / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages["stages"] | {"catalog": made}}))
    served = finished_toy / "models" / "released" / "catalog" / "catalog.json"
    assert run_flow(recommend, finished_toy, target="ingest").name == "Completed"
    assert not served.exists()
    assert run_flow(recommend, finished_toy).message == "catalog changed"
    assert json.loads(served.read_text()) == ["one", "three", "two"]
    (finished_toy / "raw.txt").write_text("")
    state = run_flow(recommend, finished_toy)
    assert (state.type.value, state.name, state.message) == ("FAILED", "Rejected", "catalog: rejected")
    assert json.loads(served.read_text()) == ["one", "three", "two"]
