"""Values against librosa, called a kind at a time with the published parameters.

Tolerances, in dB where the kind is in dB: 0.01 for stft and stft_halved, 0.001
for mel and mfcc. The constant-Q transform uses another decimation filter than
librosa: 0.1 dB where the bin lies within 60 dB of the clip's loudest and the
longest filter (32 frames) does not reach over an end, 0.001 at the median;
librosa's filters are taken whole (sparsity 0), since thinned out by their
default they are up to 20 dB off in weak bins. Chroma, from 0 to 1: 0.001.
"""

import librosa
import numpy as np
import pytest
import soundfile

from ostinato import registry
from ostinato.errors import OstinatoError
from ostinato.features._constant_q import decimated, half_band
from ostinato.features._mel import mel_bank
from ostinato.features._shared import AudioContext

SHARED = {"n_fft": 4096, "hop_length": 1024, "pad_mode": "reflect"}
CQT = {"hop_length": 1024, "fmin": 32.70319566257483, "bins_per_octave": 24}
EDGE = 32


def stft(y, sr):
    return librosa.amplitude_to_db(np.abs(librosa.stft(y, **SHARED)), ref=1.0, amin=1e-5, top_db=80)


def stft_halved(y, sr):
    return stft(y, sr)[:1024]


def mel(y, sr):
    return librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sr, n_mels=256, **SHARED))


def mfcc(y, sr):
    return librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13, n_mels=256, **SHARED)[1:]


def cqt_magnitude(y, sr):
    return np.abs(librosa.cqt(y, sr=sr, n_bins=168, tuning=0.0, pad_mode="reflect", sparsity=0, **CQT))


def cqt(y, sr):
    return librosa.amplitude_to_db(cqt_magnitude(y, sr), ref=1.0, amin=1e-5, top_db=80)


def chroma(y, sr):
    return librosa.feature.chroma_cqt(C=cqt_magnitude(y, sr), sr=sr, n_chroma=12, n_octaves=7, **CQT)


TOLERANCES = {stft: 0.01, stft_halved: 0.01, mel: 0.001, mfcc: 0.001, cqt: 0.1, chroma: 0.001}


@pytest.fixture(scope="module", params=["rendered", "recorded"])
def clip(request):
    if request.param == "recorded":
        folder = request.getfixturevalue("shared_data") / "gtzan_mini"
        return soundfile.read(folder / "jazz" / sorted(p.name for p in (folder / "jazz").iterdir())[0], dtype="float32")
    rng = np.random.default_rng(11)
    time = np.arange(8 * 22050) / 22050
    pitch = 55 * 2 ** (np.floor(time * 2) * 5 % 48 / 12)
    y = sum(np.sin(2 * np.pi * np.cumsum(pitch * k) / 22050) / k for k in (1, 2, 3, 5))
    y = 0.2 * y + 0.3 * rng.standard_normal(time.size) * np.exp(-20 * (time % 0.5))
    return y.astype(np.float32), 22050


@pytest.mark.parametrize("reference", TOLERANCES, ids=lambda f: f.__name__)
def test_agrees_with_librosa(reference, clip):
    y, sample_rate = clip
    expected = reference(y, sample_rate).T
    rows = registry.load("ostinato.features", reference.__name__).compute(AudioContext(y, sample_rate))
    assert rows.shape == expected.shape
    difference = np.abs(rows - expected)
    if reference in (cqt, chroma):
        difference, expected = difference[EDGE:-EDGE], expected[EDGE:-EDGE]
        assert np.median(difference) < 0.001
    if reference is cqt:
        loud = expected > expected.max() - 60
        assert loud.mean() > 0.2
        difference = difference[loud]
    assert difference.max() < TOLERANCES[reference]


def test_departures_agree_with_librosa(clip):
    y, sample_rate = clip
    rows = registry.load("ostinato.features", "mel").compute(
        AudioContext(y, sample_rate), n_fft=512, hop_length=256, n_mels=40, f_min=50.0, f_max=8000.0
    )
    bands = {"n_fft": 512, "hop_length": 256, "n_mels": 40, "fmin": 50.0, "fmax": 8000.0, "pad_mode": "reflect"}
    expected = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sample_rate, **bands)).T
    np.testing.assert_allclose(rows, expected, atol=0.001)


def test_a_hop_that_cannot_be_halved_six_times_agrees_with_librosa(clip):
    y, sample_rate = clip
    rows = registry.load("ostinato.features", "cqt").compute(AudioContext(y, sample_rate), hop_length=1000)
    magnitude = np.abs(
        librosa.cqt(y, sr=sample_rate, n_bins=168, tuning=0.0, sparsity=0, **(CQT | {"hop_length": 1000}))
    )
    expected = librosa.amplitude_to_db(magnitude, ref=1.0, top_db=80).T[EDGE:-EDGE]
    loud = expected > expected.max() - 60
    assert np.abs(rows[EDGE:-EDGE] - expected)[loud].max() < 0.1


@pytest.mark.parametrize(("rate", "n_fft", "n_mels", "f_max"), [(22050, 4096, 256, None), (12000, 512, 96, 6000.0)])
def test_mel_bank_is_slaneys(rate, n_fft, n_mels, f_max):
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmax=f_max)
    np.testing.assert_allclose(mel_bank(rate, n_fft, n_mels, 0.0, f_max), expected, atol=1e-8)


def test_mfcc_keeps_loudness_when_asked(clip):
    y, sample_rate = clip
    rows = registry.load("ostinato.features", "mfcc").compute(AudioContext(y, sample_rate), n_dropped=0)
    expected = librosa.feature.mfcc(y=y, sr=sample_rate, n_mfcc=13, n_mels=256, **SHARED).T
    np.testing.assert_allclose(rows, expected, atol=0.005)


def test_the_published_halved_spectrogram_is_standardised_over_all_bins(clip):
    y, sample_rate = clip
    rows = registry.load("ostinato.features", "stft_halved").compute(AudioContext(y, sample_rate), standardised=True)
    full = stft(y, sample_rate)
    expected = ((full - full.mean(axis=0)) / full.std(axis=0))[:1024].T
    np.testing.assert_allclose(rows, expected, atol=0.001)


@pytest.mark.parametrize("midi", [36, 45, 60, 81])
def test_a_note_is_the_loudest_bin_and_its_class(midi):
    y = np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * np.arange(4 * 22050) / 22050).astype(np.float32)
    context = AudioContext(y, 22050)
    middle = len(y) // 2048
    assert registry.load("ostinato.features", "cqt").compute(context)[middle].argmax() == 2 * (midi - 24)
    assert registry.load("ostinato.features", "chroma").compute(context)[middle].argmax() == midi % 12


def test_half_band_passes_below_and_stops_above():
    response = np.abs(np.fft.rfft(half_band(), 4096))
    frequency = np.fft.rfftfreq(4096)
    np.testing.assert_allclose(response[frequency < 0.19], 1, atol=1e-4)
    assert response[frequency > 0.31].max() < 1e-4


@pytest.mark.parametrize("n_samples", [1, 2, 63, 64, 65, 1001])
def test_decimation_is_a_convolution(n_samples, rng):
    y = rng.standard_normal(n_samples).astype(np.float32)
    np.testing.assert_allclose(decimated(y), np.convolve(y, half_band())[23:][:n_samples:2], atol=1e-5)


@pytest.mark.parametrize(("kind", "parameters"), [("cqt", {"n_bins": 240}), ("mel", {"f_max": 20000.0})])
def test_what_lies_above_half_the_rate_is_refused(kind, parameters):
    with pytest.raises(OstinatoError, match="half of 22050 Hz; lower"):
        registry.load("ostinato.features", kind).compute(AudioContext(np.zeros(9999, np.float32), 22050), **parameters)
