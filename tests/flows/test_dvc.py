"""Slots, streamed output and the figures a run shows."""

import logging
import sys
import threading
from pathlib import Path

import pytest
import yaml
from prefect.logging import disable_run_logger

from _dvc import Outcome, Slots, _Run, stream
from _results import leaderboard, verdict
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.io.files import write_json


def params(**sections: object) -> Params:
    """Return settings with two candidates."""
    candidates = {name: {"architecture": "time", "feature": "mel", "task": "genre"} for name in ("x", "y")}
    return Params.model_validate(
        {"dataset": {"name": "folder"}, "features": {"kinds": {}}, "candidates": candidates, **sections}
    )


def test_each_training_has_a_gpu_of_its_own() -> None:
    """The third waits until one of two GPUs is free, and gets that one."""
    slots = Slots(cores=4, gpus=["4", "5"])
    got: list[dict[str, str]] = []
    third = threading.Event()

    def take() -> None:
        with slots.take(gpu=True) as variables:
            got.append(variables)
            third.set()

    with slots.take(gpu=True) as first:
        with slots.take(gpu=True) as second:
            assert (first, second) == ({"CUDA_VISIBLE_DEVICES": "4"}, {"CUDA_VISIBLE_DEVICES": "5"})
            waiting = threading.Thread(target=take)
            waiting.start()
            with slots.take(gpu=False) as other:
                assert other == {}
            assert not third.wait(0.2)
        waiting.join(10)
        assert got == [second]


def test_without_a_gpu_trainings_share_the_cores() -> None:
    """One core, one stage at a time, and no variable set."""
    slots = Slots(cores=1, gpus=[])
    entered = threading.Event()

    def take() -> None:
        with slots.take(gpu=True):
            entered.set()

    with slots.take(gpu=True) as variables:
        assert variables == {}
        waiting = threading.Thread(target=take)
        waiting.start()
        assert not entered.wait(0.2)
    waiting.join(10)
    assert entered.is_set()


def test_slots_follow_threads_and_gpu_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores of three threads are two slots; three slots on two GPUs share the first."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,MIG-7")
    slots = Slots.of(params(compute={"threads": 3}, flows={"gpu_slots": 3}))
    with slots.take(gpu=True) as first, slots.take(gpu=True) as second:
        assert [first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]] == ["0", "MIG-7"]
        assert not slots._cores.acquire(blocking=False)
    with slots.take(gpu=True) as third:
        assert third["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_study_takes_the_gpus_it_is_granted_and_gives_them_back() -> None:
    """Three of four; the one that is left serves another stage, and all are free again afterwards."""
    slots = Slots(cores=4, gpus=["0", "1", "2", "3"])
    with slots.take(gpu=True, most=3) as study, slots.take(gpu=True, most=2) as other:
        assert study == {"CUDA_VISIBLE_DEVICES": "0,1,2"}
        assert other == {"CUDA_VISIBLE_DEVICES": "3"}
    with slots.take(gpu=True, most=4) as alone:
        assert sorted(alone["CUDA_VISIBLE_DEVICES"].split(",")) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("stages", "granted"), [(["tune@x"], 4), (["tune@x", "tune@y"], 2), (["tune@x", "train@x"], 4)]
)
def test_gpus_are_parted_among_the_studies_that_can_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: list[str], granted: int
) -> None:
    """A study of one candidate is granted all slots, two have half each; what follows from it waits and counts not."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    many, one = {"do": {"meta": {"gpu": "many"}}}, {"do": {"meta": {"gpu": True}}}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"tune": many, "train": one}}))
    run = _Run(tmp_path, params(), {"tune@x": frozenset(), "tune@y": frozenset(), "train@x": frozenset({"tune@x"})})
    run._unfinished.update(stages)
    assert run._count_gpus("tune@x") == granted


def test_lines_come_as_they_are_printed_and_redrawn_progress_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a bar redrawn fifty times the last stays; bytes that are no text do no harm."""
    logger = logging.getLogger("toy")
    monkeypatch.setattr("_dvc.get_run_logger", lambda: logger)
    code = (
        "import sys; print('one'); [print(i, end='\\r') for i in range(49)]; print(49);"
        "sys.stdout.flush(); sys.stdout.buffer.write(b'\\xff two\\n'); sys.stdout.flush();"
        "print('three', file=sys.stderr); sys.exit(4)"
    )
    with caplog.at_level(logging.INFO, "toy"):
        status, tail = stream([sys.executable, "-c", code], tmp_path)
    assert (status, tail) == (4, ["one", "49", "\ufffd two", "three"])
    assert [record.message for record in caplog.records] == tail


def test_a_command_sees_its_python_first_and_the_variables_given(tmp_path: Path) -> None:
    """``python`` is this Python, whatever the caller's PATH."""
    code = "import os, shutil; print(shutil.which('python')); print(os.environ['CUDA_VISIBLE_DEVICES'])"
    with disable_run_logger():
        status, tail = stream([sys.executable, "-c", code], tmp_path, {"CUDA_VISIBLE_DEVICES": "3"})
    assert (status, tail) == (0, [str(Path(sys.executable).parent / "python"), "3"])


def test_an_outcome_says_what_failed_and_what_waits() -> None:
    """One line, and the state that goes with it."""
    failed = Outcome(ran=("a",), failed=("b",), waiting=("c", "d"))
    assert (failed.state().type.value, failed.state().message) == ("FAILED", "b failed; c, d could not run")
    assert Outcome().state().message == "nothing changed"


def test_the_leaderboard_has_a_row_for_each_candidate_of_params(tmp_path: Path) -> None:
    """A candidate taken out of params.yaml is not shown, one the dataset cannot serve says why."""
    paths = Paths(tmp_path)
    row = {"task": "genre", "architecture": "time", "feature": "mel"}
    write_json(paths.metrics("x"), row | {"test": {"f1_micro": {"value": 0.5, "low": 0.4126, "high": 0.6}}})
    write_json(paths.metrics("y"), {"skipped": "the dataset has no tags"})
    write_json(paths.metrics("gone"), row | {"test": {}})
    assert leaderboard(tmp_path, params()) == [
        {"candidate": "x", "f1_micro": "0.500 [0.413, 0.600]"} | row,
        {"candidate": "y", "skipped": "the dataset has no tags"},
    ]


def test_the_verdict_names_what_is_released_and_why(tmp_path: Path) -> None:
    """A section a task, a point a reason."""
    answer = {"genre": {"released": "x", "previous": "y", "reasons": ["f1_micro 0.6 over 0.5"]}}
    write_json(Paths(tmp_path).verdict, answer)
    assert verdict(tmp_path).splitlines() == [
        "# Release", "", "## genre", "", "released: x, before: y", "", "- f1_micro 0.6 over 0.5",
    ]  # fmt: skip
