"""One file from a waveform through front end and encoder to scores, and what a release makes of its licence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.errors import DataError, OstinatoError
from ostinato.export import encoders, graphs, tagger
from ostinato.export._build import Builder
from ostinato.export.twins import encoder as twin
from ostinato.features import encoder
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import write_json
from ostinato.io.versions import list_model_files
from ostinato.release.card import card
from ostinato.release.checks import license_rules
from toy_encoder import MELS, PATCH, WIDTH, describe_encoder, write_model

RATE = 16000
FRONT_ENDS = {
    "musicnn": {},
    "not centred": {"center": False},
    "silent ends": {"pad": "constant", "window": "hann_symmetric"},
    "yamnet": {"win_length": 400, "frame_length": 400, "hop_length": 160, "center": False, "mel_scale": "htk",
               "triangles": "mel", "norm": "none", "power": 1.0, "compression": "ln", "gain": 1.0, "floor": 0.001},
    "mule": {"n_fft": 2048, "win_length": 400, "hop_length": 160, "mel_scale": "htk", "norm": "l2"},
    "panns": {"n_fft": 1024, "hop_length": 320, "f_min": 50.0, "f_max": 7000.0, "compression": "decibels"},
    "decibels of magnitudes": {"power": 1.0, "compression": "decibels", "top_db": 60.0, "scale": 0.1, "offset": 2.0},
    "plain, standard": {"compression": "none", "norm": "sum", "waveform_norm": "standard"},
    "peak, overlapping": {"waveform_norm": "peak", "patch_hop": 7},
}  # fmt: skip


def music(seconds: float) -> np.ndarray:
    rng, time = np.random.default_rng(1), np.arange(int(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * f * time) for f in (110, 164.8, 554.4, 1318.5))
    return (0.1 * chord * (1 + np.sin(4 * time)) + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def open_twin(parameters: dict[str, Any]) -> Any:
    op = Builder()
    rows = twin.graph(op, "y", **parameters)
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("y", ["n"]), (rows, None))]
    graph = helper.make_graph(op.nodes, "twin", values[:1], values[1:], [*op.constants.values(), *op.weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return graphs.session(model.SerializeToString())


@pytest.mark.parametrize("front_end", FRONT_ENDS.values(), ids=FRONT_ENDS)
def test_a_graph_gives_the_vectors_of_the_feature(tmp_path, front_end):
    said = (
        describe_encoder(write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS))) | front_end | {"output": "hidden"}
    )
    parameters = features.parameters("toy", said, RATE)
    session = open_twin(parameters)
    for seconds in (0.8, 3.17):
        y = music(seconds)
        mine = session.run(None, {"y": y})[0]
        theirs = encoder.compute(AudioContext(y, RATE), **parameters)
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=2e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("sizes", [("batch", 1, MELS, PATCH), ("batch", 3, PATCH, MELS), ("batch", PATCH, MELS, 1)])
def test_axes_are_put_in_the_order_of_the_file(tmp_path, sizes):
    axes = {1: ["batch", "channel", "mel", "time"], 3: ["batch", "channel", "time", "mel"]}.get(sizes[1])
    said = describe_encoder(write_model(tmp_path / "toy.onnx", sizes)) | {"output": "hidden", "axes": axes}
    parameters, y = features.parameters("toy", said, RATE), music(2)
    mine = open_twin(parameters).run(None, {"y": y})[0]
    np.testing.assert_allclose(mine, encoder.compute(AudioContext(y, RATE), **parameters), rtol=1e-4, atol=1e-3)


def test_a_waveform_encoder(tmp_path):
    said = describe_encoder(
        write_model(tmp_path / "toy.onnx", ("batch", 4000)), patch_length=4000, patch_hop=1500, output="hidden"
    )
    parameters, y = features.parameters("toy", said, RATE), music(1.3)
    mine = open_twin(parameters).run(None, {"y": y})[0]
    np.testing.assert_allclose(mine, encoder.compute(AudioContext(y, RATE), **parameters), rtol=1e-4, atol=1e-5)


def test_a_fixed_batch_cannot_be_one_graph(tmp_path):
    parameters = features.parameters(
        "toy", describe_encoder(write_model(tmp_path / "toy.onnx", (4, PATCH, MELS))), RATE
    )
    with pytest.raises(OstinatoError, match="fixed number of patches"):
        open_twin(parameters)


def release(folder: Path, parameters: dict[str, Any], *, summary: bool) -> tuple[dict[str, Any], ReleasedModel]:
    """Export a head on the encoder as the stage does; return model.json and the opened folder."""
    width = 4 * WIDTH if summary else WIDTH
    kernel = np.random.default_rng(0).standard_normal((width, 3)).astype(np.float32)
    op = Builder()
    embedding = op.Flatten("toy")
    values = (op.MatMul(embedding, kernel), embedding)
    op.nodes += [helper.make_node("Identity", [v], [n]) for v, n in zip(values, ("logits", "embedding"), strict=True)]
    sizes = {"toy": [width] if summary else [1, WIDTH, 1], "logits": [3], "embedding": [width]}
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", *s]) for n, s in sizes.items()]
    graph = helper.make_graph(op.nodes, "head", infos[:1], infos[1:], list(op.constants.values()))
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    given = {"feature": "encoder", "parameters": parameters, "bins": WIDTH, "channels": 1, "normalise": "none",
             "chunk_frames": None if summary else 1, "summary": summary, "source": "audio"}  # fmt: skip
    about, files = encoders.gather({
        "name": "x", "task": "genre", "kind": "single", "level": "track" if summary else "chunk",
        "classes": ["a", "b", "c"], "inputs": {"toy": given}, "dataset": {"name": "here", "embedded": False},
        "architecture": "head",
    })  # fmt: skip
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    write_json(folder / "model.json", about)
    (folder / "network.onnx").write_bytes(graphs.annotate(network, about))
    located = encoders.locate(about, folder)
    (folder / "tagger.onnx").write_bytes(graphs.annotate(tagger.convert(network, located), tagger.describe(about)))
    return about, ReleasedModel(folder, threads=1)


@pytest.mark.parametrize("summary", [True, False])
def test_one_file_scores_as_predict_does(tmp_path, summary):
    model = write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS))
    parameters = features.parameters("toy", describe_encoder(model), RATE)
    about, released = release(tmp_path / "released", parameters, summary=summary)
    model.unlink()  # what was released stands alone
    assert tagger.parity((tmp_path / "released" / "tagger.onnx").read_bytes(), released) < 1e-4
    assert len(list_model_files(tmp_path / "released")) == 3
    assert str(tmp_path) not in (tmp_path / "released" / "model.json").read_text()
    assert about["encoders"]["toy"]["license"] == "MIT"
    with pytest.raises(DataError, match=r"needs 0\.3 s"):
        released.scores(AudioContext(music(0.2), RATE))


def test_the_published_tagger_as_one_file(tmp_path, monkeypatch, musicnn_wheel):
    import onnx

    from ostinato.io.files import read_json
    from ostinato.pretrained import folder

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = folder.prepare("musicnn", musicnn_wheel) / "tags"
    located = encoders.locate(read_json(made / "model.json"), made)
    content = graphs.annotate(tagger.convert(onnx.load(made / "network.onnx"), located), tagger.describe(located))
    assert tagger.parity(content, ReleasedModel(made, threads=1)) < 1e-4
    assert len(content) < 5e6


def test_the_card_names_the_licence_and_what_the_encoder_may_know(tmp_path):
    said = describe_encoder(
        write_model(tmp_path / "toy.onnx", ("batch", PATCH, MELS)), trained_on="Million Song Dataset"
    )
    about, _ = release(tmp_path / "released", features.parameters("toy", said, RATE), summary=True)
    text = card(about, 1)
    assert "pretrained encoder toy: licence MIT, trained on Million Song Dataset" in text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("CC BY-NC-SA 4.0", False),
        ("CC-BY-NC 4.0", False),
        ("for non-commercial use", False),
        ("for academic purposes only", False),
        ("research use only", False),
        ("Academic Free License 3.0", True),
        (None, False),
        ("", False),
        ("ISC", True),
        ("CC BY 4.0", True),
        ("Apache-2.0", True),
    ],
)
def test_a_licence_that_forbids_the_declared_use_stops_a_release(text, kept):
    about = {"encoders": {"toy": {"license": text}}}
    assert license_rules(about, "research") == []
    (answer,) = license_rules(about, "commercial")
    assert (answer.rule, answer.kept) == ("license", kept)
    assert license_rules({}, "commercial") == []
