"""The gate: thresholds with a direction, nothing else."""

import json

import pytest

from finished_project import section
from ostinato.core.candidates import first_metric, get_candidates, list_candidates
from ostinato.errors import OstinatoError, ParamsError


def test_each_threshold_accepts_and_rejects(project):
    project.make_candidates(good=0.9, poor=0.1, tagger=0.9)
    gate = project.gate()
    assert gate["good"]["accepted"]
    assert not gate["poor"]["accepted"]
    assert gate["tagger"]["accepted"]
    assert [r.split()[-1] for r in gate["tagger"]["reasons"]] == ["0.3", "0.3"]
    project.params.gate["tags"]["hamming_loss"].max = 0.01
    gate = project.gate()
    assert not gate["tagger"]["accepted"]
    assert "is above 0.01" in gate["tagger"]["reasons"][1]
    assert "is at least 0.3" in gate["tagger"]["reasons"][0]


def test_a_figure_on_the_threshold_passes(project):
    project.make_candidates(good=1.0)
    project.params.gate["genre"]["f1_micro"].min = 1.0
    reason = "f1_micro 1.0000 is at least 1"
    rule = {"rule": "f1_micro", "kept": True, "figure": 1.0, "bound": 1.0, "reason": reason}
    assert project.gate()["good"] == {"accepted": True, "reasons": [reason], "rules": [rule]}


@pytest.mark.parametrize(("bound", "accepted"), [(1.0, True), (0.0, False)])
def test_calibration_is_judged_as_it_is_served(project, bound, accepted):
    project.make_candidates(good=0.7)
    project.params.gate["genre"]["calibration"] = section(min=None, max=bound)
    after = project.evaluate("good")["calibration"]["test"]["calibration_error"]["after"]
    verdict = project.gate()["good"]
    assert verdict["accepted"] is accepted
    assert verdict["rules"][-1] == {
        "rule": "calibration", "kept": accepted, "figure": after, "bound": bound, "reason": verdict["reasons"][-1],
    }  # fmt: skip


def test_rules_of_the_release_are_left_to_it_and_do_not_lead(project):
    project.make_candidates(good=0.9)
    bounds = project.params.gate["genre"]
    project.params.gate["genre"] = {"robustness": section(min=None, max=0.0), **bounds}
    assert project.gate()["good"]["accepted"]
    assert [rule["rule"] for rule in project.gate()["good"]["rules"]] == ["f1_micro"]
    assert first_metric(project.params.gate["genre"], "genre") == "f1_micro"
    with pytest.raises(ParamsError, match="names no metric"):
        first_metric({"robustness": section(min=None, max=0.0)}, "genre")


def test_every_candidate_of_params_is_listed_and_no_other(project):
    project.make_candidates(good=0.9)
    project.predict("removed", 0.9)
    project.evaluate("removed")
    gate = project.gate()
    assert set(gate) == {"good", "poor", "tagger", "svm", "stack"}
    assert gate["svm"] == {"accepted": False, "reasons": ["skipped: the dataset has no lyrics"], "rules": []}


def test_nothing_that_applies_is_an_error(project):
    with pytest.raises(OstinatoError, match="no candidate applies to this dataset: the dataset has no lyrics"):
        project.make_candidates()


def test_a_task_without_thresholds_is_not_accepted(project):
    project.make_candidates(tagger=0.9)
    del project.params.gate["tags"]
    assert project.gate()["tagger"] == {
        "accepted": False,
        "reasons": ["params.yaml has no thresholds for tags: add gate.tags"],
        "rules": [],
    }


def test_an_unknown_metric_is_refused(project):
    project.make_candidates(good=0.9)
    project.params.gate["genre"]["f1_mirco"] = project.params.gate["genre"].pop("f1_micro")
    with pytest.raises(
        ParamsError, match=r"gate\.genre\.f1_mirco is not a metric; choose from accuracy, .*f1_macro, f1_micro"
    ):
        project.gate()


def test_a_threshold_without_direction_is_refused(project):
    project.make_candidates(good=0.9)
    project.params.gate["genre"]["f1_micro"].min = None
    with pytest.raises(ParamsError, match="has no bound"):
        project.gate()


def test_missing_figures_are_named(project):
    project.make_candidates(good=0.9)
    project.paths.metrics("poor").unlink()
    with pytest.raises(OstinatoError, match=r"poor\.json: is not there"):
        project.gate()


def test_candidates_are_listed_with_what_they_read_and_whether_they_passed(project):
    project.make_candidates(good=0.9, poor=0.1)
    rows = {row["name"]: row for row in list_candidates(project.params, project.gate())}
    assert list(rows) == list(get_candidates(project.params))
    assert rows["good"] == {"name": "good", "architecture": "time", "feature": "mel", "task": "genre", "accepted": True}
    assert rows["stack"]["feature"] == "mel"
    assert rows["svm"]["architecture"] == "mfcc_svm"
    assert rows["poor"]["accepted"] is False
    assert list_candidates(project.params, {})[0]["accepted"] is None


def test_a_candidate_s_decision_stands_alone(project):
    """What the gate says of the others changes nothing in its file."""
    project.make_candidates(good=0.9, poor=0.8)
    gate, before = project.gate(), project.paths.gate_result("good").read_bytes()
    assert json.loads(before) == gate["good"]
    project.paths.gate_result("gone").write_text("{}")
    project.make_candidates(good=0.9, poor=0.1)
    assert project.gate()["poor"] != gate["poor"]
    assert project.paths.gate_result("good").read_bytes() == before
    assert not project.paths.gate_result("gone").exists()
