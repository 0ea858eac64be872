"""The length of a file is what its bytes hold, whatever its header, container or name says."""

import struct

import av
import numpy as np
import pytest
import soundfile

from ostinato import audio, measuring

RATE = 44_100
SECONDS = 6.0


@pytest.fixture(scope="module")
def music():
    """A chord whose level and pitch waver, with noise."""
    t = np.arange(int(SECONDS * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * 147 * k * t * (1 + 0.001 * np.sin(t))) / k for k in (1, 2, 3, 5, 9, 20))
    noise = np.random.default_rng(5).standard_normal(t.size)
    return (0.1 * chord * (1 + 0.5 * np.sin(2 * np.pi * 2 * t)) + 0.03 * noise).astype(np.float32)


def write_by_ffmpeg(path, y, rate, codec, **options):
    """Encode in frames of 1,024 samples with their times, as encoders of streams are fed."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if codec not in ("alac", "tta", "wavpack", "flac", "pcm_s16le"):
            stream.bit_rate = 96_000
        for start in range(0, y.size, 1_024):
            frame = av.AudioFrame.from_ndarray(y[None, start : start + 1_024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def offset_seconds(y, original, rate):
    """Find by how much one sound starts later than another."""
    n = min(len(y), len(original), 2 * rate)
    size = 1 << (2 * n - 1).bit_length()
    product = np.fft.rfft(y[:n], size) * np.conj(np.fft.rfft(original[:n], size))
    lag = int(np.fft.irfft(product, size).argmax())
    return (lag - size if lag > size // 2 else lag) / rate


def patch(path, at, content):
    data = bytearray(path.read_bytes())
    data[at : at + len(content)] = content
    path.write_bytes(data)


def without_count(path):
    """Drop the frame that counts the others, which a VBR file is unreadable without to whoever trusts it."""
    data = path.read_bytes()
    at = max(data.find(b"Xing"), data.find(b"Info"))
    first = data.rfind(b"\xff", 0, at)
    following = data.find(data[first : first + 2], first + 100)
    path.write_bytes(data[following:])


def vbr_mp3(path, y, *, reverse=False):
    """Quiet in one half, so that the bit rate of the first frames says nothing about the rest."""
    z = y.copy()
    half = slice(0, z.size // 2) if not reverse else slice(z.size // 2, None)
    z[half] *= 0.001
    soundfile.write(path, z, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.4)
    return path


def counted_vbr(path, y):
    vbr_mp3(path, y)


def uncounted_vbr(path, y):
    without_count(vbr_mp3(path, y))


def uncounted_vbr_reversed(path, y):
    without_count(vbr_mp3(path, y, reverse=True))


def uncounted_cbr(path, y):
    soundfile.write(path, y, RATE, format="MP3", bitrate_mode="CONSTANT", compression_level=0.5)
    without_count(path)


def joined(kind, **how):
    def make(path, y):
        soundfile.write(path, y[: y.size // 2], RATE, format=kind, **how)
        path.write_bytes(path.read_bytes() * 2)

    return make


def tagged_mp3(path, y):
    """A cover at the front, another tag at the end."""
    soundfile.write(path, y, RATE, format="MP3")
    size = 300_000
    digits = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x04\x00\x00" + digits + bytes(size) + path.read_bytes() + b"TAG" + bytes(125))


def flac_of_unknown_total(path, y):
    soundfile.write(path, y, RATE, format="FLAC")
    data = path.read_bytes()
    patch(path, 21, bytes([data[21] & 0xF0]) + bytes(4))


def wav_of_size(size):
    def make(path, y):
        soundfile.write(path, y, RATE, format="WAV", subtype="PCM_16")
        patch(path, path.read_bytes().index(b"data") + 4, struct.pack("<I", size))

    return make


def wav_with_chunk(name, size, *, before=False):
    def make(path, y):
        soundfile.write(path, y, RATE, format="WAV", subtype="PCM_16")
        data = path.read_bytes()
        chunk = name + struct.pack("<I", size) + np.random.default_rng(0).bytes(size)
        at = data.index(b"data") if before else len(data)
        data = bytearray(data[:at] + chunk + data[at:])
        data[4:8] = struct.pack("<I", len(data) - 8)
        path.write_bytes(data)

    return make


def aiff_with_cover(path, y):
    soundfile.write(path, y, RATE, format="AIFF", subtype="PCM_16")
    data = bytearray(path.read_bytes() + b"ID3 " + struct.pack(">I", 700_000) + bytes(700_000))
    data[4:8] = struct.pack(">I", len(data) - 8)
    path.write_bytes(data)


def by_libsndfile(kind, subtype=None):
    return lambda path, y: soundfile.write(path, y, RATE, format=kind, subtype=subtype)


def by_ffmpeg(codec, **options):
    return lambda path, y: write_by_ffmpeg(path, y, RATE, codec, **options)


ZOO = {
    "pcm_u8.wav": by_libsndfile("WAV", "PCM_U8"),
    "pcm_16.wav": by_libsndfile("WAV", "PCM_16"),
    "pcm_24.wave": by_libsndfile("WAV", "PCM_24"),
    "pcm_32.wav": by_libsndfile("WAV", "PCM_32"),
    "float.wav": by_libsndfile("WAV", "FLOAT"),
    "double.wav": by_libsndfile("WAV", "DOUBLE"),
    "ulaw.wav": by_libsndfile("WAV", "ULAW"),
    "adpcm.wav": by_libsndfile("WAV", "IMA_ADPCM"),
    "extensible.wav": by_libsndfile("WAVEX", "PCM_16"),
    "large.rf64": by_libsndfile("RF64", "PCM_16"),
    "large.w64": by_libsndfile("W64", "PCM_16"),
    "unknown_0.wav": wav_of_size(0xFFFFFFFF),
    "unknown_1.wav": wav_of_size(0x7FFFF000),
    "unknown_2.wav": wav_of_size(0x7FFFFFFF),
    "unknown_3.wav": wav_of_size(0x80000000),
    "cover.wav": wav_with_chunk(b"id3 ", 600_000),
    "list.wav": wav_with_chunk(b"LIST", 600_000),
    "ixml.wav": wav_with_chunk(b"iXML", 600_000),
    "bext.wav": wav_with_chunk(b"bext", 600_000, before=True),
    "junk.wav": wav_with_chunk(b"JUNK", 600_000, before=True),
    "cover.aiff": aiff_with_cover,
    "pcm.aif": by_libsndfile("AIFF", "PCM_24"),
    "float.aifc": by_libsndfile("AIFF", "FLOAT"),
    "pcm.au": by_libsndfile("AU", "PCM_16"),
    "pcm.snd": by_libsndfile("AU", "PCM_16"),
    "pcm.caf": by_libsndfile("CAF", "PCM_16"),
    "whole.flac": by_libsndfile("FLAC"),
    "unknown.flac": flac_of_unknown_total,
    "vorbis.ogg": by_libsndfile("OGG"),
    "vorbis.oga": by_libsndfile("OGG"),
    "chained.ogg": joined("OGG"),
    "counted_cbr.mp3": by_libsndfile("MP3"),
    "counted_vbr.mp3": counted_vbr,
    "uncounted_vbr.mp3": uncounted_vbr,
    "uncounted_vbr_reversed.mp3": uncounted_vbr_reversed,
    "uncounted_cbr.mp3": uncounted_cbr,
    "joined.mp3": joined("MP3"),
    "tagged.mp3": tagged_mp3,
    "aac.m4a": by_ffmpeg("aac"),
    "aac.m4b": by_ffmpeg("aac", format="ipod"),
    "aac.mp4": by_ffmpeg("aac"),
    "aac.3gp": by_ffmpeg("aac"),
    "alac.m4a": by_ffmpeg("alac"),
    "flac.mka": by_ffmpeg("flac"),
    "aac.mka": by_ffmpeg("aac"),
    "pcm.mka": by_ffmpeg("pcm_s16le"),
    "lossless.tta": by_ffmpeg("tta"),
    "lossless.wv": by_ffmpeg("wavpack"),
    "wrongly_named.flac": by_libsndfile("WAV", "PCM_16"),
    "without_suffix": by_libsndfile("MP3"),
}
LATE = {"joined.mp3": 0.12, "aac.mka": 0.06}
"""Encoders put silence where one file begins and another ends, and nothing in these tells how much."""


@pytest.mark.parametrize("name", ZOO)
def test_every_file_is_read_whole(tmp_path, music, name):
    ZOO[name](tmp_path / name, music)
    measured = measuring.measure(tmp_path / name)
    y, rate = audio.load(tmp_path / name)
    assert measured.error is None
    assert measured.unheard_seconds < 0.01
    assert (rate, len(y)) == (measured.sample_rate, measured.n_samples)
    assert measured.duration == pytest.approx(SECONDS, abs=LATE.get(name, 0.05))


@pytest.mark.parametrize("name", ["aac.m4a", "aac.m4b", "aac.3gp", "alac.m4a", "counted_cbr.mp3", "vorbis.ogg"])
def test_a_sound_starts_when_the_original_does(tmp_path, music, name):
    ZOO[name](tmp_path / name, music)
    y, rate = audio.load(tmp_path / name)
    assert abs(offset_seconds(y, music, rate)) < 1e-3


def test_a_name_changes_nothing(tmp_path, music):
    soundfile.write(tmp_path / "same.ogg", music[::2], 24_000, format="OGG", subtype="OPUS")
    for name in ("same.opus", "same.wav", "same"):
        (tmp_path / name).write_bytes((tmp_path / "same.ogg").read_bytes())
    first, *others = (measuring.measure(tmp_path / name) for name in ("same.ogg", "same.opus", "same.wav", "same"))
    assert first.error is None
    assert np.isnan(first.bandwidth_share), "a codec with a rate of its own says nothing about the sound's"
    assert [other.audio_hash for other in others] == [first.audio_hash] * 3


def test_a_recording_behind_the_end_is_seen(tmp_path, music):
    for kind in ("WAV", "AIFF", "AU", "RF64"):
        joined(kind)(tmp_path / kind, music)
        assert measuring.measure(tmp_path / kind).unheard_seconds == pytest.approx(SECONDS / 2, abs=0.05), kind


def test_a_header_of_a_cut_file_is_believed(tmp_path, music):
    """A size that stands for no length is told from one that the file no longer has."""
    soundfile.write(tmp_path / "cut.wav", music, RATE, subtype="PCM_16")
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[: RATE * 4])
    assert "cut off" in (measuring.measure(tmp_path / "cut.wav").error or "")
