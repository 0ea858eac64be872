"""What of a file speaks for a class: parts add up, point at the right place, and are not those of random weights."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import tiny_project
from inference.test_predict import play
from ostinato.core.inputs import Input
from ostinato.errors import OstinatoError
from ostinato.explain import explain
from ostinato.explain.attribution import class_logit, integrated_gradients, shuffle_weights, similarity
from ostinato.io.files import write_json
from ostinato.training import artefact as artefacts
from ostinato.training.artefact import Artefact

SEEN = {"sample_rate": 8000, "n_mels": 8, "hop_length": 200, "n_fft": 400}


@pytest.fixture
def trained_project(tmp_path):
    """Return a project with a network of eight mel bins whose class `high` is the loudness of the highest three."""
    tiny_project.install_plugins()
    paths = tiny_project.Paths(tmp_path)
    given = Input(feature="mel", parameters=SEEN, chunk_frames=16, bins=8)
    artefact = Artefact(
        name="ear", fitter="lightning", architecture="tiny", task="genre", classes=("low", "high"),
        inputs={"mel": given}, reads=("mel",), network={"width": 2, "dropout": 0.0},
    )  # fmt: skip
    artefacts.save(paths.checkpoints("ear"), artefact)
    network = artefacts.factory.make("tiny", artefact.shapes, 2, artefact.network, "single")
    with torch.no_grad():
        network.conv.weight.zero_()
        network.conv.weight[0, 0, :3, 1] = 0.1
        network.conv.weight[1, 0, 5:, 1] = 0.1
        network.norm.bias.fill_(50.0)  # above the kink, where the network is linear
        network.head.weight.copy_(torch.eye(2))
        network.head.bias.zero_()
    artefacts.save_weights(artefacts.weights_file(paths.checkpoints("ear"), "final"), network.state_dict())
    return paths


def test_the_parts_add_up_to_the_answer():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 1, 3, 4)).astype(np.float32)
    answer = class_logit(network, 1)
    (parts,) = integrated_gradients(answer, [x], [np.zeros_like(x)])
    with torch.no_grad():
        rise = float(answer(torch.from_numpy(x)) - answer(torch.zeros(x.shape)))
    assert parts.sum() == pytest.approx(rise, abs=1e-4)


def test_of_a_linear_network_each_part_is_weight_times_input():
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 2, bias=False))
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    (parts,) = integrated_gradients(class_logit(network, 0), [x], [np.zeros_like(x)], steps=2)
    weights = network[1].weight[0].detach().numpy()
    np.testing.assert_allclose(parts.ravel(), weights * x.ravel(), atol=1e-6)


def test_random_weights_are_other_weights_and_the_network_stays():
    network = nn.Linear(50, 4)
    before = network.weight.clone()
    other = shuffle_weights(network, 0)
    assert (network.weight == before).all()
    assert (other.weight != before).all()
    assert (shuffle_weights(network, 0).weight == other.weight).all()


def test_similarity_is_of_gradients_and_not_of_the_input_that_both_share():
    rng = np.random.default_rng(0)
    x, floor = rng.random((1, 1, 8, 50)) ** 8, np.zeros((1, 1, 8, 50))
    one, other = rng.normal(size=(2, *x.shape))
    assert similarity([one * x], [5 * one * x], [x], [floor]) == pytest.approx(1.0)
    assert abs(similarity([one * x], [other * x], [x], [floor])) < 0.2
    assert similarity([one * x], [np.zeros(x.shape)], [x], [floor]) == 0.0


def test_a_high_tone_speaks_for_high_in_the_high_bins(trained_project, tmp_path):
    file = play(tmp_path / "tone.wav", seconds=2.0, frequency=3000.0)
    found, maps = explain.explain(trained_project, "ear", file)
    assert found["class"] == "high"
    assert found["incomplete"] < 0.01
    by_bin = np.array(found["inputs"]["mel"]["by_bin"])
    assert by_bin[5:].sum() > 10 * np.abs(by_bin[:5]).sum()
    assert sum(found["inputs"]["mel"]["by_frame"]) == pytest.approx(found["rise"], rel=0.02)
    assert maps["mel"].parts.shape == maps["mel"].rows.shape


def test_random_weights_give_another_map(trained_project, tmp_path):
    file = play(tmp_path / "tone.wav", seconds=2.0, frequency=3000.0)
    found, _ = explain.explain(trained_project, "ear", file, seed=2)  # ten weights: some draws are alike by chance
    assert found["sound"]
    assert abs(found["similarity"]) < explain.ALIKE


def test_a_map_that_weights_do_not_change_is_not_believed(trained_project, tmp_path, monkeypatch):
    monkeypatch.setattr("ostinato.explain.attribution.shuffle_weights", lambda network, seed: network)
    found, _ = explain.explain(trained_project, "ear", play(tmp_path / "tone.wav", seconds=1.0))
    assert not found["sound"]
    assert "do not trust it" in explain.words(found | {"written": []})


def test_the_picture_and_the_numbers_are_written_and_the_same_again(trained_project, tmp_path):
    file = play(tmp_path / "tone.wav", seconds=1.0, frequency=300.0)
    first = explain.command(trained_project, "ear", file, tmp_path / "out", "low", 0)
    numbers, picture = (tmp_path / "out" / f"tone.low.{end}" for end in ("json", "png"))
    assert json.loads(numbers.read_text())["class"] == "low"
    before = picture.read_bytes()
    assert before.startswith(b"\x89PNG")
    explain.command(trained_project, "ear", file, tmp_path / "out", "low", 0)
    assert picture.read_bytes() == before
    assert "random weights give" in explain.words(first)


def test_the_score_is_the_one_that_predict_gives(trained_project, tmp_path):
    file = play(tmp_path / "tone.wav", seconds=2.0, frequency=3000.0)
    plain, _ = explain.explain(trained_project, "ear", file)
    assert not plain["calibrated"]
    assert "not calibrated" in explain.words(plain | {"written": []})
    write_json(trained_project.onnx("ear") / "model.json", {"temperature": 2.0})
    found, _ = explain.explain(trained_project, "ear", file)
    odds = np.log(plain["score"] / (1 - plain["score"]))
    assert found["calibrated"]
    if len(artefacts.load(trained_project.checkpoints("ear")).classes) == 2 and plain["score"] < 0.9999:
        assert found["score"] == pytest.approx(1 / (1 + np.exp(-odds / 2)), abs=0.05)
    assert 0.5 < found["score"] < plain["score"]
    assert "not calibrated" not in explain.words(found | {"written": []})


def test_what_has_no_gradients_says_what_has(trained_project, tmp_path):
    file = play(tmp_path / "tone.wav", seconds=0.5)
    stack = Artefact(
        name="both", fitter="stacked", architecture="timefreq", task="genre", classes=("low", "high"), inputs={},
        members=("ear", "other"),
    )  # fmt: skip
    write_json(trained_project.checkpoints("both") / "artefact.json", stack.model_dump(mode="json"))
    with pytest.raises(OstinatoError, match="explain one of its members: ear, other"):
        explain.explain(trained_project, "both", file)
    space = stack.model_copy(update={"name": "space", "fitter": "lightning", "task": "artist_embedding"})
    write_json(trained_project.checkpoints("space") / "artefact.json", space.model_dump(mode="json"))
    with pytest.raises(OstinatoError, match="space: learns artist_embedding, which has no classes"):
        explain.explain(trained_project, "space", file)
    with pytest.raises(OstinatoError, match="ear: has no class 'loud'; it has low, high"):
        explain.explain(trained_project, "ear", file, label="loud")


def test_of_a_released_stack_its_strongest_member_that_hears_is_explained(trained_project):
    """The strongest member reads words, so that the next one is taken."""
    heard = artefacts.load(trained_project.checkpoints("ear"))
    weak = heard.model_copy(update={"name": "weak"})
    words = {"words": Input(feature="lyrics", source="lyrics", parameters={}, chunk_frames=16, bins=8)}
    reader = heard.model_copy(update={"name": "reader", "inputs": words, "reads": ("words",)})
    stack = heard.model_copy(update={"name": "stack", "fitter": "stacked", "members": ("weak", "ear", "reader")})
    for one, value in ((weak, 0.2), (heard, 0.5), (reader, 0.9), (stack, 1.0)):
        artefacts.save(trained_project.checkpoints(one.name), one)
        write_json(trained_project.metrics(one.name), {"test": {"f1_micro": {"value": value}}})
    write_json(trained_project.current_release("genre") / "model.json", {"name": "stack"})
    assert explain.find_released(trained_project, "genre", "f1_micro") == ("stack", "ear")
    write_json(trained_project.current_release("genre") / "model.json", {"name": "weak"})
    assert explain.find_released(trained_project, "genre", "f1_micro") == (None, "weak")
