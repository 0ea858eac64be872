"""What every network keeps, whichever it is."""

import optuna
import pytest
import torch
from torch import nn

from ostinato import registry
from ostinato.errors import OstinatoError
from ostinato.export import graphs, networks

NAMES = registry.names("ostinato.architectures")
INPUTS = {
    "rnn": {"mfcc": (1, 12, 20)},
    "simple": {"mel": (1, 40, 21)},
    "timefreq": {"one": 4, "other": 3},
}
DEFAULT = {"mel": (1, 96, 69)}
MAPS = [name for name in NAMES if name != "timefreq"]
N_CLASSES = 5


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make(name: str, frames: int | None = None, **options) -> nn.Module:
    inputs = dict(INPUTS.get(name, DEFAULT))
    if frames is not None:
        inputs = {feature: (*shape[:2], frames) for feature, shape in inputs.items()}
    return registry.load("ostinato.architectures", name).Network(inputs, N_CLASSES, **options)


def batch(name: str, size: int, frames: int | None = None) -> torch.Tensor:
    inputs = INPUTS.get(name, DEFAULT)
    if name == "timefreq":
        return torch.randn(size, sum(inputs.values()))
    ((channels, bins, usual),) = inputs.values()
    return torch.randn(size, channels, bins, usual if frames is None else frames)


def settled(network: nn.Module, x: torch.Tensor) -> nn.Module:
    """Give batch normalisation the statistics of a batch, so that logits spread in evaluation too."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    network.train()(x)
    return network.eval()


@pytest.mark.parametrize("name", NAMES)
def test_every_number_gets_a_gradient(name):
    network = make(name).train()
    logits = network(batch(name, 8))
    (logits * torch.randn_like(logits)).sum().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert still == []


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_see_each_other_in_evaluation(name):
    x = batch(name, 6)
    network = settled(make(name), x)
    together, alone = network(x), torch.cat([network(row) for row in x.split(1)])
    assert together.std() > 0.01
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_head_of_the_embedding_is_the_logits(name):
    x = batch(name, 3)
    network = settled(make(name), x)
    embedding = network.embed(x)
    assert embedding.shape == (3, network.head.in_features)
    assert network(x).shape == (3, N_CLASSES)
    torch.testing.assert_close(network.head(embedding), network(x))


@pytest.mark.parametrize("name", NAMES)
def test_weights_make_the_same_network_again(name):
    x = batch(name, 4)
    first, second = settled(make(name), x), make(name).eval()
    assert not torch.allclose(first(x), second(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_alone_draws_the_weights(name):
    torch.manual_seed(5)
    first = make(name).state_dict()
    torch.manual_seed(5)
    assert all(torch.equal(w, first[n]) for n, w in make(name).state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_the_search_space_makes_networks(name):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(3):
        space = registry.load("ostinato.architectures", name).search_space(study.ask())
        assert set(space) == {"network", "train"}
        make(name, **space["network"])


@pytest.mark.parametrize("name", MAPS)
def test_the_shortest_chunk_passes_and_a_shorter_one_is_refused(name):
    needed = make(name).min_frames
    network = make(name, needed).eval()
    assert network.min_frames == needed
    assert torch.isfinite(network(batch(name, 2, needed))).all()
    with pytest.raises(OstinatoError, match=rf"{name}: needs .*\b{needed}\b"):
        network(batch(name, 2, needed - 1))
    if network.length == "free":
        with pytest.raises(OstinatoError, match=rf"{name}: needs .*(\b{needed} frames|at least 1 each)"):
            make(name, needed - 1)


@pytest.mark.parametrize("name", MAPS)
def test_another_length_is_taken_or_refused_as_declared(name):
    network = make(name).eval()
    x = batch(name, 2, next(iter(INPUTS.get(name, DEFAULT).values()))[2] + 6)
    if network.length == "free":
        assert network(x).shape == (2, N_CLASSES)
    else:
        with pytest.raises(OstinatoError, match="needs exactly"):
            network(x)


@pytest.mark.parametrize("name", MAPS)
def test_other_bins_are_refused(name):
    x = batch(name, 2)
    with pytest.raises(OstinatoError, match=f"{name}: needs"):
        make(name)(x[:, :, 1:])


@pytest.mark.parametrize("name", MAPS)
def test_two_inputs_are_refused(name):
    kind = registry.load("ostinato.architectures", name).Network
    with pytest.raises(OstinatoError, match=f"{name}: reads one feature"):
        kind({"mel": (1, 96, 69), "cqt": (1, 96, 69)}, N_CLASSES)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAPS)
def test_the_onnx_file_gives_what_torch_gives(name):
    network = settled(make(name), batch(name, 8))
    inputs = INPUTS.get(name, DEFAULT)
    content = graphs.annotate(networks.convert(network, inputs, opset=18), {})
    assert network(batch(name, 8)).std() > 0.01
    assert networks.parity(content, network, inputs) < 1e-5
    frames = graphs.session(content).get_inputs()[0].shape[3]
    assert isinstance(frames, str) == (network.length == "free")
