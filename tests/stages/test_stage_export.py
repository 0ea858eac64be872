"""export: files only for what the gate accepted, the reason for the rest."""

import json
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import ostinato.datasets
from ostinato.core import registry
from ostinato.core.code_hash import hash_modules
from ostinato.core.params.schema import Export
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.export import graphs
from ostinato.io.files import read_json, write_json
from ostinato.stages import export as stage
from ostinato.training import artefact as artefacts
from ostinato.training import estimator

CLASSES = ("blues", "jazz", "rock")
INPUT = {"feature": "mfcc", "parameters": {"sample_rate": 22050, "n_mfcc": 13}, "bins": 12}
MAP = {**INPUT, "normalise": "train", "chunk_frames": 21}
STATISTICS = {"final": {"mfcc": {"mean": [0.5] * 12, "std": [2.0] * 12}}}


@pytest.fixture
def paths(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "embedded.py").write_text("IS_EMBEDDED = True\nLICENSE = 'CC0'\n")
    monkeypatch.setattr(ostinato.datasets, "__path__", [*ostinato.datasets.__path__, str(plugins)])
    paths = Paths(tmp_path / "project")
    write_json(paths.classes, {"genre": CLASSES, "tags": [], "hash": "d1", "name": "holdout by artist", "n_tracks": 30})
    return paths


@pytest.fixture
def params():
    return SimpleNamespace(export=Export(), dataset=SimpleNamespace(name="embedded"))


def judge(paths, name, accepted=True, reasons=()):
    write_json(paths.gate_result(name), {"accepted": accepted, "reasons": list(reasons)})
    write_json(paths.metrics(name), {"test": {"f1_micro": {"value": 0.7, "low": 0.6, "high": 0.8}}})


def leave(paths, name, fitter, architecture, inputs, **more):
    folder = paths.checkpoints(name)
    described = {"name": name, "fitter": fitter, "architecture": architecture, "task": "genre", "classes": CLASSES}
    left = artefacts.Artefact.model_validate({**described, "inputs": inputs, "n_parameters": 7, **more})
    artefacts.save(folder, left)
    if fitter != "sklearn":
        torch.manual_seed(len(name))
        network = registry.load("ostinato.architectures", architecture).Network(
            left.shapes, len(CLASSES), **left.network
        )
        artefacts.save_weights(artefacts.weights_file(folder, "final"), network.state_dict())


def leave_estimator(paths, name, rng):
    x = rng.normal(size=(30, 48)).astype(np.float32)
    module = registry.load("ostinato.estimators", "mfcc_svm")
    fitted = estimator.fit(module, x, np.eye(3, dtype=np.float32)[np.arange(30) % 3], 0, {})
    leave(paths, name, "sklearn", "mfcc_svm", {"mfcc": {**INPUT, "summary": True}})
    artefacts.onnx_file(paths.checkpoints(name), "final").write_bytes(estimator.to_onnx(fitted, 48, "single", 3))
    (part,) = fitted.parts
    artefacts.save_reference(
        paths.checkpoints(name), x, lambda rows: part.classifier.predict_proba(rows) @ part.placement
    )


def files(paths, name):
    return sorted(f.name for f in paths.onnx(name).iterdir())


def test_an_accepted_network_becomes_a_file(paths, params):
    leave(paths, "simple_mfcc", "lightning", "simple", {"mfcc": MAP}, statistics=STATISTICS)
    judge(paths, "simple_mfcc")
    stage.run(paths, params, "simple_mfcc")
    result, metadata = (read_json(paths.onnx("simple_mfcc") / f"{f}.json") for f in ("export", "model"))
    content = (paths.onnx("simple_mfcc") / "network.onnx").read_bytes()
    assert files(paths, "simple_mfcc") == ["export.json", "model.json", "network.onnx", "tagger.onnx"]
    assert (result["accepted"], result["reasons"], result["bytes"]) == (True, [], len(content))
    assert result["parity"] < 1e-5
    assert result["tagger"]["parity"] < 1e-4
    assert result["tagger"]["bytes"] == (paths.onnx("simple_mfcc") / "tagger.onnx").stat().st_size
    assert result["multiply_adds"] > 100_000
    assert json.loads(graphs.session(content).get_modelmeta().custom_metadata_map["ostinato"]) == metadata
    assert metadata["inputs"] == {
        "mfcc": {**MAP, "source": "audio", "channels": 1, "summary": False, **STATISTICS["final"]["mfcc"]}
    }
    assert metadata["dataset"] == {
        "name": "embedded",
        "embedded": True,
        "licence": "CC0",
        "citation": "",
        "n_tracks": 30,
        "split": {"name": "holdout by artist", "hash": "d1"},
    }
    assert (metadata["level"], metadata["kind"], metadata["classes"]) == ("chunk", "single", list(CLASSES))
    assert str(paths.root).encode() not in content
    (given,) = onnxruntime.InferenceSession(content).get_inputs()
    assert (given.name, given.shape) == ("mfcc", ["batch", 1, 12, "mfcc_frames"])


def test_a_rejected_one_leaves_its_reasons(paths, params):
    leave(paths, "freq_mfcc", "lightning", "freq", {"mfcc": MAP}, statistics=STATISTICS)
    judge(paths, "freq_mfcc", accepted=False, reasons=["f1_micro 0.2 is under 0.4"])
    (paths.onnx("freq_mfcc")).mkdir(parents=True)
    (paths.onnx("freq_mfcc") / "network.onnx").write_text("of an earlier run")
    stage.run(paths, params, "freq_mfcc")
    assert files(paths, "freq_mfcc") == ["export.json"]
    result = read_json(paths.onnx("freq_mfcc") / "export.json")
    assert (result["accepted"], result["reasons"]) == (False, ["f1_micro 0.2 is under 0.4"])


def test_a_skipped_one_says_why(paths, params):
    write_json(paths.checkpoints("x") / "skipped.json", {"skipped": "the dataset has no tags"})
    stage.run(paths, params, "x")
    assert read_json(paths.onnx("x") / "export.json") == {"skipped": "the dataset has no tags"}


def test_an_estimator_becomes_a_file(paths, params, rng):
    leave_estimator(paths, "mfcc_svm", rng)
    judge(paths, "mfcc_svm")
    stage.run(paths, params, "mfcc_svm")
    content = (paths.onnx("mfcc_svm") / "network.onnx").read_bytes()
    x = rng.normal(size=(4, 48)).astype(np.float32)
    plain = onnxruntime.InferenceSession(artefacts.onnx_file(paths.checkpoints("mfcc_svm"), "final").read_bytes())
    (scores,) = plain.run(["scores"], {"features": x})
    np.testing.assert_allclose(np.exp(graphs.run(content, {"mfcc": x})[0]), scores, atol=1e-6)
    with np.load(paths.checkpoints("mfcc_svm") / "reference.npz") as reference:
        logits, _ = graphs.run(content, {"mfcc": reference["x"]})
        difference = np.abs(np.exp(logits) / np.exp(logits).sum(1, keepdims=True) - reference["scores"]).max()
    result = read_json(paths.onnx("mfcc_svm") / "export.json")
    assert result["sklearn_parity"] == pytest.approx(difference, rel=0.5)
    assert 0 < result["sklearn_parity"] < 1e-5
    assert "n_parameters" not in result
    metadata = read_json(paths.onnx("mfcc_svm") / "model.json")
    assert (metadata["level"], metadata["inputs"]["mfcc"]["summary"]) == ("track", True)


def test_a_file_that_departs_is_not_kept(paths, params, rng):
    leave_estimator(paths, "mfcc_svm", rng)
    judge(paths, "mfcc_svm")
    params.export = Export.model_construct(opset=18, parity=-1.0)
    stage.run(paths, params, "mfcc_svm")
    assert files(paths, "mfcc_svm") == ["export.json"]
    result = read_json(paths.onnx("mfcc_svm") / "export.json")
    assert not result["accepted"]
    assert "differs" in result["reasons"][0]


def test_a_file_that_departs_from_scikit_learn_is_not_kept(paths, params, rng):
    """The conversion of the training stage may be wrong where both files agree."""
    leave_estimator(paths, "mfcc_svm", rng)
    judge(paths, "mfcc_svm")
    file = paths.checkpoints("mfcc_svm") / "reference.npz"
    with np.load(file) as reference:
        x, scores = reference["x"], reference["scores"]
    scores[3, 1] += 2e-5
    np.savez(file, x=x, scores=scores)
    stage.run(paths, params, "mfcc_svm")
    assert files(paths, "mfcc_svm") == ["export.json"]
    result = read_json(paths.onnx("mfcc_svm") / "export.json")
    assert not result["accepted"]
    assert result["reasons"] == ["a score differs by 2e-05 from that of scikit-learn; 1e-05 is allowed"]
    file.unlink()
    with pytest.raises(OstinatoError, match=r"reference\.npz: is not there; run `dvc repro train@mfcc_svm`"):
        stage.run(paths, params, "mfcc_svm")


@pytest.mark.parametrize("wanted", [18, 19])
def test_the_opset_that_is_named_is_the_one_that_is_written(paths, params, rng, wanted):
    leave(paths, "freq_mfcc", "lightning", "freq", {"mfcc": MAP}, statistics=STATISTICS)
    leave_estimator(paths, "mfcc_svm", rng)
    params.export = Export(opset=wanted)
    for name in ("freq_mfcc", "mfcc_svm"):
        judge(paths, name)
        stage.run(paths, params, name)
        result = read_json(paths.onnx(name) / "export.json")
        assert (result["opset"], result["ir_version"]) == (wanted, {18: 8, 19: 9}[wanted])
        for file in paths.onnx(name).glob("*.onnx"):
            model = onnx.load(file)
            assert {e.domain: e.version for e in model.opset_import}[""] == wanted
            assert model.ir_version == result["ir_version"]


def test_an_opset_that_cannot_be_written_is_refused(paths, params):
    """The exporter of torch writes 18 where less is asked for, and says so in its log alone."""
    leave(paths, "freq_mfcc", "lightning", "freq", {"mfcc": MAP}, statistics=STATISTICS)
    judge(paths, "freq_mfcc")
    params.export = Export(opset=16)
    with pytest.raises(OstinatoError, match=r"export\.opset: the graph has opset 18 .* set export\.opset: 18"):
        stage.run(paths, params, "freq_mfcc")


def test_a_stack_holds_its_members(paths, params):
    for member in ("one", "another"):
        leave(paths, member, "lightning", "freq", {"mfcc": {**MAP, "normalise": "frame"}})
    members = {m: {**MAP, "normalise": "frame"} for m in ("one", "another")}
    leave(paths, "both", "stacked", "timefreq", members, members=("one", "another"), network={"hidden": [8]})
    judge(paths, "both")
    stage.run(paths, params, "both")
    session = graphs.session((paths.onnx("both") / "network.onnx").read_bytes())
    assert [i.name for i in session.get_inputs()] == ["one", "another"]
    assert session.get_outputs()[0].shape == [1, 3]
    assert read_json(paths.onnx("both") / "model.json")["level"] == "track"


def test_an_unjudged_one_is_refused(paths, params):
    leave(paths, "freq_mfcc", "lightning", "freq", {"mfcc": MAP})
    with pytest.raises(OstinatoError, match="has no result for freq_mfcc"):
        stage.run(paths, params, "freq_mfcc")


def test_the_code_of_a_candidate_is_all_that_makes_its_numbers(paths):
    leave(paths, "freq_mfcc", "lightning", "freq", {"mfcc": MAP})
    found = stage._list_modules(paths, artefacts.load(paths.checkpoints("freq_mfcc")))
    parts = {"architectures.freq", "layers", "layers.logit_heads", "core.chunks"}
    parts |= {"core.scores", "features.mfcc", "features._mel", "features._spectrum"}
    assert found >= {f"ostinato.{part}" for part in parts}
    assert not {name for name in found if name.endswith((".time", ".chroma", "._constant_q"))}


def test_the_hash_of_code_depends_on_each_module():
    modules = ["ostinato.core.task", "ostinato.core.chunks"]
    assert hash_modules(modules) == hash_modules(reversed(modules))
    assert hash_modules(modules) != hash_modules(modules[:1])
