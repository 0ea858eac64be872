"""artefact.json and weights: what is written is read, and nothing else."""

import pytest
import torch

import tiny_project
from ostinato.errors import DataError, OstinatoError
from ostinato.training import artefact as artefacts
from ostinato.training.fit import fit


@pytest.fixture
def candidate(tmp_path):
    return tiny_project.open_candidate(tmp_path / "project")


@pytest.fixture
def checkpoint(candidate, tmp_path):
    settings, inputs = candidate
    folder = tmp_path / "checkpoints"
    return folder, fit(settings, inputs.labelled, inputs.sources, inputs.inputs, folder)


def test_an_artefact_is_read_as_it_was_written(checkpoint):
    folder, artefact = checkpoint
    assert artefacts.load(folder) == artefact
    assert artefact.inputs["mel"].parameters == {"sample_rate": 22050, "hop_length": 1024}
    assert artefact.shapes == {"mel": (1, 8, 16)}
    assert artefact.n_parameters == 8 * 3 * 6 + 12 + 6 * 3 + 3


def test_one_holdout_exports_its_own_weights(checkpoint):
    folder, artefact = checkpoint
    assert artefacts.weights_file(folder, 0).read_bytes() == artefacts.weights_file(folder, "final").read_bytes()
    assert artefact.epochs["0"] == artefact.epochs["final"]


def test_a_network_is_restored_in_evaluation_mode(checkpoint):
    folder, artefact = checkpoint
    one, other = (artefacts.network(folder, artefact, fold) for fold in (0, "final"))
    x = torch.randn(2, 1, 8, 16)
    assert not one.training
    assert torch.equal(one(x), other(x))


def test_nothing_is_pickled(checkpoint):
    folder, _ = checkpoint
    assert sorted(f.name for f in folder.iterdir()) == [
        "artefact.json",
        "curves.csv",
        "final.safetensors",
        "fold0.safetensors",
    ]


def test_weights_of_another_shape_say_what_to_do(checkpoint):
    folder, artefact = checkpoint
    with pytest.raises(DataError, match=r"final.safetensors: does not match the current tiny; train tiny_mel again"):
        artefacts.network(folder, artefact.model_copy(update={"network": {"width": 5}}))


def test_absent_weights_and_foreign_keys_are_named(checkpoint):
    folder, artefact = checkpoint
    with pytest.raises(DataError, match=r"fold7.safetensors: is not there; run `dvc repro train@tiny_mel`"):
        artefacts.network(folder, artefact, 7)
    file = folder / artefacts.FILE
    file.write_text(file.read_text().replace('"members"', '"mumbers"'))
    with pytest.raises(OstinatoError, match=r"artefact.json: has another version"):
        artefacts.load(folder)
