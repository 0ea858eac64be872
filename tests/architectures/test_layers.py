"""Padding, pooling, and the faster forms of the first and last layers."""

import numpy as np
import pytest
import torch
from torch import nn

from ostinato.architectures import freq, large_rnn, recommendation, rnn, simple, time, timefreq, timefreq_avg
from ostinato.core.scores import scores
from ostinato.errors import OstinatoError
from ostinato.layers.branches import Branches
from ostinato.layers.conv import Across, MaxPool, compute_same_padding
from ostinato.layers.recurrent import steps


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "margins"),
    [
        (643, 160, 2, (79, 80)),
        (643, 80, 2, (39, 40)),
        (643, 10, 2, (4, 5)),
        (643, 6, 2, (2, 3)),
        (168, 33, 2, (15, 16)),
        (168, 7, 2, (2, 3)),
        (168, 3, 2, (0, 1)),
        (256, 3, 2, (0, 1)),
        (643, 3, 2, (1, 1)),
        (2049, 341, 2, (170, 170)),
        (12, 12, 1, (5, 6)),
        (5, 1, 2, (0, 0)),
    ],
)
def test_same_padding_is_tensorflows(size, kernel, stride, margins):
    assert compute_same_padding(size, kernel, stride) == margins


@pytest.mark.parametrize("size", [4, 5, 6, 9])
def test_pooling_pads_like_same(size):
    x = -1 - torch.rand(1, 1, size, size + 1)
    before, after = compute_same_padding(size, 3, 2)
    left, right = compute_same_padding(size + 1, 3, 2)
    padded = nn.functional.pad(x, (left, right, before, after), value=-torch.inf)
    expected = nn.functional.max_pool2d(padded, 3, 2)
    assert expected.shape == (1, 1, -(-size // 2), -(-(size + 1) // 2))
    assert torch.equal(MaxPool((3, 3), (2, 2))(x), expected)


@pytest.mark.parametrize(
    ("channels", "size", "stride"), [(1, 129, 2), (1, 130, 2), (1, 12, 1), (3, 32, 1), (2, 643, 2)]
)
def test_branches_at_once_are_the_branches_one_by_one(channels, size, stride):
    torch.manual_seed(0)
    branches = Branches(channels, (32, 7, 5, 3, 2, 1), stride, 2).double()
    x = torch.randn(3, channels, size, 10, dtype=torch.float64)
    at_once = branches(x)
    (gradient,) = torch.autograd.grad(at_once[0].square().sum(), branches.convs[1].weight)
    one_by_one = torch.relu(branches.norm(torch.cat([conv(x) for conv in branches.convs], 1)))
    (expected,) = torch.autograd.grad(one_by_one[0].square().sum(), branches.convs[1].weight)
    assert at_once.shape == (3, 12, -(-size // stride), 10)
    torch.testing.assert_close(at_once, one_by_one)
    torch.testing.assert_close(gradient, expected)


def test_the_sum_across_is_the_convolution():
    torch.manual_seed(0)
    across = Across(4, 7).double()
    x = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    with torch.no_grad():
        expected = across(x)
    assert expected.shape == (2, 4, 5, 1)
    torch.testing.assert_close(across(x).detach(), expected)


@pytest.mark.parametrize(
    ("module", "shape", "sizes"),
    [
        (time, (1, 256, 643), [(322, 256), (314, 128), (306, 64), (298, 32), (290, 32), (290, 1)]),
        (time, (1, 12, 643), [(322, 12), (157, 12), (75, 12), (34, 12), (26, 12), (26, 1)]),
        (freq, (1, 256, 643), [(128, 643), (120, 322), (112, 161), (104, 81), (96, 81), (96, 1)]),
        (freq, (1, 168, 643), [(84, 643), (76, 322), (68, 161), (60, 81), (52, 81), (52, 1)]),
        (
            simple,
            (1, 256, 643),
            [(128, 322), (126, 320), (124, 318), (61, 158), (30, 78), (14, 38), (6, 18), (4, 16)],
        ),
        (simple, (1, 168, 643), [(84, 322), (82, 320), (80, 318), (39, 158), (19, 78), (9, 38), (4, 18), (2, 16)]),
    ],
)
def test_maps_shrink_as_published(module, shape, sizes):
    network = module.Network({"mel": shape}, 16).eval()
    seen = []
    for layer in network.layers:
        layer.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[2:])))
    with torch.no_grad():
        network(torch.zeros(1, *shape))
    assert seen == sizes


@pytest.mark.parametrize(
    ("bins", "kernels"),
    [
        (2049, (341, 170, 64, 32, 16, 8)),
        (1024, (170, 85, 32, 16, 8, 4)),
        (256, (42, 32, 21, 10, 8, 4)),
        (168, (42, 33, 28, 14, 7, 3)),
        (12, (12, 6, 4, 3, 2, 1)),
        (40, (10, 8, 6, 3, 1, 1)),
    ],
)
def test_kernels_of_freq_follow_the_bins(bins, kernels):
    assert freq.Network({"x": (1, bins, 8)}, 2).layers[0].kernels == kernels


@pytest.mark.parametrize(("frames", "kernels"), [(643, (160, 80, 40, 20, 10, 6)), (129, (32, 16, 8, 4, 2, 1))])
def test_kernels_of_time_follow_the_frames(frames, kernels):
    assert time.Network({"x": (1, 96, frames)}, 2).layers[0].kernels == kernels


@pytest.mark.parametrize("bins", [256, 168, 128, 96, 64, 40, 24, 12])
@pytest.mark.parametrize("module", [simple, time, freq])
def test_any_usual_number_of_bins_is_taken(module, bins):
    options = {"padding": "same"} if (module is simple and bins >= 133) or (module is time and bins < 24) else {}
    network = module.Network({"x": (1, bins, 80)}, 3, **options).eval()
    assert network(torch.zeros(1, 1, bins, 80)).shape == (1, 3)


@pytest.mark.parametrize(("module", "bins", "needed"), [(simple, 256, 133), (time, 256, 65), (time, 12, 241)])
def test_the_frames_that_valid_kernels_need(module, bins, needed):
    assert module.Network({"x": (1, bins, 643)}, 3).min_frames == needed
    with pytest.raises(
        OstinatoError, match=rf"at least {needed} frames of {bins} bins, got {needed - 1}; .*padding: same"
    ):
        module.Network({"x": (1, bins, needed - 1)}, 3)


def test_too_few_bins_for_valid_kernels():
    with pytest.raises(OstinatoError, match="simple: needs at least 133 bins, got 40"):
        simple.Network({"x": (1, 40, 643)}, 3, padding="valid")


@pytest.mark.parametrize(("module", "options"), [(simple, {"padding": "full"}), (rnn, {"layout": "scrambled"})])
def test_an_unknown_word_is_refused(module, options):
    with pytest.raises(OstinatoError, match="is unknown; there are"):
        module.Network({"x": (1, 256, 643)}, 3, **options)


def test_a_step_is_a_frame_unless_the_published_layout_is_asked_for():
    x = torch.arange(24.0).reshape(1, 1, 4, 6)
    assert steps(x)[0, 1].tolist() == [1, 7, 13, 19]
    assert steps(x, "reshape")[0, 1].tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize("module", [rnn, large_rnn])
def test_the_published_layout_is_another_network(module):
    torch.manual_seed(0)
    network = module.Network({"x": (1, 4, 6)}, 2)
    x = torch.randn(1, 1, 4, 6)
    usual, network.layout = network(x), "reshape"
    published = network(x)
    assert not torch.allclose(usual, published)
    network.layout = "transpose"
    torch.testing.assert_close(network(x.reshape(1, 1, 6, 4).transpose(-2, -1)), published)


def test_the_penalty_is_that_of_the_hidden_kernels():
    network = timefreq.Network({"a": 2, "b": 3}, 4, hidden=(6, 7), l2=0.5)
    for parameter in network.parameters():
        nn.init.constant_(parameter, 2.0)
    assert network.penalty().item() == 0.5 * 4 * (5 * 6 + 6 * 7)


@pytest.mark.parametrize("kind", ["single", "multi", "embedding"])
def test_an_average_has_the_mean_of_the_members_scores(kind):
    logits = torch.randn(6, 10)
    network = timefreq_avg.Network({"a": 5, "b": 5}, 5, kind=kind)
    mean = (scores(logits[:, :5].numpy(), kind) + scores(logits[:, 5:].numpy(), kind)) / 2
    expected = scores(mean, kind) if kind == "embedding" else mean
    np.testing.assert_allclose(scores(network(logits).numpy(), kind), expected, atol=1e-6)


def test_one_member_is_no_stack():
    with pytest.raises(OstinatoError, match="two members or more, got 1"):
        timefreq.Network({"a": 2}, 4)


def test_initial_kernels_are_glorot_and_orthogonal():
    network = rnn.Network({"x": (1, 12, 8)}, 3)
    recurrent, kernel = network.recurrent.weight_hh_l0, network.recurrent.weight_ih_l1
    torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(256), atol=1e-5, rtol=0)
    bound = (6 / (256 + 768)) ** 0.5
    assert bound * 0.99 < kernel.abs().max().item() <= bound
    assert not any(p.any() for n, p in network.named_parameters() if "bias" in n)


@pytest.mark.parametrize("given", [("mfcc", "chroma"), ("cqt_freq", "mel_time"), ("lyrics", "year")])
def test_recommendation_reads_what_parts_there_are(given):
    torch.manual_seed(0)
    widths = {name: recommendation.SCALARS.get(name, 5) for name in given}
    network = recommendation.Network(widths, 3, hidden=(64, 32)).eval()
    x = torch.rand(2, sum(widths.values()), generator=torch.Generator().manual_seed(0))
    for start in np.cumsum([0, *widths.values()])[:-1]:
        other = x.clone()
        other[:, start] += 1
        assert not torch.allclose(network(x), network(other))
