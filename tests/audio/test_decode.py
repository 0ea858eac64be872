"""Decoding: what is read is right, what is broken is said, and nothing else stops."""

import ctypes
import dataclasses
import itertools
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile
from scipy import ndimage

from ostinato import audio
from ostinato.audio import measurement
from ostinato.audio._quiet import QUIET
from ostinato.errors import DataError, ReadError

RATE = 22_050
NAMES = {"wav": 0, "flac": 1e-4, "au": 1e-4, "ogg": 0.1, "mp3": 0.1}


def tone(seconds=1.0, rate=RATE, hertz=440.0, level=0.5):
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def encode(path, y, rate, codec, layout="mono"):
    """Write by FFmpeg what libsndfile cannot."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 64_000
        both = np.stack([y, y] if layout == "stereo" else [y])
        frame = av.AudioFrame.from_ndarray(both, format="fltp", layout=layout)
        frame.sample_rate = rate
        for packet in itertools.chain(stream.encode(frame), stream.encode(None)):
            container.mux(packet)
    return path


@pytest.mark.parametrize(("suffix", "tolerance"), NAMES.items())
def test_a_tone_is_read_back(tmp_path, suffix, tolerance):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(), RATE, subtype="FLOAT" if suffix == "wav" else None)
    y, rate = audio.load(path)
    assert rate == RATE
    assert y.dtype == np.float32
    assert np.abs(y[:RATE] - tone()[: len(y)]).max() <= tolerance
    measured = measurement.measure(path)
    assert (measured.error, measured.n_samples, measured.channels) == (None, RATE, 1)
    assert measured.rms_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)


def test_an_mp3_has_no_glitch_where_blocks_meet(tmp_path, rng, monkeypatch):
    """A decoder that seeks to each block loses what its first frame borrows from the one before."""
    beats = rng.standard_normal((20, RATE // 2)) * np.exp(-40 * np.arange(RATE // 2) / RATE)
    soundfile.write(tmp_path / "beats.mp3", 0.1 * beats.ravel() + 0.05 * tone(10.0), RATE)
    monkeypatch.setattr(audio.decode, "BLOCK", 20_000)
    straight, _ = audio.load(tmp_path / "beats.mp3")
    monkeypatch.setattr(audio.decode, "_is_counted", lambda *_: False)
    np.testing.assert_allclose(straight, audio.load(tmp_path / "beats.mp3")[0], atol=1e-5)


def test_only_what_decoders_print_is_kept_back(capfd):
    library = ctypes.CDLL(None)
    with QUIET:
        with QUIET:
            print("an error", file=sys.stderr)
        library.perror(b"chatter")
    library.perror(b"afterwards")
    heard = capfd.readouterr().err
    assert "an error" in heard
    assert "chatter" not in heard
    assert "afterwards" in heard


def test_decoders_are_heard_where_the_null_device_cannot_be_opened():
    code = (
        "import ctypes, resource\n"
        "from ostinato.audio._quiet import QUIET\n"
        "library, (soft, hard) = ctypes.CDLL(None), resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "for limit in (0, soft):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))\n"
        "    with QUIET:\n"
        "        library.perror(f'limit {limit}'.encode())\n"
        "library.perror(b'afterwards')\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert [line.partition(":")[0] for line in process.stderr.splitlines()] == ["limit 0", "afterwards"]


@pytest.mark.parametrize(("name", "codec"), [("tone.m4a", "aac"), ("tone.wma", "wmav2"), ("wrongly_named.mp3", "aac")])
def test_ffmpeg_reads_the_rest(tmp_path, name, codec):
    path = encode(tmp_path / "tone.mp4" if name.endswith("mp3") else tmp_path / name, tone(2.0), RATE, codec)
    path = path.rename(tmp_path / name)
    y, rate = audio.load(path)
    assert rate == RATE
    assert len(y) / rate == pytest.approx(2.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(y[:RATE]))
    assert spectrum.argmax() == pytest.approx(440, abs=1)
    assert measurement.measure(path).error is None


def test_both_doors_measure_alike(tmp_path):
    y = tone(9.0)
    soundfile.write(tmp_path / "tone.flac", y, RATE)
    (tmp_path / "tone.flac").rename(tmp_path / "tone.mka")
    ours = measurement.measure(tmp_path / "tone.mka")
    (tmp_path / "tone.mka").rename(tmp_path / "tone.flac")
    assert measurement.measure(tmp_path / "tone.flac") == ours


def test_channels_are_averaged_and_the_rate_is_converted(tmp_path):
    eight = np.stack([tone(rate=96_000) * (i == 0) for i in range(8)], axis=1)
    soundfile.write(tmp_path / "eight.wav", eight, 96_000, subtype="FLOAT")
    y, rate = audio.load(tmp_path / "eight.wav", 22_050)
    assert rate == 22_050
    assert len(y) == 22_050
    inner = slice(2_000, -2_000)
    np.testing.assert_allclose(y[inner], tone()[inner] / 8, atol=1e-4)
    assert measurement.measure(tmp_path / "eight.wav").channels == 8


def test_measures_silence_clipping_and_nonfinite_samples(tmp_path):
    y = np.concatenate([np.zeros(30 * measurement.FRAME), np.ones(10 * measurement.FRAME)]).astype(np.float32)
    y[:3] = np.nan
    y[3] = np.inf
    soundfile.write(tmp_path / "odd.wav", y, RATE, subtype="FLOAT")
    measured = measurement.measure(tmp_path / "odd.wav")
    assert measured.silence_share == 0.75
    assert measured.clipped_share == 0.25
    assert measured.n_nonfinite == 4
    assert measured.peak == 1
    loaded, _ = audio.load(tmp_path / "odd.wav")
    assert np.isfinite(loaded).all()


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_decoding_and_measuring_at_once_gives_what_either_gives(tmp_path, rng, channels):
    y = (0.2 * rng.standard_normal((200_001, channels))).astype(np.float32)
    y[5, 0], y[9, -1] = np.nan, np.inf
    soundfile.write(tmp_path / "a.wav", y, RATE, subtype="FLOAT")
    decoded, measured = measurement.load(tmp_path / "a.wav")
    whole = measurement.measure(tmp_path / "a.wav")
    assert (decoded == audio.load(tmp_path / "a.wav")[0]).all()
    assert measured == dataclasses.replace(whole, audio_hash=None, fingerprint=None)
    assert measured.n_nonfinite == 2
    with pytest.raises(DataError, match="longer than 1 s"):
        measurement.load(tmp_path / "a.wav", max_seconds=1.0)


@pytest.mark.parametrize("n", [50, 1001, 2049])
@pytest.mark.parametrize("size", [3, 4, 13, 28])
def test_the_median_filter_is_that_of_scipy(rng, n, size):
    values = rng.standard_normal(n)
    values[: n // 3] = 0
    assert (measurement._median_filter(values, size) == ndimage.median_filter(values, size)).all()


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "au", "ogg"])
def test_a_cut_file_is_told_from_a_whole_one(tmp_path, suffix, rng):
    path = tmp_path / f"noise.{suffix}"
    soundfile.write(path, rng.uniform(-0.3, 0.3, 5 * RATE), RATE)
    assert measurement.measure(path).error is None
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    assert "cut off" in measurement.measure(path).error or "to its end" in measurement.measure(path).error


def test_a_cut_opus_file_is_told_from_a_whole_one(tmp_path, rng):
    path = tmp_path / "noise.opus"
    soundfile.write(path, rng.uniform(-0.3, 0.3, 5 * 48_000), 48_000, format="OGG", subtype="OPUS")
    assert measurement.measure(path).error is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert measurement.measure(path).error == "is cut off: its last page is incomplete"


def test_a_cut_mp4_is_told_from_a_whole_one(tmp_path, rng):
    path = encode(tmp_path / "noise.mka", rng.uniform(-0.3, 0.3, 5 * RATE).astype(np.float32), RATE, "aac")
    assert measurement.measure(path).error is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut off" in measurement.measure(path).error


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.wav", b"", "empty"),
        ("text.mp3", b"this is a shopping list\n" * 50, "cannot be decoded"),
        ("noise.flac", bytes(range(256)) * 40, "0 channels"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    measured = measurement.measure(tmp_path / name)
    assert reason in measured.error
    assert str(tmp_path) not in measured.error
    assert measured.n_samples == 0
    with pytest.raises(DataError, match=name):
        audio.load(tmp_path / name)


@pytest.mark.parametrize(("rate", "layout"), [(RATE // 2, "mono"), (RATE, "stereo")])
def test_a_file_that_changes_on_the_way_is_refused(tmp_path, rate, layout):
    """Two streams one after another: heard at one rate they would be another music."""
    parts = [
        encode(tmp_path / f"{i}.aac", tone(1, r), r, "aac", channels).read_bytes()
        for i, (r, channels) in enumerate([(RATE, "mono"), (rate, layout)])
    ]
    path = tmp_path / "both.aac"
    path.write_bytes(b"".join(parts))
    assert "changes its sample rate or channels midway" in measurement.measure(path).error
    with pytest.raises(DataError, match=r"both\.aac: changes"):
        audio.load(path)


def test_a_playlist_may_not_open_other_files(tmp_path):
    soundfile.write(tmp_path / "other.wav", tone(), RATE)
    (tmp_path / "list.m4a").write_text("ffconcat version 1.0\nfile other.wav\n")
    assert "cannot be decoded" in measurement.measure(tmp_path / "list.m4a").error


def test_an_absent_file_and_one_without_samples_are_named(tmp_path):
    with pytest.raises(ReadError, match=r"absent\.wav: is not there"):
        audio.load(tmp_path / "absent.wav")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    assert "has no samples" in measurement.measure(tmp_path / "none.wav").error


def test_a_bomb_is_not_decoded_to_its_end(tmp_path, monkeypatch):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(60 * 8_000), 8_000)
    assert "longer than 10 s" in measurement.measure(path, max_seconds=10).error
    with pytest.raises(DataError, match="longer than 10 s"):
        audio.load(path, max_seconds=10)
    monkeypatch.setattr(audio.decode, "MAX_BYTES", 100)
    assert "larger than" in measurement.measure(path).error


def test_names_with_spaces_and_emoji_are_read(tmp_path):
    path = tmp_path / "a song 🎷 — früh.flac"
    soundfile.write(path, tone(), RATE)
    assert measurement.measure(path).n_samples == RATE


def test_real_clips_are_sound(shared_data):
    for path in sorted((shared_data / "fma_000").glob("*.mp3"))[:6]:
        measured = measurement.measure(path)
        assert measured.error is None
        assert measured.duration == pytest.approx(30, abs=0.5)
