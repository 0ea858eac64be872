"""Every kind of feature in a graph gives what `ostinato.features` gives; a new twin is tested without a line more."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.export import graphs
from ostinato.export._build import Builder

RATE = 22050
TWINS = [kind for kind in registry.names("ostinato.export.twins") if not features.needs_file(kind)]
DECIBELS = 0.01
"""What rounding may do to what lies 80 dB below the loudest."""


def graph_of(kind: str, **departures: object) -> object:
    op, given = Builder(), features.parameters(kind, departures, RATE)
    rows = registry.load("ostinato.export.twins", kind).graph(op, "y", **given)
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("y", ["n"]), (rows, None))]
    graph = helper.make_graph(op.nodes, "twin", values[:1], values[1:], list(op.constants.values()))
    opened = graphs.session(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    )
    compute = registry.load("ostinato.features", kind).compute
    return lambda y: (opened.run(None, {"y": y})[0], compute(AudioContext(y, given["sample_rate"]), **given))


def music(n_samples: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    time = np.arange(n_samples) / RATE
    chord = sum(np.sin(2 * np.pi * f * time) for f in (110, 164.8, 554.4, 1318.5))
    return (0.1 * chord * (1 + np.sin(4 * time)) + 0.01 * rng.standard_normal(n_samples)).astype(np.float32)


@pytest.mark.parametrize("kind", TWINS)
def test_gives_the_same_rows_for_any_length(kind):
    both = graph_of(kind)
    for n_samples in (1, 2, 700, 4097, 5 * RATE + 3):
        mine, theirs = both(music(n_samples))
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, atol=DECIBELS, err_msg=f"{n_samples} samples")


@pytest.mark.parametrize("kind", TWINS)
def test_silence_is_silence(kind):
    mine, theirs = graph_of(kind)(np.zeros(3000, np.float32))
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-4)


def test_follows_departures():
    for kind, departures in {
        "mel": {"n_mels": 32, "n_fft": 1024, "hop_length": 256, "f_min": 100.0, "f_max": 5000.0},
        "mfcc": {"n_mfcc": 20, "n_dropped": 0},
        "stft_halved": {"standardised": True, "n_fft": 512},
        "cqt": {"bins_per_octave": 12, "n_bins": 70, "hop_length": 1000},
        "chroma": {"n_octaves": 5, "hop_length": 512},
    }.items():
        mine, theirs = graph_of(kind, **departures)(music(2 * RATE))
        np.testing.assert_allclose(mine, theirs, atol=DECIBELS, err_msg=kind)
