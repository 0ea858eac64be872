import numpy as np
import pytest

from ostinato import features
from ostinato.audio.context import AudioContext
from ostinato.core import code_hash, registry
from ostinato.errors import DataError, OstinatoError
from ostinato.features import _spectrum

ALL = registry.names("ostinato.features")
KINDS = [kind for kind in ALL if registry.load("ostinato.features", kind).SOURCE == "audio"]
Y = np.sin(np.arange(30000) / 20).astype(np.float32)


def test_one_transform_serves_all_kinds_of_one_window(monkeypatch):
    frames, compute_power = [], _spectrum.compute_power

    def count_frames(x, *given):
        frames.append(len(x))
        return compute_power(x, *given)

    monkeypatch.setattr(_spectrum, "compute_power", count_frames)
    context = AudioContext(Y, 22050)
    for kind in ("stft", "stft_halved", "mel", "mfcc", "cqt", "chroma"):
        registry.load("ostinato.features", kind).compute(context)
    assert sum(frames) == 1 + Y.size // 1024


def test_what_is_left_out_counts_as_the_default():
    context = AudioContext(Y, 22050)
    first = context.compute(_spectrum.power_spectrogram, n_fft=512, hop_length=256)
    assert (
        context.compute(_spectrum.power_spectrogram, n_fft=512, hop_length=256, window="hann", pad="reflect") is first
    )
    assert context.compute(_spectrum.power_spectrogram, n_fft=512, hop_length=256, pad="constant") is not first


def test_what_differs_in_parameters_is_not_shared():
    context = AudioContext(Y, 22050)
    stft = registry.load("ostinato.features", "stft").compute
    assert stft(context).shape == (30, 2049)
    assert stft(context, n_fft=1024).shape == (30, 513)
    assert stft(context, sample_rate=11025).shape == (15, 2049)


def test_a_clip_is_resampled_once():
    context = AudioContext(Y, 44100)
    assert context.resample(22050) is context.resample(22050)
    assert context.resample(22050).y.size == 15000
    assert context.resample(44100) is context
    assert context.resample(None) is context


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(0), "at least one sample"),
        (np.zeros((2, 9)), "one channel"),
        (np.array([0, np.nan]), "NaN or infinite"),
    ],
)
def test_bad_audio_is_refused(y, message):
    with pytest.raises(DataError, match=message):
        AudioContext(y, 22050)


def test_parameters_are_complete_and_resolved():
    assert features.parameters("cqt", {"n_bins": 84}, 16000) == {
        "sample_rate": 16000,
        "hop_length": 1024,
        "f_min": pytest.approx(32.7032, abs=1e-4),
        "n_bins": 84,
        "bins_per_octave": 24,
    }
    assert features.parameters("mel", {"sample_rate": 12000}, 22050)["sample_rate"] == 12000


def test_unknown_parameters_and_kinds_are_named():
    with pytest.raises(OstinatoError, match=r"features\.kinds\.mel: n_mel is not a parameter; there are .*n_mels"):
        features.parameters("mel", {"n_mel": 96}, 22050)
    with pytest.raises(OstinatoError, match=r"there is no 'mell'; there are .*chroma, cover, cqt.*did you mean 'mel'"):
        features.parameters("mell", {}, 22050)


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("features.mel", {"mel"}),
        ("features._mel", {"mel", "mfcc", "mfcc13", "mel40", "mel96", "encoder"}),
        ("features._constant_q", {"cqt", "chroma"}),
        ("features._spectrum", set(KINDS) - {"waveform"}),
        ("audio.context", set(KINDS)),
    ],
)
def test_fingerprint_changes_with_the_code_a_kind_uses_and_no_other(monkeypatch, edited, changed):
    before = {kind: features.fingerprint(f"ostinato.features.{kind}") for kind in ALL}
    parse = code_hash.parse

    def edit(module, **options):
        tree, imports = parse(module, **options)
        return code_hash.Code(tree + " answer = 42" * (module == f"ostinato.{edited}"), imports)

    monkeypatch.setattr(code_hash, "parse", edit)
    assert {kind for kind in ALL if features.fingerprint(f"ostinato.features.{kind}") != before[kind]} == changed


def test_fingerprint_ignores_comments_and_docstrings(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)

    def write_module(text):
        (tmp_path / "spoken.py").write_text(text)
        code_hash.parse.cache_clear()
        return features.fingerprint("spoken")

    plain = write_module("def f(x):\n    return x + 1\n")
    assert (
        write_module('"""Words."""\n\n\ndef f(x):\n    """More words."""\n    # and more\n    return x + 1\n') == plain
    )
    assert write_module("import math\n\n\ndef f(x):\n    return x + 1\n") == plain
    assert write_module("def f(x):\n    return x + 2\n") != plain
