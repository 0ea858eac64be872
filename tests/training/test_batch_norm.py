"""Running statistics of batch normalisation: right after any number of steps, in every network that has them."""

import dataclasses

import pytest
import pytorch_lightning as L
import torch
import torch.nn.functional as F
from test_training_network import Cut, have_same_weights
from torch import nn

import tiny_project
from ostinato.architectures.choi import Network as Choi
from ostinato.core import registry
from ostinato.training import factory
from ostinato.training.batch_norm import MAX_BATCHES, BatchNormStatistics, find_layers, update_statistics
from ostinato.training.network import fit_network

N_CLASSES = 4
SHAPES = {
    "albums": ({"x": (3, 32, 32)}, {}),
    "choi": ({"x": (1, 16, 32)}, {"pools": ((2, 2), (2, 2), (2, 2), (2, 2), (1, 2))}),
    "cnn": ({"x": (1, 13, 48)}, {}),
    "freq": ({"x": (1, 64, 24)}, {}),
    "simple": ({"x": (1, 64, 24)}, {"padding": "same"}),
    "time": ({"x": (1, 64, 72)}, {}),
    "two_windows": ({"x": (1, 64, 24), "y": (1, 64, 24)}, {}),
}


def batches(shapes, generator, n, size):
    """Return batches of noise with a mark of the class, which no network can learn by heart."""
    made = []
    for _ in range(n):
        label = torch.randint(N_CLASSES, (size,), generator=generator)
        inputs = []
        for shape in shapes.values():
            x, rows = torch.randn((size, *shape), generator=generator), shape[1] // N_CLASSES
            for i, number in enumerate(label):
                x[i, :, number * rows : (number + 1) * rows] += 0.4
            inputs.append(x)
        made.append((tuple(inputs), label))
    return made


def without_dropout(network):
    """Put a network in training mode, its dropout aside."""
    for module in network.train().modules():
        if "Dropout" in type(module).__name__:
            module.eval()
    return network


@torch.no_grad()
def loss_of(network, shown):
    return float(torch.stack([F.cross_entropy(network(*x), y) for x, y in shown]).mean())


def compare_losses(name, steps, size=16, lr=1e-3):
    """Train, and give the losses of a set of batches: in training mode, by exact statistics, by the layers' own."""
    shapes, options = SHAPES[name]
    torch.manual_seed(0)
    network = registry.load("ostinato.architectures", name).Network(shapes, N_CLASSES, **options)
    generator = torch.Generator().manual_seed(0)
    shown = batches(shapes, generator, 6, size)
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=lr), []
    for step in range(1, max(steps) + 1):
        ((inputs, label),) = batches(shapes, generator, 1, size)
        optimizer.zero_grad()
        F.cross_entropy(without_dropout(network)(*inputs), label).backward()
        optimizer.step()
        if step in steps:
            own = loss_of(network.eval(), shown)
            update_statistics(without_dropout(network), [inputs for inputs, _ in shown])
            exact = loss_of(network.eval(), shown)
            losses.append((loss_of(without_dropout(network), shown), exact, own))
    return losses


@pytest.mark.parametrize("name", ["choi", "cnn", "freq", "two_windows"])
def test_evaluation_sees_the_network_that_is_trained(name):
    for trained, exact, _ in compare_losses(name, [10, 50] if name == "choi" else [10]):
        assert exact == pytest.approx(trained, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_evaluation_sees_the_network_that_is_trained_for_long(name):
    for trained, exact, _ in compare_losses(name, [10, 50, 500], size=64, lr=2e-4):
        assert exact == pytest.approx(trained, rel=0.1, abs=0.03)  # of a small loss, batches' own noise is more


def test_the_layers_own_statistics_are_wrong_at_first():
    ((trained, _, own),) = compare_losses("choi", [10])
    assert own > 1.1 * trained


def test_every_network_with_running_statistics_is_among_them():
    shapes = {
        "albums": {"x": (3, 64, 64)},
        "two_windows": {"x": (1, 256, 129), "y": (1, 256, 129)},
        "choi": {"x": (1, 96, 1360)},
        "lyrics": {"x": (1, 50, 64)},
        "lyrics_transformer": {"x": (1, 50, 64)},
    }
    heads = {"genre_ensemble", "timefreq", "timefreq_avg", "recommendation"}
    having = set()
    for name in set(registry.names("ostinato.architectures")) - heads - {"tiny", "several"}:
        given = shapes.get(name, {"x": (1, 256, 240)})
        with torch.device("meta"):
            network = factory.make(name, given, N_CLASSES, {}, "single")
        if find_layers(network.train()):
            having.add(name)
    assert having == set(SHAPES)


def test_the_mean_over_batches_by_hand():
    layer = nn.BatchNorm1d(2, momentum=0.01)
    network = nn.Sequential(layer, nn.Dropout(0.9), nn.BatchNorm1d(2))
    torch.manual_seed(0)
    shown = [torch.randn(5, 2) for _ in range(3)]
    state = torch.get_rng_state()
    update_statistics(network.train(), [(x,) for x in shown])
    torch.testing.assert_close(layer.running_mean, torch.stack([x.mean(0) for x in shown]).mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack([x.var(0) for x in shown]).mean(0))
    assert layer.momentum == 0.01
    assert all(module.training for module in network.modules())
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(network[2].running_mean, torch.zeros(2), atol=1e-6, rtol=0)


def test_frozen_layers_and_those_without_running_statistics_stay():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.BatchNorm1d(2, track_running_stats=False))
    network.train()
    network[0].eval().requires_grad_(False)
    update_statistics(network, [(torch.randn(5, 2) + 3,)])
    assert network[0].running_mean.abs().max() == 0
    assert network[1].running_mean.abs().min() > 1
    assert [layer.training for layer in network] == [False, True, True]


@pytest.fixture
def candidate(tmp_path):
    """Open the tiny project with a network that normalises batches."""
    settings, inputs = tiny_project.open_candidate(tmp_path / "project")
    pools = ((1, 2), (2, 2), (2, 2), (2, 2), (1, 1))
    return dataclasses.replace(settings, plugin="choi", network={"pools": pools}), inputs


def fit_candidate(candidate, *, validated=True, callbacks=(), state=None, **train):
    settings, inputs = candidate
    parts = inputs.labelled.folds[0]
    held = parts["validation"] if validated else None
    given = (
        settings.with_overrides({"train": {"lr": 0.002, **train}}),
        inputs.labelled,
        inputs.sources[0],
        parts["train"],
        held,
    )
    return fit_network(*given, label="fold 0", state=state, callbacks=callbacks)


class Batches(L.Callback):
    """Keep the batches of an epoch, and the network that it led to."""

    def __init__(self):
        self.inputs, self.state = [], {}

    def on_train_epoch_start(self, trainer, module):
        self.inputs = []

    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        self.inputs.append(batch[0])

    def on_train_epoch_end(self, trainer, module):
        self.state = {k: v.clone() for k, v in module.network.state_dict().items()}


@pytest.mark.parametrize("validated", [True, False])
def test_what_is_kept_has_the_statistics_of_its_own_weights(candidate, validated):
    seen = Batches()
    found = fit_candidate(candidate, validated=validated, max_epochs=2, spec_augment=True, mixup=0.4, callbacks=[seen])
    settings, _ = candidate
    network = Choi(found.source.inputs, 3, **settings.network)
    weights = found.weights if found.epochs == 2 else seen.state
    network.load_state_dict(weights)
    update_statistics(network.train(), seen.inputs)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, weights[name], rtol=1e-4, atol=1e-5)


def test_validation_is_by_the_statistics_that_are_kept(candidate):
    found = fit_candidate(candidate, max_epochs=3, patience=3)
    settings, inputs = candidate
    network = Choi(found.source.inputs, 3, **settings.network)
    network.load_state_dict(found.weights)
    from ostinato.training.predict import run_network

    rows, task = inputs.labelled.folds[0]["validation"], inputs.labelled.task
    logits, _ = run_network(network, found.source, rows, task)
    truth = torch.from_numpy(inputs.labelled.target[rows])
    assert float(F.cross_entropy(torch.from_numpy(logits), truth)) == pytest.approx(found.value, rel=1e-4)


@pytest.mark.parametrize("where", [(0, 1), (1, 2)])
def test_a_run_that_was_cut_off_goes_on_to_the_same_statistics(candidate, tmp_path, where):
    given = {"max_epochs": 3, "patience": 3, "spec_augment": True}
    alone = fit_candidate(candidate, **given)
    with pytest.raises(InterruptedError):
        fit_candidate(candidate, callbacks=[Cut(*where)], state=tmp_path / "state", **given)
    resumed = fit_candidate(candidate, state=tmp_path / "state", **given)
    assert have_same_weights(alone, resumed)
    assert alone.curve == resumed.curve


def test_the_pass_is_bounded_and_shared_by_devices():
    class Recording:
        n_batches, source = 1000, None

        def __getitem__(self, where):
            return (torch.tensor(where),), None

    def draw_order(rank, devices):
        strategy = type("Strategy", (), {"batch_to_device": staticmethod(lambda batch: batch)})
        data = type("Data", (), {"training": Recording()})
        trainer = type("Trainer", (), {"datamodule": data, "strategy": strategy, "current_epoch": 7})
        trainer.global_rank, trainer.world_size = rank, devices
        return [tuple(inputs[0].tolist()) for inputs in BatchNormStatistics._batches(trainer)]

    assert draw_order(0, 1) == [(7, i) for i in range(MAX_BATCHES)]
    assert sorted(draw_order(0, 2) + draw_order(1, 2)) == draw_order(0, 1)
