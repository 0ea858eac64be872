"""One fit: the ladder from one batch to a resumed run, and what is refused."""

import dataclasses
import os
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as L
import torch

import tiny_project
from ostinato.core.params.training import Train
from ostinato.core.task import Task
from ostinato.errors import OstinatoError
from ostinato.training import artefact as artefacts
from ostinato.training import predict
from ostinato.training.callbacks import ResumableCheckpoint
from ostinato.training.data.batches import TrackDataModule
from ostinato.training.data.sources import Logits
from ostinato.training.fit import fit
from ostinato.training.module import Module
from ostinato.training.network import build, fit_network, make_trainer, quiet
from ostinato.training.predict import run_network


@pytest.fixture
def candidate(tmp_path):
    return tiny_project.open_candidate(tmp_path / "project")


def fit_candidate(candidate, *, callbacks=(), state=None, epochs=None, label="fold 0", seed=None, **train):
    settings, inputs = candidate
    settings = dataclasses.replace(
        settings.with_overrides({"train": train}), seed=settings.seed if seed is None else seed
    )
    parts = inputs.labelled.folds[0]
    return fit_network(
        settings,
        inputs.labelled,
        inputs.sources[0],
        parts["train"],
        parts["validation"],
        label=label,
        state=state,
        epochs=epochs,
        callbacks=callbacks,
    )


def have_same_weights(a, b):
    return all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)


class Cut(L.Callback):
    """End the run as a kill would, at a batch of an epoch."""

    def __init__(self, epoch, batch):
        self.where = epoch, batch

    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        if (trainer.current_epoch, number) == self.where:
            raise InterruptedError


def test_one_batch_passes(candidate):
    settings, inputs = candidate
    parts, labelled, source = inputs.labelled.folds[0], inputs.labelled, inputs.sources[0]
    module = Module(
        build(settings, source.inputs, 3), labelled.task, settings.train, labelled.target, parts["train"], 0
    )
    data = TrackDataModule(
        source,
        labelled.target,
        labelled.track_ids,
        parts["train"],
        parts["validation"],
        batch_size=8,
        chunks_per_track=1,
        seed=0,
    )
    before = module.network.head.weight.detach().clone()
    L.Trainer(fast_dev_run=True, enable_progress_bar=False, enable_model_summary=False).fit(module, datamodule=data)
    assert not torch.equal(before, module.network.head.weight)


def test_a_network_learns_the_mark_of_a_genre(candidate):
    settings, inputs = candidate
    found = fit_candidate(candidate, max_epochs=12, patience=12)
    net = build(settings, found.source.inputs, 3)
    net.load_state_dict(found.weights)
    test = inputs.labelled.folds[0]["test"]
    logits, embedding = run_network(net, found.source, test, inputs.labelled.task)
    assert (logits.argmax(1) == inputs.labelled.target[test].argmax(1)).mean() >= 0.8
    assert embedding.shape == (len(test), 6)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(candidate):
    first = fit_candidate(candidate)
    assert have_same_weights(first, fit_candidate(candidate))
    assert not have_same_weights(first, fit_candidate(candidate, seed=4))
    assert not have_same_weights(first, fit_candidate(candidate, label="fold 1"))


def test_the_best_epoch_is_kept_and_training_stops_after_patience(candidate):
    found = fit_candidate(candidate, max_epochs=40, patience=2, lr=0.3)
    losses = [row["val_loss"] for row in found.curve]
    assert found.epochs == int(np.argmin(losses)) + 1
    assert found.value == min(losses)
    assert len(losses) == found.epochs + 2 < 40


@pytest.mark.parametrize("where", [(0, 1), (2, 0), (2, 2)])
@pytest.mark.parametrize(
    "extra", [{}, {"mixup": 0.4, "spec_augment": True, "optimizer": "adadelta"}], ids=["plain", "augmented"]
)
def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(candidate, tmp_path, where, extra):
    extra = {"max_epochs": 4, "patience": 4, **extra}
    alone = fit_candidate(candidate, **extra)
    with pytest.raises(InterruptedError):
        fit_candidate(candidate, callbacks=[Cut(*where)], state=tmp_path, **extra)
    torch.rand(3)
    seen = []
    resumed = fit_candidate(candidate, state=tmp_path, callbacks=[Epochs(seen)], **extra)
    assert have_same_weights(alone, resumed)
    assert alone.curve == resumed.curve
    assert seen == list(range(where[0], 4))


class Epochs(L.Callback):
    """Note the epochs that are trained."""

    def __init__(self, seen):
        self.seen = seen

    def on_train_epoch_start(self, trainer, module):
        self.seen.append(trainer.current_epoch)


def test_a_run_that_had_stopped_by_itself_does_not_go_on(candidate, tmp_path):
    alone = fit_candidate(candidate, state=tmp_path, max_epochs=40, patience=1, lr=0.3)
    seen = []
    again = fit_candidate(candidate, state=tmp_path, max_epochs=40, patience=1, lr=0.3, callbacks=[Epochs(seen)])
    assert seen == []
    assert have_same_weights(alone, again)
    assert alone.curve == again.curve


def test_a_point_to_go_on_from_holds_no_objects(candidate, tmp_path):
    fit_candidate(candidate, state=tmp_path / "state")
    assert os.listdir(tmp_path / "state") == ["last.ckpt"]
    content = torch.load(tmp_path / "state" / "last.ckpt", weights_only=True)
    (kept,) = (v for k, v in content["callbacks"].items() if k.startswith(ResumableCheckpoint.__name__))
    assert kept["epochs"] >= 1


def test_without_validation_the_last_epoch_counts(candidate):
    settings, inputs = candidate
    train = inputs.labelled.folds[0]["train"]
    found = fit_network(settings, inputs.labelled, inputs.sources[0], train, None, label="final", epochs=2)
    assert found.epochs == 2
    assert [set(row) for row in found.curve] == [{"epoch", "train_loss"}] * 2


def test_a_loss_that_is_not_finite_is_an_error_with_a_mend(candidate):
    with pytest.raises(OstinatoError, match=r"tiny_mel fold 0: the loss is not finite; lower train.lr"):
        fit_candidate(candidate, lr=1e30, optimizer="sgd")


def test_a_network_that_cannot_take_its_feature_names_candidate_given_and_needed(candidate):
    settings, _ = candidate
    with pytest.raises(
        OstinatoError, match=r"tiny_mel \(inputs mel \(1, 8, 2\)\): tiny: needs at least 4 frames, 2 were"
    ):
        build(settings, {"mel": (1, 8, 2)}, 3)


def test_an_unknown_argument_of_a_network_names_the_known_ones(candidate):
    settings, inputs = candidate
    with pytest.raises(OstinatoError, match=r"tiny_mel: network: tiny has no 'widht'; it has width, dropout"):
        build(settings.with_overrides({"network": {"widht": 3}}), inputs.sources[0].inputs, 3)


def test_chunks_in_batches_give_what_they_give_alone(candidate):
    settings, inputs = candidate
    source, tracks = inputs.sources[0], np.arange(20)
    torch.manual_seed(0)
    net = build(settings, source.inputs, 3).eval()
    together, _ = run_network(net, source, tracks, inputs.labelled.task)
    alone = np.concatenate([run_network(net, source, tracks[i : i + 1], inputs.labelled.task)[0] for i in tracks])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_dvclive_shows_each_epoch_once_also_of_a_resumed_run(candidate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings, inputs = candidate
    parts = inputs.labelled.folds[0]

    def run(callbacks):
        arguments = settings, inputs.labelled, inputs.sources[0], parts["train"], parts["validation"]
        state, log = tmp_path / "state", tmp_path / "live"
        return fit_network(*arguments, label="fold 0", state=state, log=log, callbacks=callbacks)

    with pytest.raises(InterruptedError):
        run([Cut(2, 1)])
    curve = run([]).curve
    shown = pd.read_csv(tmp_path / "live" / "plots" / "metrics" / "val_loss.tsv", sep="\t")
    assert shown["step"].tolist() == [row["epoch"] for row in curve] == [0, 1, 2]
    np.testing.assert_allclose(shown["val_loss"], [row["val_loss"] for row in curve])


def test_a_network_with_nothing_to_learn_is_judged_and_kept(candidate, tmp_path):
    settings, inputs = candidate
    settings = dataclasses.replace(settings, fitter="stacked", plugin="timefreq_avg", network={}, members=("a", "b"))
    labelled, parts = inputs.labelled, inputs.labelled.folds[0]
    rng = np.random.default_rng(0)
    truth = 3 * labelled.target + rng.normal(size=labelled.target.shape).astype(np.float32)
    source = Logits({"a": truth, "b": rng.normal(size=truth.shape).astype(np.float32)})
    found = fit_network(settings, labelled, source, parts["train"], parts["validation"], label="fold 0")
    assert (found.epochs, dict(found.weights)) == (0, {})
    assert [set(row) for row in found.curve] == [{"epoch", "val_loss", "val_score"}]
    mean = np.mean([labelled.task.scores(table) for table in source.members.values()], axis=0)
    net = build(settings, source.inputs, 3)
    logits, _ = run_network(net, source, parts["validation"], labelled.task)
    np.testing.assert_allclose(labelled.task.scores(logits), mean[parts["validation"]], atol=1e-6)
    right = (mean.argmax(1) == labelled.target.argmax(1))[parts["validation"]].mean()
    assert found.curve[0]["val_score"] == pytest.approx(right)
    folder = tmp_path / "checkpoints"
    everywhere = dict.fromkeys([0, "final"], source)
    artefact = fit(settings, labelled, everywhere, dict.fromkeys(("a", "b"), inputs.inputs["mel"]), folder)
    assert artefacts.network(folder, artefact)(torch.zeros(1, 6)).shape == (1, 3)


@pytest.mark.parametrize(("task", "kind"), [("genre", "single"), ("tags", "multi"), ("artist_embedding", "embedding")])
def test_the_task_says_what_logits_mean(candidate, task, kind):
    settings, _ = candidate
    settings = dataclasses.replace(settings, fitter="stacked", plugin="timefreq_avg", network={}, task=task)
    assert build(settings, {"a": 3, "b": 3}, 3).kind == kind
    with pytest.raises(OstinatoError, match="timefreq_avg has no 'kind'"):
        build(settings.with_overrides({"network": {"kind": "multi"}}), {"a": 3, "b": 3}, 3)


def test_advice_of_lightning_stays_off_the_screen(caplog):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet():
            make_trainer(Train(), [], 1, validated=True)
            warnings.warn_explicit("advice", UserWarning, "file.py", 1, module=f"{L.__name__}.trainer")
    assert caught == []
    assert caplog.messages == []
    make_trainer(Train(), [], 1, validated=True)
    assert caplog.messages


def test_the_chunks_of_a_track_are_let_go_when_they_are_pooled(monkeypatch):
    alive: list[weakref.ref] = []

    def run_chunks(network, source, tracks):
        for _ in tracks:
            assert sum(chunks() is not None for chunks in alive) <= 1
            chunks = np.zeros((9, 2)).view(type("Chunks", (np.ndarray,), {}))
            alive.append(weakref.ref(chunks))
            yield chunks, np.zeros(3, np.float32)

    monkeypatch.setattr(predict, "run_chunks", run_chunks)
    logits, embedding = run_network(None, None, np.arange(6), Task("genre", ("a", "b")))
    assert (logits.shape, embedding.shape, len(alive)) == ((6, 2), (6, 3), 6)
