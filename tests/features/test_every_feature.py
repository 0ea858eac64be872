"""What every kind of feature must keep; a new file in ostinato/features is tested here without a line more."""

import inspect
import re

import numpy as np
import pytest

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.core.params.kinds import SAMPLES
from ostinato.curation import side_inputs
from ostinato.datasets import spotify_attributes
from ostinato.io import tables

ALL = [kind for kind in registry.names("ostinato.features") if not features.needs_file(kind)]
KINDS = [k for k in ALL if registry.load("ostinato.features", k).SOURCE == "audio" and k != SAMPLES]
RATE = 22050
N_BINS = {"stft": 2049, "stft_halved": 1024, "mel": 256, "cqt": 168, "mfcc": 12, "chroma": 12}
N_BINS |= {"mfcc13": 13, "mel40": 40, "mel96": 96}


def parameter(kind: str, name: str) -> int:
    return features.parameters(kind, {}, RATE)[name]


def compute_feature(kind: str, y: np.ndarray) -> np.ndarray:
    """Compute a kind of samples at the rate that it works at."""
    parameters = features.parameters(kind, {}, RATE)
    return registry.load("ostinato.features", kind).compute(AudioContext(y, parameters["sample_rate"]), **parameters)


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    """Return six seconds of chords with a beat, over faint noise."""
    rng = np.random.default_rng(7)
    time = np.arange(6 * RATE) / RATE
    chords = sum(
        np.sin(2 * np.pi * f * time * (1 + 0.25 * np.floor(time / 2))) for f in (110, 164.8, 220, 554.4, 1318.5)
    )
    beat = rng.standard_normal(time.size) * np.exp(-12 * (time % 0.5))
    return (0.1 * chords + 0.2 * beat + 1e-3 * rng.standard_normal(time.size)).astype(np.float32)


@pytest.mark.parametrize("kind", ALL)
def test_has_a_source_that_exists(kind):
    module = registry.load("ostinato.features", kind)
    assert module.SOURCE in {"audio", "lyrics", "cover", "table", "attributes"}
    listed = spotify_attributes.ATTRIBUTES if module.SOURCE == "attributes" else tables.LISTED_COLUMNS
    if module.SOURCE != "audio":
        assert set(module.COLUMNS) <= set(side_inputs.list_columns(module.SOURCE)) <= set(listed)


@pytest.mark.parametrize("kind", KINDS)
def test_is_a_row_a_frame_in_single_precision(kind, music):
    rows = compute_feature(kind, music)
    assert rows.dtype == np.float32
    assert rows.shape == (1 + music.size // parameter(kind, "hop_length"), N_BINS.get(kind, rows.shape[1]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_samples", [1, 2, 100, 4095, 5 * RATE])
def test_is_finite_on_silence_and_on_short_noise(kind, n_samples, rng):
    for y in (np.zeros(n_samples, np.float32), rng.standard_normal(n_samples).astype(np.float32)):
        rows = compute_feature(kind, y)
        assert len(rows) == 1 + n_samples // parameter(kind, "hop_length")
        assert np.isfinite(rows).all()


@pytest.mark.parametrize("kind", KINDS)
def test_same_samples_give_same_bytes(kind, music):
    assert compute_feature(kind, music).tobytes() == compute_feature(kind, music.copy()).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_hop_later_is_a_frame_later(kind, music):
    """Away from the ends, which the longest filter reaches for 32 frames; below -60 dB rounding shows."""
    late = np.concatenate([np.zeros(parameter(kind, "hop_length"), np.float32), music])
    rows, later = compute_feature(kind, music)[40:-40], compute_feature(kind, late)[41:-40]
    strong = rows > rows.max() - 60
    assert len(rows) > 40
    np.testing.assert_allclose(later[strong], rows[strong], atol=5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_takes_its_own_sample_rate(kind, music):
    module = registry.load("ostinato.features", kind)
    wanted = 16000
    n_samples = AudioContext(music, RATE).resample(wanted).y.size
    assert len(module.compute(AudioContext(music, RATE), sample_rate=wanted)) == (
        1 + n_samples // parameter(kind, "hop_length")
    )


@pytest.mark.parametrize("kind", ALL)
def test_documents_every_parameter(kind):
    function = registry.load("ostinato.features", kind).compute
    section = inspect.getdoc(function).split("Parameters\n---")[1].split("\nReturns\n")[0]
    documented = {name for line in re.findall(r"^([\w, ]+?)(?: :.*)?$", section, re.M) for name in line.split(", ")}
    assert set(inspect.signature(function).parameters) <= documented
