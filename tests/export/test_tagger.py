"""tagger.onnx says of a waveform what `ostinato predict` says of a file."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ostinato import audio, features
from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.export import estimators, graphs, tagger
from ostinato.export._build import Builder
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import write_json
from ostinato.training import estimator

CLASSES = ("blues", "jazz", "rock")
RATE, FRAMES = 22050, 33
SMALL = {"mel": {"n_mels": 24}, "cqt": {"bins_per_octave": 12, "n_bins": 36}, "stft": {"n_fft": 64, "hop_length": 512}}


def describe_input(kind: str, **more: object) -> dict:
    """Describe an input, as model.json does."""
    parameters = features.parameters(kind, SMALL.get(kind, {}) | {"sample_rate": RATE}, RATE)
    bins = registry.load("ostinato.features", kind).compute(AudioContext(music(0.1), RATE), **parameters).shape[1]
    return {
        "feature": kind, "parameters": parameters, "bins": bins, "channels": 1, "chunk_frames": FRAMES,
        "normalise": "frame", "summary": False, **more,
    }  # fmt: skip


def network(inputs: dict, seed: int = 0, *, tracks: bool = False, scale: float = 1.0) -> onnx.ModelProto:
    """Write a network that tells bins apart and hears order within a chunk; `tracks`: it pools its chunks itself."""
    rng, op, parts = np.random.default_rng(seed), Builder(), []
    for name, i in inputs.items():
        kernel = rng.normal(size=(8, 1, i["bins"], 3)).astype(np.float32) / np.float32(np.sqrt(3 * i["bins"]))
        heard = op.ReduceMean(op.Relu(op.Conv(name, kernel)), np.array([2, 3]), keepdims=0)
        parts.append(op.ReduceMean(heard, np.array([0])) if tracks else heard)
    embedding = op.Concat(*parts, axis=1)
    width = 8 * len(parts)
    logits = op.MatMul(embedding, (scale * 8 * rng.normal(size=(width, 3))).astype(np.float32))
    op.nodes += [helper.make_node("Identity", [v], [n]) for v, n in ((logits, "logits"), (embedding, "embedding"))]
    sizes = {n: [f"{n}_chunks" if tracks else "batch", 1, i["bins"], FRAMES] for n, i in inputs.items()}
    sizes |= {"logits": ["batch", 3], "embedding": ["batch", width]}
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in sizes.items()]
    graph = helper.make_graph(op.nodes, "network", values[:-2], values[-2:], list(op.constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def put(
    folder, model: onnx.ModelProto, inputs: dict, kind: str = "single", level: str = "chunk", **more
) -> ReleasedModel:
    """Write both files as the stage does and open the folder."""
    about = {
        "name": "x", "task": "genre" if kind == "single" else "tags", "kind": kind, "level": level,
        "classes": list(CLASSES), "inputs": inputs, "dataset": {"embedded": False}, **more,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "model.json", about)
    (folder / "network.onnx").write_bytes(graphs.annotate(model, about))
    content = graphs.annotate(tagger.convert(model, about), tagger.describe(about))
    (folder / "tagger.onnx").write_bytes(content)
    return ReleasedModel(folder, threads=1)


def difference(folder, released: ReleasedModel, y: np.ndarray) -> float:
    """Compare scores and embedding of a waveform."""
    scores, embedding = graphs.session((folder / "tagger.onnx").read_bytes()).run(None, {"waveform": y})
    heard = released.predict(AudioContext(y, RATE))
    assert scores.shape == heard.scores.shape
    np.testing.assert_allclose(embedding, heard.embedding, rtol=1e-3, atol=1e-3)
    return float(np.abs(scores - heard.scores).max())


def music(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * f * time * (1 + (time > seconds / 2))) for f in (110, 164.8, 554.4))
    return (0.1 * chord * (1 + np.sin(4 * time)) + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("kind", [k for k in registry.names("ostinato.export.twins") if not features.needs_file(k)])
def test_agrees_for_every_feature_and_any_length(tmp_path, kind):
    """Below one chunk, within a frame of a boundary, many chunks; the network is made to spread its scores."""
    inputs = {kind: describe_input(kind)}
    released = put(tmp_path, network(inputs), inputs)
    assert np.ptp(released.scores(AudioContext(music(4.0), RATE))) > 0.05
    for samples in (300, FRAMES * 1024 - 1, FRAMES * 1024, 2 * FRAMES * 1024 + 5, 9 * RATE):
        assert difference(tmp_path, released, music(10)[:samples]) < 1e-4, samples


@pytest.mark.parametrize("normalise", ["frame", "track", "train", "none"])
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_agrees_however_inputs_are_standardised(tmp_path, normalise, kind, rng):
    statistics = {"mean": rng.normal(-40, 5, 24).tolist(), "std": rng.uniform(5, 20, 24).tolist()}
    inputs = {"mel": describe_input("mel", normalise=normalise, **(statistics if normalise == "train" else {}))}
    scale = 0.05 if normalise == "none" else 1.0
    released = put(tmp_path, network(inputs, scale=scale), inputs, kind, temperature=1.7)
    assert difference(tmp_path, released, music(5.0)) < 1e-4


def test_agrees_for_a_stack(tmp_path):
    inputs = {"one": describe_input("mel"), "other": describe_input("mfcc", normalise="track")}
    released = put(tmp_path, network(inputs, tracks=True), inputs, level="track")
    for seconds in (0.3, 5.0):
        assert difference(tmp_path, released, music(seconds)) < 1e-4


def test_agrees_for_two_features_side_by_side(tmp_path):
    """The second has twice the frames, so that the first must be cut into as many chunks as it needs."""
    inputs = {"one": describe_input("mel"), "other": describe_input("mfcc")}
    inputs["other"]["parameters"]["hop_length"] //= 2
    released = put(tmp_path, network(inputs), inputs)
    for seconds in (0.3, 1.6, 5.0):
        assert difference(tmp_path, released, music(seconds)) < 1e-4


def test_agrees_for_an_estimator(tmp_path, rng):
    x = rng.normal(size=(30, 48)).astype(np.float32)
    x[:, 0] += 5 * (np.arange(30) % 3)
    fitted = estimator.fit(
        registry.load("ostinato.estimators", "mfcc_svm"), x, np.eye(3, dtype=np.float32)[np.arange(30) % 3], 0, {}
    )
    model = estimators.convert(estimator.to_onnx(fitted, 48, "single", 3), "single", "mfcc")
    inputs = {"mfcc": describe_input("mfcc", summary=True, chunk_frames=None, normalise="none")}
    released = put(tmp_path, model, inputs, level="track")
    for seconds in (0.01, 0.06, 3.0):
        assert difference(tmp_path, released, music(seconds)) < 1e-4


def test_agrees_on_real_music(tmp_path, shared_data):
    inputs = {"mel": describe_input("mel")}
    released = put(tmp_path, network(inputs), inputs)
    clips = sorted(p for p in shared_data.rglob("*") if p.suffix in (".wav", ".mp3", ".flac", ".ogg"))[::40][:6]
    assert clips
    for path in clips:
        assert difference(tmp_path, released, audio.load(path, RATE)[0][: 20 * RATE]) < 1e-4, path


def test_what_the_file_says_of_itself(tmp_path):
    inputs = {"mel": describe_input("mel")}
    put(tmp_path, network(inputs), inputs, thresholds=None)
    session = graphs.session((tmp_path / "tagger.onnx").read_bytes())
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("waveform", ["samples"])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("scores", [3]), ("embedding", [8])]
    said = json.loads(session.get_modelmeta().custom_metadata_map["ostinato"])
    assert said["waveform"] == {"sample_rate": RATE, "channels": 1, "dtype": "float32"}
    assert said["classes"] == list(CLASSES)


def test_parity_sees_another_network(tmp_path):
    inputs = {"mel": describe_input("mel")}
    one, other = (put(tmp_path / n, network(inputs, s), inputs) for s, n in enumerate("ab"))
    content = (tmp_path / "a" / "tagger.onnx").read_bytes()
    assert tagger.parity(content, one) < 1e-4
    assert tagger.parity(content, other) > 0.01


def test_what_cannot_become_a_tagger_says_why():
    mel, about = describe_input("mel"), {"kind": "single", "level": "chunk"}
    assert tagger.obstacle({**about, "inputs": {"mel": mel}}, 18) is None
    assert "no graph of lyrics" in tagger.obstacle({**about, "inputs": {"mel": {**mel, "feature": "lyrics"}}}, 18)
    low = {**mel, "parameters": {**mel["parameters"], "sample_rate": 16000}}
    two = {"a": mel, "b": low}
    assert "at 16000, 22050 Hz" in tagger.obstacle({**about, "level": "track", "inputs": two}, 18)
    assert "needs opset 18" in tagger.obstacle({**about, "inputs": {"mel": mel}}, 17)
