"""A long track is answered from files instead of memory, and no score shows it."""

import io
import json

import numpy as np
import pytest
import soundfile

from inference.test_predict import GENRES, put
from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.features import chroma, cqt, mel, mel40, mel96, mfcc, stft
from ostinato.inference import streaming
from ostinato.inference.formats import Json
from ostinato.inference.predict import run

RATE = 22_050


@pytest.fixture
def track(tmp_path, rng):
    """Write half a minute of noise in two channels that is loudest in the middle, at 44.1 kHz."""
    n = 30 * 44_100
    swell = 10 ** (-2 * np.abs(np.linspace(-1, 1, n)))
    soundfile.write(tmp_path / "a.wav", 0.3 * rng.standard_normal((n, 2)) * swell[:, None], 44_100)
    return tmp_path / "a.wav"


@pytest.mark.parametrize("frames", [16, 100, 4_096])
@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (mel, {"sample_rate": RATE}),
        (mel, {"sample_rate": 8_000, "n_mels": 40, "n_fft": 1024, "hop_length": 512}),
        (mel, {}),
        (stft, {"sample_rate": RATE, "hop_length": 1000}),
        (mfcc, {"sample_rate": RATE}),
        (chroma, {"sample_rate": RATE}),
        (mel40, {"sample_rate": RATE}),
        (mel96, {"sample_rate": RATE}),
        (cqt, {"sample_rate": RATE}),
        (cqt, {"sample_rate": RATE, "hop_length": 500, "n_bins": 60, "bins_per_octave": 12, "f_min": 55.0}),
    ],
)
def test_features_of_a_long_track_are_those_of_the_whole(track, monkeypatch, kind, parameters, frames):
    monkeypatch.setattr(streaming, "FRAMES", frames)
    whole, measured = streaming.decode_and_measure(track, {parameters.get("sample_rate")})
    monkeypatch.setattr(streaming, "LONG_SECONDS", 5.0)
    spooled, again = streaming.decode_and_measure(track, {parameters.get("sample_rate")})
    assert type(whole) is AudioContext
    assert isinstance(spooled, streaming.LongContext)
    assert measured == again
    expected = kind.compute(AudioContext(*audio.load(track)), **parameters)
    assert (kind.compute(whole, **parameters) == expected).all()
    np.testing.assert_allclose(kind.compute(spooled, **parameters), expected, atol=5e-4)


@pytest.mark.parametrize("how", ["none", "frame", "track"])
def test_scores_of_a_long_track_are_those_of_the_whole(track, tmp_path, monkeypatch, how):
    put(tmp_path / "released" / "genre", normalise=how)
    answers = []
    for seconds in (600.0, 5.0):
        monkeypatch.setattr(streaming, "LONG_SECONDS", seconds)
        out = io.StringIO()
        run([track], tmp_path / "released", form=Json(), over_time=True, out=out, err=io.StringIO())
        answers.append(json.loads(out.getvalue()))
    whole, spooled = ([a["scores"][c] for c in GENRES] for a in answers)
    np.testing.assert_allclose(spooled, whole, atol=1e-6)
    assert answers[0]["over_time"]["starts"] == answers[1]["over_time"]["starts"]


def test_a_long_track_is_never_whole_in_memory(track, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "LONG_SECONDS", 5.0)
    monkeypatch.setattr(streaming, "FRAMES", 64)
    longest = []
    read = streaming.Spool.read
    monkeypatch.setattr(streaming.Spool, "read", lambda self, a, b: (longest.append(b - a), read(self, a, b))[1])
    context, _ = streaming.decode_and_measure(track, {RATE})
    for kind in (mel, stft, mfcc):
        kind.compute(context, sample_rate=RATE)
    assert len(longest) > 5
    assert max(longest) < 80 * 1024
    for kind in (cqt, chroma):
        kind.compute(context, sample_rate=RATE)
    assert max(longest) < 100 * 1024, "the lowest bins reach over half a second on either side"
