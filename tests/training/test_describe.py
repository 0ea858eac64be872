"""What is said of an architecture agrees with the network, and with the file that is exported."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ostinato import architectures
from ostinato.cli import app
from ostinato.core import registry
from ostinato.errors import OstinatoError
from ostinato.export import cost, networks
from ostinato.training import describe

SOUND = "chroma,mfcc,cqt_time,cqt_freq,mel_time,mel_freq"


@pytest.mark.parametrize(
    ("name", "feature", "classes", "total"),
    [
        ("time", "mel", 16, 55_700),
        ("timefreq", "mel", 16, 160_682),
        ("timefreq_avg", "cqt", 161, 190_416),
        ("genre_ensemble", "stft_halved,mel,cqt,chroma,mfcc", 16, 3_157_406),
        ("rnn", "mfcc", 16, 1_000_976),
        ("lyrics", "lyrics:1x497948x643", 800, 108_755_200),
        ("albums", "cover:3x640x640", 800, 3_282_784),
        ("recommendation", f"{SOUND},lyrics,albums,place,year", 800, 50_522_912),
        ("mlp", "x:1x13x130", 10, 1_031_306),
        ("choi", "x:1x96x1360", 50, 39_602),
        ("mcclstm", "x:1x40x640", 10, 2_487_594),
    ],
)
def test_the_command_gives_the_papers_totals(name, feature, classes, total):
    found = CliRunner().invoke(app, ["describe", name, "--feature", feature, "--classes", str(classes), "--json"])
    said = json.loads(found.stdout)
    assert said["total"] == total
    assert sum(layer["multiply_adds"] for layer in said["layers"]) == said["multiply_adds"]


def test_the_table_is_readable():
    command = ["describe", "r2", "--feature", "x:1x40x80", "--classes", "10", "--network", "dense=20"]
    lines = CliRunner().invoke(app, command).stdout.splitlines()
    assert lines[0] == "r2: 10 classes of x 1 x 40 x 80"
    assert lines[1].split() == ["layer", "kind", "gives", "trainable", "total", "multiply-adds"]
    assert lines[2].split() == ["channels.0.conv", "Conv", "32", "x", "40", "x", "21", "1,952", "1,952", "1,612,800"]
    assert lines[-1] == "receptive field in x: 40 bins x 80 frames"


def test_multiplications_by_hand():
    found = describe.describe("rnn_lstm", {"x": (1, 13, 20)}, 10, {"units": [5, 6], "hidden": 7})
    expected = 20 * 4 * (13 * 5 + 5 * 5) + 20 * 4 * (5 * 6 + 6 * 6) + 6 * 7 + 7 * 10
    assert found.multiply_adds == expected


def test_multiplications_of_attention_by_hand():
    found = describe.describe("lyrics_transformer", {"lyrics": (1, 9, 12)}, 5, {"width": 32})
    places, width = 1 + 12, 32
    layer = places * (3 + 1 + 4 + 4) * width * width + 2 * places * places * width
    assert found.multiply_adds == 2 * layer + width * 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "inputs", "options"),
    [
        ("time", {"x": (1, 40, 69)}, {}),
        ("cnns_3", {"x": (1, 20, 24)}, {}),
        ("large_rnn", {"x": (1, 12, 9)}, {"units": (5, 6)}),
        ("two_windows", {"a": (1, 60, 33), "b": (1, 24, 50)}, {}),
    ],
)
def test_multiplications_are_those_of_the_exported_file(name, inputs, options):
    network = registry.load("ostinato.architectures", name).Network(inputs, 5, **options).eval()
    model = networks.convert(network, inputs, opset=18)
    assert describe.describe(name, inputs, 5, options).multiply_adds == cost.multiply_adds(model, inputs)


def middle(network, x):
    """Return the middle of the first of the last layer's maps."""
    with torch.no_grad():
        maps = network.layers(x.transpose(-2, -1) if network.frames_first else x)
    return maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2]


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("choi", (1, 48, 48), {"pools": ((2, 2), (2, 3))}),
        ("time", (1, 24, 120), {"kernels": (12, 5), "padding": "same"}),
        ("freq", (1, 70, 9), {"kernels": (12, 5), "padding": "same", "width": 3}),
    ],
)
def test_a_change_is_seen_as_far_as_it_is_said(name, shape, options):
    """Where no weight is negative, more in one place is more in whatever sees it."""
    network = registry.load("ostinato.architectures", name).Network({"x": shape}, 3, **options).eval()
    for parameter in network.parameters():
        parameter.data.abs_()
    bins, frames = network.receptive_field
    seen = []
    for axis, size in ((2, shape[1]), (3, shape[2])):
        changed = 0
        for place in range(size):
            x = torch.zeros(1, *shape)
            x.select(axis, place).fill_(1e3)
            changed += bool(middle(network, x) > middle(network, torch.zeros(1, *shape)) + 1e-3)
        seen.append(changed)
    assert seen == [bins, frames]


def test_every_architecture_is_listed_with_its_paper():
    found = CliRunner().invoke(app, ["architectures", "--json"])
    rows = {row["name"]: row for row in json.loads(found.stdout)}
    assert tuple(rows) == registry.names("ostinato.architectures")
    own = {file.stem for file in Path(architectures.__file__).parent.glob("[a-z]*.py")}
    assert all(rows[name]["paper"] and rows[name]["summary"].endswith(".") for name in own)
    assert rows["timefreq"]["features"] is None
    assert set(rows["time"]["features"]) >= {"stft", "stft_halved", "mel", "cqt", "mfcc", "chroma"}
    assert "mfcc" not in rows["mcclstm"]["features"]
    assert "mel96" in rows["choi"]["features"]
    assert [name for name, row in rows.items() if "lyrics" in (row["features"] or ())] == [
        "lyrics",
        "lyrics_transformer",
    ]
    assert not {"\n"} & set("".join(row["paper"] for row in rows.values()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "--feature", "mel"], "there is no 'nothing'"),
        (["time", "--feature", "mell"], "there is no feature 'mell'"),
        (["time", "--feature", "waveform"], "there is no feature 'waveform'"),
        (["lyrics", "--feature", "mel"], "lyrics: only reads words: give --feature lyrics"),
        (["time", "--feature", "lyrics"], "time: does not read words"),
        (["time", "--feature", "mel:96"], "a shape is CHANNELSxBINSxFRAMES"),
        (["time", "--feature", "mel:1x9xx"], "a shape is CHANNELSxBINSxFRAMES"),
        (["r2", "--feature", "mel:1x12x80"], "r2: needs at least 32 bins, got 12"),
        (["r2", "--feature", "mel:1x40x80", "--network", "density=3"], "r2: has no 'density'; it has dense"),
        (["r2", "--feature", "mel:1x40x80", "--network", "dense"], "write KEY=VALUE"),
        (["genre_ensemble", "--feature", "mel"], "reads the feature stft_halved"),
        (["recommendation", "--feature", "mel"], "two members or more"),
    ],
)
def test_what_cannot_be_described_is_refused(arguments, said):
    found = CliRunner().invoke(app, ["describe", *arguments, "--classes", "4"])
    assert isinstance(found.exception, OstinatoError)
    assert said in str(found.exception)


def test_nothing_is_drawn_or_computed():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    described = describe.describe("lyrics", {"lyrics": (1, 10**9, 643)}, 800)
    assert described.trainable > 2 * 10**11
    assert np.array_equal(before, torch.get_rng_state())
