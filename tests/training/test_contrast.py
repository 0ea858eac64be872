"""Networks that compare tracks: their losses, their batches, and that they learn."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ostinato.core.params.training import Train
from ostinato.core.task import Task
from ostinato.errors import ParamsError
from ostinato.training import losses
from ostinato.training import module as modules
from ostinato.training.data.batches import TrainingBatches, companions
from ostinato.training.module import Module, score_nearest

GENRES = torch.eye(3)[[0, 0, 1, 1, 2, 2]]


class Plain(torch.nn.Module):
    """A last hidden layer of four numbers, and a head."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.layers, self.head = torch.nn.Linear(n_inputs, 4), torch.nn.Linear(4, n_outputs)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(x))


def module(task: Task, network: torch.nn.Module, **options: object) -> Module:
    target = np.zeros((6, len(task.classes)), np.float32)
    return Module(network, task, Train(**options), target, np.arange(6), seed=0)


def test_infonce_worked_by_hand():
    """Of three unit vectors the first two are one artist's, at 60 degrees; the third stands square to the first."""
    x = torch.tensor([[1.0, 0], [0.5, math.sqrt(0.75)], [0, 1.0]])
    together = losses.alike(torch.eye(2)[[0, 0, 1]], "single")
    a, b, c = 0.5, 0.0, math.sqrt(0.75)
    first = -math.log(math.exp(a) / (math.exp(a) + math.exp(b)))
    second = -math.log(math.exp(a) / (math.exp(a) + math.exp(c)))
    assert losses.infonce(x, together, temperature=1.0).item() == pytest.approx((first + second) / 2, rel=1e-5)


def test_a_triplet_asks_the_farthest_companion_and_the_nearest_stranger():
    x = torch.tensor([[1.0, 0], [0.6, 0.8], [0, 1.0]])
    together = losses.alike(torch.eye(2)[[0, 0, 1]], "single")
    # distances: 0 to 1: 0.4; 0 to 2: 1; 1 to 2: 0.2
    assert losses.triplet(x, together, margin=0.3).item() == pytest.approx((0 + (0.3 + 0.4 - 0.2)) / 2, rel=1e-5)


@pytest.mark.parametrize("loss", losses.CONTRASTS)
def test_lengths_do_not_count_and_strangers_alone_cost_nothing(loss, rng):
    x, together = torch.randn(6, 5), losses.alike(GENRES, "single")
    given = {"temperature": 0.2} if loss == "infonce" else {"margin": 0.5}
    value = getattr(losses, loss)
    scaled = x * torch.tensor(rng.uniform(0.1, 9, (6, 1)), dtype=torch.float32)
    assert value(scaled, together, **given).item() == pytest.approx(value(x, together, **given).item(), rel=1e-4)
    assert value(x, torch.zeros(6, 6, dtype=torch.bool), **given).item() == 0


@pytest.mark.parametrize("loss", losses.CONTRASTS)
def test_a_head_has_no_say_in_what_it_reads(loss):
    """The gradient of the layers is that of the comparison alone; the head learns the classes all the same."""
    torch.manual_seed(0)
    network, x = Plain(5, 3), torch.randn(6, 5)
    made = module(Task("genre", ("a", "b", "c")), network, loss=loss)
    made.contrastive_loss((x,), GENRES).backward()
    found, of_head = network.layers.weight.grad.clone(), network.head.weight.grad.clone()
    network.zero_grad()
    made.contrast(network.embed(x), GENRES).backward()
    torch.testing.assert_close(found, network.layers.weight.grad)
    network.zero_grad()
    F.cross_entropy(network(x), GENRES).backward()
    torch.testing.assert_close(of_head, network.head.weight.grad)


@pytest.mark.parametrize("loss", losses.CONTRASTS)
def test_tracks_of_an_artist_come_together(loss):
    """Three artists, each a direction of an artist space, that the network need not hit."""
    torch.manual_seed(1)
    artists = F.normalize(torch.randn(3, 8), dim=1)[[0, 0, 1, 1, 2, 2]]
    x, network = torch.randn(6, 16), Plain(16, 8)
    made = module(Task("artist_embedding", tuple("12345678")), network, loss=loss, lr=0.02, margin=0.5)
    optimizer = made.configure_optimizers()
    for _ in range(150):
        optimizer.zero_grad()
        made.contrastive_loss((x,), artists).backward()
        optimizer.step()
    assert score_nearest(network(x), artists).item() == 1
    assert made.contrast(network(x), artists).item() < 0.05


def test_score_nearest_leaves_out_who_is_alone():
    artists = torch.eye(3)[[0, 0, 1, 2]]
    vectors = torch.tensor([[1.0, 0, 0], [0.9, 0.1, 0], [0.1, 0.9, 0], [0, 0, 1.0]])
    assert score_nearest(vectors, artists).item() == 1
    assert score_nearest(vectors[[0, 2, 1, 3]], artists).item() == 0


def test_pairs_share_a_label_and_nobody_is_left_out(rng):
    labels = rng.integers(0, 5, 41)
    pairs = companions(rng.permutation(41), labels)
    assert sorted(np.concatenate(pairs).tolist()) == list(range(41))
    assert all(len(set(labels[pair])) == 1 for pair in pairs)
    assert sum(len(pair) == 1 for pair in pairs) == (np.bincount(labels) % 2).sum()


@pytest.mark.parametrize("directions", [False, True])
def test_batches_hold_pairs(rng, directions):
    class Source:
        def crops(self, tracks, where):
            return (tracks[:, None].astype(np.float32),)

    label = np.arange(24) % 6
    target = (rng.normal(size=(6, 4)) if directions else np.eye(6))[label].astype(np.float32)
    ids = np.array([f"t{i}" for i in range(24)], object)
    made = TrainingBatches(Source(), target, ids, np.arange(24), batch_size=8, chunks_per_track=1, seed=3, paired=True)
    epochs = [[made[epoch, n][0][0][:, 0].long().numpy() for n in range(made.n_batches)] for epoch in (0, 1)]
    for batches in epochs:
        assert sorted(np.concatenate(batches).tolist()) == list(range(24))
        assert all((np.bincount(label[batch], minlength=6) % 2 == 0).all() for batch in batches)
    assert [b.tolist() for b in epochs[0]] != [b.tolist() for b in epochs[1]]
    again = made[0, 1][0][0][:, 0].long().tolist()
    assert again == epochs[0][1].tolist()


def test_a_track_without_tags_is_paired_with_nobody():
    class Source:
        def crops(self, tracks, where):
            return (tracks[:, None].astype(np.float32),)

    target = np.zeros((8, 2), np.float32)
    target[:2, 0] = 1
    ids = np.array([f"t{i}" for i in range(8)], object)
    made = TrainingBatches(Source(), target, ids, np.arange(8), batch_size=8, chunks_per_track=1, seed=0, paired=True)
    labels = made._labels(epoch=0)
    assert labels[0] == labels[1]
    assert len(set(labels)) == 7


@pytest.mark.parametrize("wrong", [{"mixup": 0.2}, {"batch_size": 1}])
def test_what_leaves_nothing_to_compare_is_refused(wrong):
    with pytest.raises(ParamsError, match="loss infonce compares tracks; set mixup: 0 and batch_size above 1"):
        module(Task("genre", ("a", "b", "c")), Plain(2, 3), loss="infonce", **wrong)


def test_score_nearest_does_not_depend_on_how_many_tracks_are_compared_at_once(monkeypatch, rng):
    artists = torch.from_numpy(rng.standard_normal((9, 4)).astype(np.float32))[rng.integers(0, 9, 50)]
    vectors = artists + 0.8 * torch.from_numpy(rng.standard_normal((50, 4)).astype(np.float32))
    whole = score_nearest(vectors, artists)
    monkeypatch.setattr(modules, "ROWS", 7)
    assert 0 < score_nearest(vectors, artists).item() < 1
    assert score_nearest(vectors, artists).item() == whole.item()
