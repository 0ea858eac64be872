"""The networks have as many numbers as the papers print, at their full-size inputs."""

import pytest
import torch
from torch import nn

from ostinato.architectures import count
from ostinato.core import registry
from ostinato.layers.stack import Stack

SHAPES = {
    "stft": (1, 2049, 643),
    "stft_halved": (1, 1024, 643),
    "mel": (1, 256, 643),
    "cqt": (1, 168, 643),
    "mfcc": (1, 12, 643),
    "chroma": (1, 12, 643),
    "image": (3, 32, 32),
    "lyrics": (1, 497_948, 643),
    "cover": (3, 640, 640),
    "mfcc13": (1, 13, 130),
    "mel40": (1, 40, 80),
    "mel40_track": (1, 40, 640),
    "mel96": (1, 96, 1360),
}
SOUND = dict.fromkeys(("chroma", "mfcc", "cqt_time", "cqt_freq", "mel_time", "mel_freq"), 800)
LYRICS, COVER, PLACE, YEAR = {"lyrics": 800}, {"albums": 800}, {"place": 2}, {"year": 1}
MEMBERS = {
    "timefreq": lambda feature: {name: (name, feature) for name in ("time", "freq")},
    "timefreq_avg": lambda feature: {name: (name, feature) for name in ("time", "freq")},
    "genre_ensemble": lambda _: {
        f"{name}_{feature}": (name, feature)
        for name, features in {
            "time": ("stft_halved", "mel", "cqt"),
            "freq": ("stft_halved", "mel", "cqt"),
            "rnn": ("chroma", "mfcc"),
        }.items()
        for feature in features
    },
}

THESIS_3 = {
    "stft": {"simple": 733_736, "time": 84_500, "freq": 62_602, "timefreq": 190_510},
    "stft_halved": {"simple": 733_736, "time": 67_988, "freq": 61_970, "timefreq": 173_366},
    "mel": {"simple": 733_736, "time": 55_700, "freq": 61_574, "timefreq": 160_682},
    "cqt": {"simple": 733_736, "time": 54_292, "freq": 61_594, "timefreq": 159_294},
    "mfcc": {"simple": 733_736, "time": 53_140, "freq": 60_652, "timefreq": 157_200},
    "chroma": {"simple": 733_736, "time": 53_140, "freq": 60_652, "timefreq": 157_200},
}
THESIS_4 = {"image": {"simple": 819_980, "time": 73_288, "freq": 73_288, "timefreq": 243_828}}
THESIS_5 = {
    "stft_halved": {"simple": 882_361, "time": 105_253, "freq": 99_235, "timefreq_avg": 204_488},
    "mel": {"simple": 882_361, "time": 92_965, "freq": 98_839, "timefreq_avg": 191_804},
    "cqt": {"simple": 882_361, "time": 91_557, "freq": 98_859, "timefreq_avg": 190_416},
}
"""Of mel the thesis repeats the sum of cqt; 191,804 is the sum of its own two networks."""
THESIS_6 = {
    "mel": {"simple": 1_537_336, "time": 257_188, "freq": 263_062, "timefreq_avg": 520_250},
    "cqt": {"simple": 1_537_336, "time": 255_780, "freq": 263_082, "timefreq_avg": 518_862},
}
THESIS_OTHERS = [
    ("rnn", "mfcc", 16, {}, 1_000_976),
    ("large_rnn", "mfcc", 800, {}, 8_973_088),
    ("lyrics", "lyrics", 800, {}, 108_755_200),
    ("albums", "cover", 800, {}, 3_282_784),
    ("genre_ensemble", "", 16, {}, 3_157_406),
    ("recommendation", SOUND | LYRICS | COVER | PLACE | YEAR, 800, {}, 50_522_912),
    ("recommendation", SOUND | LYRICS, 800, {}, 42_753_312),
    ("recommendation", SOUND | PLACE, 800, {}, 41_540_384),
    ("recommendation", SOUND | YEAR, 800, {}, 41_409_312),
    ("recommendation", SOUND | COVER, 800, {}, 42_753_312),
    ("recommendation", SOUND, 800, {}, 39_311_136),
]
THESIS = [
    *(
        (name, feature, n_classes, {}, total)
        for n_classes, table in ((16, THESIS_3), (100, THESIS_4), (161, THESIS_5), (800, THESIS_6))
        for feature, row in table.items()
        for name, total in row.items()
    ),
    *THESIS_OTHERS,
]
MULTI_CHANNEL = [
    (name, feature, n_classes, options, total)
    for name, feature, options, totals in (
        ("r0", "mel40", {}, (8_682, 7_336)),
        ("r1", "mel40_track", {}, (1_321_810, 1_321_608)),
        ("r1", "mel40_track", {"units": 200}, (2_723_610, 2_723_208)),
        ("r2", "mel40", {}, (197_218, 196_816)),
        ("r3", "mel40", {}, (2_007_994, 2_007_192)),
        ("r4", "mel40_track", {}, (317_018, 316_816)),
        ("mcclstm", "mel40_track", {}, (2_487_594, 2_487_192)),
        ("cnns_3", "mel40", {}, (933_890, 933_488)),
    )
    for n_classes, total in zip((10, 8), totals, strict=True)
]
CHOI = [("choi", "mel96", 50, {}, 39_282 + 5 * 64), ("choi", "mel96", 50, {"batch_norm": "batch"}, 39_282)]
TENTHS = [
    ("mlp", "mfcc13", 10, {}, 1_031_306),
    ("mlp", "mfcc13", 10, {"form": "repository"}, 1_014_218),
    ("cnn", "mfcc13", 10, {}, 25_034),  # by hand: a map of 5 x 1 is left
    ("cnn", "mfcc13", 10, {"form": "repository"}, 45_514),
    ("rnn_lstm", "mfcc13", 10, {}, 58_314),
]
RUNNING = {"simple": 4_080, "time": 1_016, "freq": 1_016, "rnn": 0, "cnn": 192, "albums": 34_112}


def network(name: str, read, n_classes: int, **options) -> nn.Module:
    """Make a network without its numbers, which no count looks at."""
    kind = registry.load("ostinato.architectures", name).Network
    with torch.device("meta"):
        if name in MEMBERS:
            members = {member: network(*made, n_classes) for member, made in MEMBERS[name](read).items()}
            return Stack(members, kind(dict.fromkeys(members, n_classes), n_classes, **options), "single")
        return kind(read if isinstance(read, dict) else {read: SHAPES[read]}, n_classes, **options)


def test_all_totals_of_the_thesis_are_here():
    assert len(THESIS) == 24 + 4 + 12 + 8 + 11 == 59


@pytest.mark.parametrize(("name", "read", "n_classes", "options", "total"), [*THESIS, *MULTI_CHANNEL, *CHOI, *TENTHS])
def test_as_many_numbers_as_published(name, read, n_classes, options, total):
    counted = count(network(name, read, n_classes, **options))
    assert counted["total"] == total
    if name in RUNNING:
        assert counted["total"] - counted["trainable"] == RUNNING[name]


@pytest.mark.parametrize(
    ("name", "feature", "options", "published"),
    [
        ("time", "mel", {"kernels": (160, 80, 40, 20, 10, 5)}, 55_700),
        ("freq", "mel", {"width": 7}, 61_574),
        ("time", "mel", {"width": 8}, 55_700),
        ("cnn", "mfcc13", {"filters": 31}, 25_034),
    ],
)
def test_one_other_kernel_is_another_number(name, feature, options, published):
    n_classes = 10 if name == "cnn" else 16
    assert count(network(name, feature, n_classes))["total"] == published
    assert count(network(name, feature, n_classes, **options))["total"] != published
