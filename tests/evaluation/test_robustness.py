"""What worse sound costs: drops by perturbation, and the release that reads them."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest

from finished_project import section
from inference.test_predict import play
from ostinato.audio.perturb import PERTURBATIONS
from ostinato.errors import DataError, OstinatoError
from ostinato.evaluation import paired, perturbed
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.evaluation.robustness import measure_robustness
from ostinato.release import checks
from ostinato.release.release import release


@pytest.fixture
def audio_project(project):
    """Return a project whose test tracks can be heard, with an exported network."""
    project.make_candidates(good=0.6)
    project.params.dataset = section(path=str(project.paths.root / "music"), name="folder")
    for i, track_id in enumerate(project.splits.loc[project.splits["split"] == "test", "track_id"]):
        play(project.paths.root / "music" / track_id, seconds=0.6, frequency=150.0 * (1 + i % 5))
    return project


def test_every_perturbation_is_measured_of_that_very_file(audio_project):
    found = measure_robustness(audio_project.paths, audio_project.params, "good", 4)
    assert json.loads(audio_project.paths.robustness("good").read_text()) == found
    assert set(found["perturbed"]) == set(PERTURBATIONS)
    assert (found["metric"], found["n_tracks"]) == ("f1_micro", 4)
    network = (audio_project.paths.onnx("good") / "network.onnx").read_bytes()
    assert found["network"] == hashlib.sha256(network).hexdigest()
    for figure in found["perturbed"].values():
        assert figure["drop"] == pytest.approx(found["clean"] - figure["value"], abs=2e-6)
    assert measure_robustness(audio_project.paths, audio_project.params, "good", 4) == found
    assert "| MP3 64 kbit/s |" in perturbed.format_markdown(found)


@pytest.mark.parametrize(("bound", "answer"), [(1.0, "released"), (-1.1, "rejected")])
def test_the_release_reads_what_was_measured(audio_project, bound, answer):
    measure_robustness(audio_project.paths, audio_project.params, "good", 2)
    audio_project.params.gate["genre"]["robustness"] = section(min=None, max=bound)
    verdict = release(audio_project.paths, audio_project.params)["genre"]
    assert verdict["answer"] == answer
    assert verdict["rules"][-1]["rule"] == "robustness"


def test_a_candidate_without_a_file_is_refused(audio_project):
    with pytest.raises(OstinatoError, match=r"poor: holds no network\.onnx; run `dvc repro`"):
        measure_robustness(audio_project.paths, audio_project.params, "poor", 4)


def test_without_resamples_a_drop_has_no_interval_and_what_is_undefined_is_an_error():
    target = np.eye(2, dtype=np.float32)[[0, 0]]
    ids = np.array(["a", "b"], object)
    rows = ScoredTracks(ids, target, target, ids, ids, np.zeros(2, np.int64))
    scores = {perturbed.CLEAN_KEY: target, "same": target}
    model = SimpleNamespace(kind="single", thresholds=np.array([0.5, 0.5]))
    found = perturbed.compute_drops(rows, scores, model, "accuracy", 0.95)
    assert found["perturbed"]["same"] == {"value": 1.0, "drop": 0.0, "low": None, "high": None}
    assert "| same | 1.0000 | +0.0000 |  |" in perturbed.format_markdown(found)
    with pytest.raises(DataError, match="roc_auc_macro is undefined on 2 clips"):
        perturbed.compute_drops(rows, scores, model, "roc_auc_macro", 0.95)


def test_a_drop_that_the_test_tracks_cannot_decide_says_how_many_could():
    answer = checks.drop_rule(paired.Difference(0.01, -0.09, 0.11, 44, 20), "accuracy", 0.03)
    assert not answer.kept
    assert "too few test groups to decide; about 125 would be enough" in answer.reason  # 20 * (0.1 / 0.04) ** 2
    worse = checks.drop_rule(paired.Difference(-0.05, -0.15, 0.05, 44, 20), "accuracy", 0.03)
    assert "too few" not in worse.reason


def test_a_drop_without_an_interval_is_not_kept():
    answer = checks.drop_rule(paired.Difference(0.1, float("nan"), float("nan"), 3, 2), "accuracy", 0.05)
    assert (answer.kept, answer.figure) == (False, None)
    assert "fewer than 4 artists" in answer.reason


def test_what_reads_no_sound_is_refused(audio_project):
    file = audio_project.paths.onnx("good") / "model.json"
    about = json.loads(file.read_text())
    for given in about["inputs"].values():
        given["source"] = "lyrics"
    file.write_text(json.dumps(about))
    with pytest.raises(OstinatoError, match="which are not audio"):
        measure_robustness(audio_project.paths, audio_project.params, "good", 2)


@pytest.mark.parametrize(("metric", "expected"), [("accuracy", 0.5), ("log_loss", -np.log(0.2) / 2 + np.log(0.8) / 2)])
def test_a_drop_is_a_loss_whichever_way_is_better(metric, expected):
    target = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    ids = np.array(["a", "b", "c", "d"], object)
    rows = ScoredTracks(ids, target, target, ids, ids, np.zeros(4, np.int64))
    clean = np.array([[0.8, 0.2], [0.2, 0.8]] * 2)
    scores = {perturbed.CLEAN_KEY: clean, "same": clean, "worse": np.array([[0.8, 0.2]] * 4)}
    model = SimpleNamespace(kind="single", thresholds=np.array([0.5, 0.5]))
    found = perturbed.compute_drops(rows, scores, model, metric, 0.95)["perturbed"]
    assert found["same"] | {"value": 0} == {"value": 0, "drop": 0, "low": 0, "high": 0}
    assert found["worse"]["drop"] == pytest.approx(expected, abs=1e-6)
    assert found["worse"]["low"] <= found["worse"]["drop"] <= found["worse"]["high"]
