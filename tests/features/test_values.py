"""Values against librosa, called a kind at a time with the published parameters.

Tolerances, in dB where the kind is in dB: 0.01 for stft and stft_halved, 0.001
for mel and mfcc and for those of other papers, 0.002 for mel96. The constant-Q
transform uses another decimation filter than librosa: 0.1 dB where the bin lies
within 60 dB of the clip's loudest and the longest filter (32 frames) does not
reach over an end, 0.001 at the median; librosa's filters are taken whole
(sparsity 0), since thinned out by their default they are up to 20 dB off in weak
bins. Chroma, from 0 to 1: 0.001.
"""

import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile

from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.errors import OstinatoError
from ostinato.features._constant_q import decimate, half_band
from ostinato.features._mel import mel_bank
from ostinato.features._spectrum import power_spectrogram

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


def mfcc13(y, sr):
    return librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13, n_fft=2048, hop_length=512, pad_mode="reflect")


def mel40(y, sr):
    window = scipy.signal.windows.general_cosine(2048, (0.44959, 0.49364, 0.05677), sym=False)
    frames = {"n_fft": 2048, "hop_length": 1024, "window": 2 * window / window.sum(), "pad_mode": "constant"}
    power = librosa.feature.melspectrogram(y=y, sr=sr, n_mels=40, htk=True, norm=1, **frames)
    return np.log10(1 + 10000 * power)


def mel96(y, sr):
    y = librosa.resample(y, orig_sr=sr, target_sr=12000)
    frames = {"n_fft": 512, "hop_length": 256, "pad_mode": "constant"}
    power = librosa.feature.melspectrogram(y=y, sr=12000, n_mels=96, fmin=0, fmax=6000, **frames)
    return librosa.power_to_db(power, ref=np.max)


def cqt_magnitude(y, sr):
    return np.abs(librosa.cqt(y, sr=sr, n_bins=168, tuning=0.0, pad_mode="reflect", sparsity=0, **CQT))


def cqt(y, sr):
    return librosa.amplitude_to_db(cqt_magnitude(y, sr), ref=1.0, amin=1e-5, top_db=80)


def chroma(y, sr):
    return librosa.feature.chroma_cqt(C=cqt_magnitude(y, sr), sr=sr, n_chroma=12, n_octaves=7, **CQT)


TOLERANCES = {stft: 0.01, stft_halved: 0.01, mel: 0.001, mfcc: 0.001, cqt: 0.1, chroma: 0.001}
TOLERANCES |= {mfcc13: 0.001, mel40: 0.001, mel96: 0.002}


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


@pytest.mark.parametrize("rate", [22050, 44100])
def test_bands_on_htks_scale_are_librosas(rate):
    expected = librosa.filters.mel(sr=rate, n_fft=2048, n_mels=40, htk=True, norm=1)
    np.testing.assert_allclose(mel_bank(rate, 2048, 40, scale="htk"), expected, atol=1e-6)


def test_under_essentias_window_the_peak_of_a_sine_is_its_amplitude():
    y = 0.5 * np.sin(2 * np.pi * 128 / 2048 * np.arange(22050)).astype(np.float32)
    power = power_spectrogram(AudioContext(y, 22050), n_fft=2048, hop_length=1024, window="blackmanharris62")
    assert power[10].argmax() == 128
    assert power[10, 128] == pytest.approx(0.25, rel=1e-4)
    assert power[10, :120].max() < 0.25 * 10**-6


def test_the_transfer_networks_input_does_not_depend_on_loudness(clip):
    y, sample_rate = clip
    compute = registry.load("ostinato.features", "mel96").compute
    loud, soft = (compute(AudioContext(y * gain, sample_rate)) for gain in (1.0, 0.25))
    assert loud.max() == 0
    assert loud.min() >= -80
    np.testing.assert_allclose(soft, loud, atol=1e-3)


def test_thirty_seconds_give_the_papers_numbers_of_frames():
    silence = AudioContext(np.zeros(30 * 22050, np.float32), 22050)
    frames = {k: len(registry.load("ostinato.features", k).compute(silence)) for k in ("mfcc13", "mel40", "mel96")}
    assert frames == {"mfcc13": 1292, "mel40": 646, "mel96": 1407}
    assert len(registry.load("ostinato.features", "mel40").compute(silence, sample_rate=44100)) == 1292
    trimmed = AudioContext(np.zeros(348000, np.float32), 12000)
    assert len(registry.load("ostinato.features", "mel96").compute(trimmed)) == 1360


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
    np.testing.assert_allclose(decimate(y), np.convolve(y, half_band())[23:][:n_samples:2], atol=1e-5)


@pytest.mark.parametrize(("kind", "parameters"), [("cqt", {"n_bins": 240}), ("mel", {"f_max": 20000.0})])
def test_what_lies_above_half_the_rate_is_refused(kind, parameters):
    with pytest.raises(OstinatoError, match="half of 22050 Hz; lower"):
        registry.load("ostinato.features", kind).compute(AudioContext(np.zeros(9999, np.float32), 22050), **parameters)
