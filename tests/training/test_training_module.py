"""The LightningModule: optimisers, losses, augmentation, validation by tracks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ostinato.core.params.training import Train
from ostinato.core.task import Task
from ostinato.errors import ParamsError
from ostinato.training.module import OPTIMIZERS, SPARSE, Module, compute_class_weights, mixup, spec_augment

TASKS = {"single": Task("genre", ("a", "b", "c")), "multi": Task("tags", ("x", "y", "z"))}


def module(kind="single", network=None, target=None, **options):
    target = np.eye(3, dtype=np.float32) if target is None else target
    return Module(
        network or torch.nn.Linear(2, 3), TASKS[kind], Train(**options), target, np.arange(len(target)), seed=0
    )


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - set(SPARSE)))
def test_every_optimiser_lowers_the_loss(name):
    torch.manual_seed(0)
    made = module(optimizer=name, lr=1.0 if name == "adadelta" else 0.1)
    optimizer = made.configure_optimizers()
    x, target = torch.randn(3, 2), torch.eye(3)
    before = made.loss(made.network(x), target)
    for _ in range(150):
        optimizer.zero_grad()
        made.training_step(((x,), target), 0).backward()
        optimizer.step()
    assert made.loss(made.network(x), target) < 0.9 * before


def test_an_unknown_optimiser_is_told_the_known_ones():
    with pytest.raises(ParamsError, match=r"optimizer 'adamm' is not known; there are adam, sgd, adagrad, adadelta"):
        module(optimizer="adamm")


def test_an_unknown_monitor_is_told_the_known_ones():
    with pytest.raises(ParamsError, match=r"monitor 'accuracy' is not known; there are val_loss, val_score"):
        module(monitor="accuracy")


def test_losses_are_those_of_the_task():
    logits, target = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([[1.0, 0.0, 0.0]])
    assert module("single").loss(logits, target).item() == pytest.approx(-F.log_softmax(logits, 1)[0, 0].item())
    p = torch.sigmoid(logits[0])
    by_hand = -(p[0].log() + (1 - p[1]).log() + (1 - p[2]).log()) / 3
    assert module("multi").loss(logits, target).item() == pytest.approx(by_hand.item())


def test_label_smoothing_asks_less_than_certainty():
    sure, target = torch.tensor([[50.0, -50.0, -50.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    for kind in TASKS:
        assert module(kind).loss(sure, target) < 1e-6
        assert module(kind, label_smoothing=0.1).loss(sure, target) > 1


def test_a_networks_penalty_is_part_of_what_training_lowers():
    network = torch.nn.Linear(2, 3)
    x, target = torch.randn(4, 2), F.one_hot(torch.tensor([0, 1, 2, 0]), 3).float()
    plain = module(network=network).training_step(((x,), target), 0)
    network.penalty = lambda: torch.tensor(7.0)
    assert module(network=network).training_step(((x,), target), 0).item() == pytest.approx(plain.item() + 7)


def test_seldom_classes_weigh_more():
    target = np.float32([[1, 0, 0]] * 6 + [[0, 1, 0]] * 3 + [[0, 0, 1]])
    np.testing.assert_allclose(compute_class_weights(target, "single"), [10 / 18, 10 / 9, 10 / 3], rtol=1e-6)
    np.testing.assert_allclose(compute_class_weights(target, "multi"), [4 / 6, 7 / 3, 9], rtol=1e-6)


def test_mixup_blends_inputs_and_labels_by_one_share():
    torch.manual_seed(1)
    x = torch.eye(6)
    (blended,), target = mixup((x,), x.clone(), alpha=1.0)
    torch.testing.assert_close(blended, target)
    torch.testing.assert_close(blended.sum(1), torch.ones(6))
    assert ((blended > 0.01).sum(1) == 2).any()


def test_masks_blank_stripes_of_bounded_width():
    torch.manual_seed(0)
    blank = spec_augment(torch.ones(64, 1, 32, 80)) == 0
    bins, frames = blank.all(-1)[:, 0].sum(-1), blank.all(-2)[:, 0].sum(-1)
    assert 0 < bins.max() <= 4
    assert 0 < frames.max() <= 10
    assert len(set(bins.tolist())) > 1


class Identity(torch.nn.Module):
    def forward(self, x):
        return x


def run_validation(monitor, logits, owner, target, kind="single"):
    made = module(kind, Identity(), target, monitor=monitor)
    logged = {}
    made.log_dict = lambda values, **_: logged.update(values)
    made.validation_step(((logits[:2],), owner[:2]), 0)
    made.validation_step(((logits[2:],), owner[2:]), 1)
    made.on_validation_epoch_end()
    return {k: float(v) for k, v in logged.items()}


def test_validation_judges_tracks_by_the_mean_score_of_their_chunks():
    chunks = torch.tensor([[4.0, 0, 0], [0, 3.0, 0], [0, 5.0, 0], [0, 0, 1.0]])
    owner = torch.tensor([0, 0, 0, 1])
    target = np.float32([[1, 0, 0], [0, 0, 1]])
    found = run_validation("val_loss", chunks, owner, target)
    scores = torch.stack([chunks[:3].softmax(1).mean(0), chunks[3].softmax(0)])
    assert found["val_score"] == 0.5
    assert found["val_loss"] == pytest.approx(-(scores[0, 0].log() + scores[1, 2].log()).item() / 2, rel=1e-5)
    assert found["monitor"] == found["val_loss"]


def test_of_two_epochs_with_one_score_the_lower_loss_is_better():
    owner, target = torch.arange(3), np.eye(3, dtype=np.float32)
    sure, unsure = torch.eye(3) * 9, torch.eye(3)
    wrong = torch.eye(3) * 99
    wrong[2] = torch.tensor([1e-3, 0, 0])
    values = [run_validation("val_score", logits, owner, target)["monitor"] for logits in (sure, unsure, wrong)]
    assert values == sorted(values)
    assert len(set(values)) == 3


def test_the_score_of_tags_is_the_mean_average_precision_of_tags_that_occur():
    logits = torch.tensor([[3.0, 0, 1], [2.0, 1, 1], [1.0, 2, 1], [0.0, 3, 1]])
    target = np.float32([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]])
    by_hand = ((1 + 2 / 3) / 2 + (1 / 3 + 2 / 4) / 2) / 2
    assert run_validation("val_loss", logits, torch.arange(4), target, "multi")["val_score"] == pytest.approx(
        by_hand, rel=1e-5
    )
