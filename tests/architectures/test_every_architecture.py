"""What every network keeps, whichever it is."""

import re

import optuna
import pytest
import torch
from torch import nn

from ostinato.core import registry
from ostinato.errors import OstinatoError
from ostinato.export import graphs, networks
from ostinato.layers.stack import Stack

NAMES = registry.names("ostinato.architectures")
SOUND = dict.fromkeys(("chroma", "mfcc", "cqt_time", "cqt_freq", "mel_time", "mel_freq"), 6)
INPUTS = {
    "albums": {"cover": (3, 32, 36)},
    "choi": {"mel96": (1, 24, 20)},
    "cnn": {"mfcc13": (1, 13, 26)},
    "cnns_3": {"mel40": (1, 20, 24)},
    "genre_ensemble": {"one": 4, "other": 3},
    "large_rnn": {"mfcc": (1, 12, 20)},
    "lyrics": {"lyrics": (1, 9, 12)},
    "lyrics_transformer": {"lyrics": (1, 9, 12)},
    "mcclstm": {"mel40": (1, 40, 170)},
    "mlp": {"mfcc13": (1, 13, 26)},
    "r0": {"mel40": (1, 40, 80)},
    "r1": {"mel40": (1, 40, 170)},
    "r2": {"mel40": (1, 40, 80)},
    "r3": {"mel40": (1, 40, 80)},
    "r4": {"mel40": (1, 40, 170)},
    "recommendation": SOUND | {"lyrics": 6, "place": 2, "year": 1},
    "rnn": {"mfcc": (1, 12, 20)},
    "rnn_lstm": {"mfcc13": (1, 13, 20)},
    "simple": {"mel": (1, 40, 21)},
    "timefreq": {"one": 4, "other": 3},
    "timefreq_avg": {"one": 5, "other": 5},
    "two_windows": {"long": (1, 60, 33), "short": (1, 24, 50)},
}
DEFAULT = {"mel": (1, 96, 69)}
SMALL = {
    "choi": {"pools": ((2, 2), (3, 2), (2, 2))},
    "large_rnn": {"units": (16, 24, 32)},
    "lyrics": {"units": (16, 24, 32)},
    "lyrics_transformer": {"width": 32},
    "mcclstm": {"dense": 50, "units": 20},
    "r3": {"dense": 50},
    "recommendation": {"hidden": (64, 32), "absent": ("lyrics", "year")},
}
"""What keeps the tests fast; `test_counts.py` makes all in full."""
UNTRAINED = ("timefreq_avg",)
WORDS = ("lyrics", "lyrics_transformer")


def inputs_of(name: str) -> dict:
    return dict(INPUTS.get(name, DEFAULT))


MAPS = [name for name in NAMES if not isinstance(next(iter(inputs_of(name).values())), int)]
SINGLE = [name for name in MAPS if len(inputs_of(name)) == 1]
N_CLASSES = 5


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make(name: str, frames: int | None = None, **options) -> nn.Module:
    inputs = inputs_of(name)
    if frames is not None:
        inputs = {feature: (*shape[:2], frames) for feature, shape in inputs.items()}
    options = {**SMALL.get(name, {}), **options}
    return registry.load("ostinato.architectures", name).Network(inputs, N_CLASSES, **options)


def batch(name: str, size: int, frames: int | None = None) -> tuple[torch.Tensor, ...]:
    inputs = inputs_of(name)
    if name in WORDS:
        return (torch.randint(0, 9, (size, 12 if frames is None else frames)),)
    if name not in MAPS:
        logits = torch.randn(size, sum(inputs.values()))
        if name == "recommendation":
            logits[::2, sum(SOUND.values())] = torch.nan
            logits[::3, -1] = torch.nan
        return (logits,)
    return tuple(torch.randn(size, *shape[:2], shape[2] if frames is None else frames) for shape in inputs.values())


def set_statistics(network: nn.Module, x: tuple[torch.Tensor, ...]) -> nn.Module:
    """Return batch normalisation the statistics of a batch, so that logits spread in evaluation too."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    network.train()(*x)
    return network.eval()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNTRAINED])
def test_every_number_gets_a_gradient(name):
    network = make(name).train()
    logits = network(*batch(name, 8))
    (logits * torch.randn_like(logits)).sum().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert still == []


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_see_each_other_in_evaluation(name):
    x = batch(name, 6)
    network = set_statistics(make(name), x)
    rows = zip(*(part.split(1) for part in x), strict=True)
    together, alone = network(*x), torch.cat([network(*row) for row in rows])
    assert together.std() > (1e-4 if name in WORDS else 0.01)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_head_of_the_embedding_is_the_logits(name):
    x = batch(name, 3)
    network = set_statistics(make(name), x)
    embedding = network.embed(*x)
    assert embedding.shape == (3, {"choi": 3 * 32, "timefreq_avg": N_CLASSES}.get(name) or network.head.in_features)
    assert network(*x).shape == (3, N_CLASSES)
    torch.testing.assert_close(network.head(embedding), network(*x))


@pytest.mark.parametrize("name", NAMES)
def test_weights_make_the_same_network_again(name):
    x = batch(name, 4)
    first, second = set_statistics(make(name), x), make(name).eval()
    assert torch.allclose(first(*x), second(*x)) == (name in UNTRAINED)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(*x), second(*x))


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


@pytest.mark.parametrize("name", SINGLE)
def test_the_shortest_chunk_passes_and_a_shorter_one_is_refused(name):
    needed = make(name).min_frames
    network = make(name, needed).eval()
    assert network.min_frames == needed
    assert torch.isfinite(network(*batch(name, 2, needed))).all()
    with pytest.raises(OstinatoError, match=rf"{name}: needs .*\b{needed}\b"):
        network(*batch(name, 2, needed - 1))
    if network.length == "free":
        with pytest.raises(OstinatoError, match=rf"{name}: needs .*(\b{needed} frames|at least 1 each)"):
            make(name, needed - 1)


@pytest.mark.parametrize("name", MAPS)
def test_another_length_is_taken_or_refused_as_declared(name):
    network = make(name).eval()
    x = batch(name, 2, next(iter(inputs_of(name).values()))[2] + 6)
    if network.length == "free":
        assert network(*x).shape == (2, N_CLASSES)
    else:
        with pytest.raises(OstinatoError, match="needs exactly"):
            network(*x)


@pytest.mark.parametrize("name", MAPS)
def test_other_bins_are_refused(name):
    first, *others = batch(name, 2)
    other = first.float() if name in WORDS else first[:, :, 1:]
    with pytest.raises(OstinatoError, match=f"{name}: needs"):
        make(name)(other, *others)


@pytest.mark.parametrize("name", SINGLE)
def test_two_inputs_are_refused(name):
    kind = registry.load("ostinato.architectures", name).Network
    with pytest.raises(OstinatoError, match=f"{name}: needs one feature"):
        kind({"mel": (1, 96, 69), "cqt": (1, 96, 69)}, N_CLASSES)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MAPS])
def test_other_widths_are_refused(name):
    (x,) = batch(name, 2)
    with pytest.raises(OstinatoError, match=rf"{name}: needs \(batch, {x.shape[1]}\)"):
        make(name)(x[:, 1:])


@pytest.mark.parametrize("name", NAMES)
def test_where_it_comes_from_is_said(name):
    text = registry.load("ostinato.architectures", name).__doc__
    summary, _, references = text.partition("\nReferences\n----------\n")
    assert summary.split("\n")[0].endswith(".")
    assert re.search(r"[ ,](19|20)\d\d[,.]", references)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAPS)
def test_the_onnx_file_gives_what_torch_gives(name):
    network = set_statistics(make(name), batch(name, 8))
    inputs = inputs_of(name)
    words = tuple(inputs) if name in WORDS else ()
    content = graphs.annotate(networks.convert(network, inputs, opset=18, words=words), {})
    assert network(*batch(name, 8)).std() > (1e-4 if name in WORDS else 0.01)
    assert networks.parity(content, network, inputs, words) < (1e-4 if name == "albums" else 1e-5)
    given = graphs.session(content).get_inputs()
    assert [isinstance(x.shape[-1], str) for x in given] == [network.length == "free"] * len(given)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in MAPS])
def test_the_onnx_file_of_a_stack_gives_what_torch_gives(name):
    kind = registry.load("ostinato.architectures", name).Network
    members = {
        member: registry.load("ostinato.architectures", "rnn").Network({member: (1, 4, 9)}, N_CLASSES, units=5).eval()
        for member in (SOUND if name == "recommendation" else ("one", "other"))
    }
    options = {k: v for k, v in SMALL.get(name, {}).items() if k != "absent"}
    network = Stack(members, kind(dict.fromkeys(members, N_CLASSES), N_CLASSES, **options), "single").eval()
    inputs = dict.fromkeys(members, (1, 4, 9))
    content = graphs.annotate(networks.convert(network, inputs, opset=18), {})
    assert networks.parity(content, network, inputs) < 1e-5
