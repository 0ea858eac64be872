"""What a candidate is trained with: whose word counts, and what is refused."""

import pytest

import tiny_project
from ostinato.core.params import only
from ostinato.errors import ParamsError
from ostinato.stages import member, train, tune
from ostinato.training.settings import derive, fingerprint, resolve


def resolve_entry(**entry):
    candidates = {"tiny_mel": {"architecture": "tiny", "feature": "mel", "task": "genre", **entry}}
    return resolve(tiny_project.settings(candidates=candidates), "tiny_mel")


@pytest.mark.parametrize("stage", [member, train, tune])
def test_a_stage_resolves_a_candidate_from_the_sections_that_it_declares(stage):
    params = tiny_project.settings()
    assert resolve(only(params, stage.SECTIONS), "tiny_mel") == resolve(params, "tiny_mel")


def test_the_candidate_departs_from_the_common_section_and_the_study_from_both():
    settings = resolve_entry(normalise="track", train={"lr": 0.5}, network={"width": 3})
    assert (settings.train.normalise, settings.train.lr, settings.train.batch_size) == ("track", 0.5, 8)
    chosen = settings.with_overrides({"network": {"dropout": 0.1}, "train": {"lr": 0.25}})
    assert (chosen.train.normalise, chosen.train.lr) == ("track", 0.25)
    assert chosen.network == {"width": 3, "dropout": 0.1}


def test_a_stack_reads_its_members_in_the_order_of_params():
    assert resolve(tiny_project.settings(), "both").members == ("tiny_mel", "other_mel")


def test_a_stack_reads_its_own_numbers_after_them():
    edges = {f"{of}.{kind}": {"of": of, "feature": kind} for kind in ("year", "place") for of in ("both", "other")}
    settings = tiny_project.settings(numbers=edges)
    assert resolve(settings, "both").numbers == ("year", "place")
    assert resolve(settings, "tiny_mel").numbers == resolve(tiny_project.settings(), "both").numbers == ()


def test_an_unknown_candidate_is_told_the_known_ones():
    with pytest.raises(ParamsError, match=r"'tiny_mell' is not a candidate.*svm_mel.*tiny_mel"):
        resolve(tiny_project.settings(), "tiny_mell")


def test_an_unknown_key_of_train_names_candidate_and_keys():
    with pytest.raises(ParamsError, match=r"tiny_mel: train\.learning_rate: unknown key; .*batch_size.*lr"):
        resolve_entry(train={"learning_rate": 1.0})


def test_an_unknown_architecture_names_candidate_and_architectures():
    tiny_project.install_plugins()
    with pytest.raises(ParamsError, match=r"tiny_mel: architectures: there is no 'tinny'.* did you mean 'tiny'"):
        resolve_entry(architecture="tinny").load()


def test_seeds_differ_by_every_part():
    assert len({derive(a, b) for a in (0, 1) for b in ("fold 0", "fold 1", "final")}) == 6


def test_the_hash_of_inputs_sees_settings_and_files(tmp_path):
    tiny_project.install_plugins()
    file = tmp_path / "table"
    file.write_text("a")
    first = fingerprint(resolve_entry(), file)
    assert fingerprint(resolve_entry(), file) == first
    assert fingerprint(resolve_entry(train={"lr": 0.1}), file) != first
    file.write_text("b")
    assert fingerprint(resolve_entry(), file) != first


def test_a_key_that_the_loss_does_not_use_is_refused_with_what_would():
    with pytest.raises(ParamsError, match=r"tiny_mel: train: margin has no effect with loss: plain; .* loss: triplet"):
        resolve_entry(train={"margin": 0.9})
    with pytest.raises(ParamsError, match=r"tiny_mel: train: .*apart is called margin"):
        resolve_entry(train={"loss": "triplet", "apart": 0.9})
    assert resolve_entry(train={"loss": "triplet", "margin": 0.9}).train.margin == 0.9
    with pytest.raises(ParamsError, match=r"tiny_mel: train: clip has no effect with loss: plain"):
        resolve_entry().with_overrides({"train": {"clip": 0.1}})
