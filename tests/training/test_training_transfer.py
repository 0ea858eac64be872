"""Transfer: what is loaded, what stays, and what is refused."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import tiny_project
from ostinato.errors import DataError, ParamsError
from ostinato.training.artefact import save_weights
from ostinato.training.network import build, fit_network
from ostinato.training.settings import fingerprint
from ostinato.training.transfer import calibrate, load


@pytest.fixture
def candidate(tmp_path):
    """Return settings of a small choi network on the tiny project, and its inputs."""
    settings, inputs = tiny_project.open_candidate(tmp_path / "project")
    return dataclasses.replace(settings, plugin="choi", network={"pools": [[2, 2], [2, 2], [2, 2]]}), inputs


def fit_candidate(candidate, **train):
    settings, inputs = candidate
    parts = inputs.labelled.folds[0]
    return fit_network(
        settings.with_overrides({"train": {"max_epochs": 2, **train}}),
        inputs.labelled,
        inputs.sources[0],
        parts["train"],
        parts["validation"],
        label="fold 0",
    )


@pytest.fixture
def file(candidate, tmp_path):
    """Return the weights of another training."""
    found = fit_candidate(candidate, lr=0.05)
    save_weights(tmp_path / "before.safetensors", found.weights)
    return tmp_path / "before.safetensors", found.weights


def find_changed_weights(before, after):
    return {key for key, weight in before.items() if not torch.equal(weight, after[key])}


def layers(keys):
    return {".".join(key.split(".")[:2]) for key in keys}


def test_frozen_layers_stay_to_the_last_bit_and_the_head_is_new(candidate, file):
    path, before = file
    after = fit_candidate(candidate, weights=str(path), freeze=2, optimizer="sgd", lr=0.001).weights
    assert layers(find_changed_weights(before, after)) == {"layers.2", "head.weight", "head.bias"}
    assert (after["head.weight"] - before["head.weight"]).abs().max() > 0.1


def test_thawed_layers_begin_where_the_file_ends(candidate, file):
    path, before = file
    after = fit_candidate(candidate, weights=str(path), lr=1e-6).weights
    afresh = fit_candidate(candidate, lr=1e-6).weights
    key = "layers.1.conv.weight"
    assert 0 < (after[key] - before[key]).abs().max() < 1e-3
    assert (afresh[key] - before[key]).abs().max() > 1e-2


def test_statistics_that_the_file_lacks_come_from_the_training_tracks(candidate, file, tmp_path):
    settings, inputs = candidate
    source, train = inputs.sources[0], inputs.labelled.folds[0]["train"]
    bare = {key: w for key, w in file[1].items() if "running" not in key and "tracked" not in key}
    save_file(bare, tmp_path / "bare.safetensors")
    network = build(settings, source.inputs, 3)
    assert load(network, tmp_path / "bare.safetensors", "x")
    assert not load(build(settings, source.inputs, 3), file[0], "x")
    calibrate(network, source, train)
    norm = network.layers[0].norm
    chunks = torch.from_numpy(np.concatenate([source.chunks(int(i))[0] for i in train]))
    with torch.no_grad():
        maps = network.layers[0].conv(chunks)
    torch.testing.assert_close(norm.running_mean, maps.mean((0, 2, 3)), atol=0.02, rtol=0.02)
    torch.testing.assert_close(norm.running_var, maps.var((0, 2, 3)), atol=0.02, rtol=0.05)
    assert norm.momentum == pytest.approx(0.01)
    assert network.training


def test_a_file_that_does_not_fit_is_refused(candidate, file, tmp_path):
    _, weights = file
    other = {**weights, "layers.0.conv.weight": torch.zeros(32, 3, 3, 3)}
    other.pop("layers.1.norm.bias")
    save_file({**other, "spare": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"tiny_mel: train: weights: .*does not match") as error:
        fit_candidate(candidate, weights=str(tmp_path / "other.safetensors"))
    said = str(error.value)
    assert "layers.0.conv.weight has shape (32, 3, 3, 3), expected (32, 1, 3, 3)" in said
    assert "it lacks layers.1.norm.bias" in said
    assert "the network has no spare" in said


def test_a_file_that_is_not_there_or_no_weights_is_refused(candidate, tmp_path):
    with pytest.raises(DataError, match=r"tiny_mel: train: weights: .*none\.safetensors is not there"):
        fit_candidate(candidate, weights=str(tmp_path / "none.safetensors"))
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(DataError, match="is not a safetensors file"):
        fit_candidate(candidate, weights=str(tmp_path / "text.safetensors"))


def test_another_file_than_params_yaml_speaks_of_is_refused_until_its_hash_stands_there(candidate, file):
    path, before = file
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DataError, match=rf"tiny_mel: train: weights: .*has the SHA-256 {found}, expected 0{{64}}"):
        fit_candidate(candidate, weights=str(path), weights_sha256="0" * 64)
    after = fit_candidate(candidate, weights=str(path), weights_sha256=found, freeze=3, lr=0.001).weights
    assert layers(find_changed_weights(before, after)) == {"head.weight", "head.bias"}


@pytest.mark.parametrize(("freeze", "said"), [(4, "4 layers, but the network has 3 in sequence")])
def test_more_layers_than_there_are_cannot_be_frozen(candidate, file, freeze, said):
    with pytest.raises(ParamsError, match=said):
        fit_candidate(candidate, weights=str(file[0]), freeze=freeze)


def test_freezing_what_was_drawn_by_chance_is_refused(candidate):
    with pytest.raises(ParamsError, match="freeze needs weights"):
        fit_candidate(candidate, freeze=1)


def test_other_weights_are_another_point_to_go_on_from(candidate, tmp_path):
    settings, _ = candidate
    path = tmp_path / "w.safetensors"
    settings = settings.with_overrides({"train": {"weights": str(path)}})
    found = []
    for value in (0.0, 1.0):
        save_file({"x": torch.full((1,), value)}, path)
        found.append(fingerprint(settings))
    assert found[0] != found[1]


def test_dropout_and_statistics_rest_in_frozen_layers(candidate, file):
    settings, inputs = candidate
    network = build(settings, inputs.sources[0].inputs, 3)
    from ostinato.training.transfer import freeze

    freeze(network.train(), 1, "x")
    assert [layer.training for layer in network.layers] == [False, True, True]
    assert not any(p.requires_grad for p in network.layers[0].parameters())
    assert all(p.requires_grad for p in nn.ModuleList(network.layers[1:]).parameters())
