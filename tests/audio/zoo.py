"""Some seventy kinds of audio file, each written here: container, codec and what its header says or leaves out."""

import struct

import av
import lameenc
import numpy as np
import soundfile
import soxr

RATE = 44_100
SECONDS = 6.0


def make_music():
    """Write notes that come and go over a drum of noise, so that no file is taken for steady noise or hum."""
    t, rng = np.arange(int(SECONDS * RATE)) / RATE, np.random.default_rng(5)
    y = np.zeros(t.size)
    for i, start in enumerate(np.arange(0, SECONDS, 0.25)):
        after = np.clip(t - start, 0, None)
        pitch = 110 * 2 ** (rng.integers(0, 30) / 12)
        decay = (t >= start) * np.exp(-6 * after) * np.minimum(after * 200, 1)
        y += 0.12 * decay * sum(np.sin(2 * np.pi * pitch * k * after) / k for k in (1, 2, 3, 5, 9, 20))
        y += 0.08 * (t >= start) * np.exp(-(15 + 10 * (i % 3)) * after) * rng.standard_normal(t.size)
    return y.astype(np.float32)


def write_by_ffmpeg(path, y, rate, codec, **options):
    """Encode in frames of 1,024 samples with their times, as encoders of streams are fed."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if codec not in ("alac", "tta", "wavpack", "flac", "pcm_s16le"):
            stream.bit_rate = 96_000
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
        for start in range(0, y.size, 1_024):
            frame = av.AudioFrame.from_ndarray(y[None, start : start + 1_024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            for converted in resampler.resample(frame):
                container.mux(stream.encode(converted))
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


def make_concatenated(kind, **how):
    def make(path, y):
        soundfile.write(path, y[: y.size // 2], RATE, format=kind, **how)
        path.write_bytes(path.read_bytes() * 2)

    return make


def make_id3(size):
    """Make a tag of noise, as a compressed cover is, in which a decoder may see frames."""
    digits = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + digits + np.random.default_rng(1).bytes(size)


def make_ape(size):
    head, foot = (struct.pack("<IIII", 2_000, 32 + size, 1, flags) + bytes(8) for flags in (0xA0000000, 0x80000000))
    return b"APETAGEX" + head + bytes(size) + b"APETAGEX" + foot


def joined_by(tags):
    """Join two MP3 files, each with tags of its own."""

    def make(path, y):
        soundfile.write(path, y[: y.size // 2], RATE, format="MP3")
        path.write_bytes(path.read_bytes() + tags + path.read_bytes())

    return make


def tagged_mp3(path, y):
    """A cover at the front, another tag at the end."""
    soundfile.write(path, y, RATE, format="MP3")
    path.write_bytes(make_id3(300_000) + path.read_bytes() + b"TAG" + bytes(125))


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


def by_ffmpeg(codec, rate=RATE, **options):
    return lambda path, y: write_by_ffmpeg(
        path, y if rate == RATE else soxr.resample(y, RATE, rate), rate, codec, **options
    )


def opus_by_libsndfile(path, y):
    soundfile.write(path, soxr.resample(y, RATE, 48_000), 48_000, format="OGG", subtype="OPUS")


def vorbis_in_webm(path, y):
    """Put the packets of an Ogg file into another container."""
    ogg = path.with_suffix(".ogg.part")
    soundfile.write(ogg, y, RATE, format="OGG")
    with av.open(str(ogg)) as source, av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    ogg.unlink()


def by_lame(kilobits, *, n_channels=1):
    """Encode by LAME itself, which as a stream writes no count of its frames."""

    def make(path, y):
        encoder = lameenc.Encoder()
        encoder.silence()
        encoder.set_channels(n_channels)
        encoder.set_in_sample_rate(RATE)
        if kilobits is None:
            encoder.set_vbr(4)
            encoder.set_vbr_quality(5)
        else:
            encoder.set_bit_rate(kilobits)
        both = np.repeat((y * 32_767).astype("<i2")[:, np.newaxis], n_channels, axis=1)
        path.write_bytes(bytes(encoder.encode(both.tobytes()) + encoder.flush()))

    return make


def in_stereo(kind):
    return lambda path, y: soundfile.write(path, np.stack([y, np.roll(y, 30)], axis=1), RATE, format=kind)


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
    "unclosed.wav": wav_of_size(0),
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
    "chained.ogg": make_concatenated("OGG"),
    "counted_cbr.mp3": by_libsndfile("MP3"),
    "counted_vbr.mp3": counted_vbr,
    "uncounted_vbr.mp3": uncounted_vbr,
    "uncounted_vbr_reversed.mp3": uncounted_vbr_reversed,
    "uncounted_cbr.mp3": uncounted_cbr,
    "joined.mp3": make_concatenated("MP3"),
    "joined_tag.mp3": joined_by(make_id3(2_000)),
    "joined_cover.mp3": joined_by(make_ape(5_000) + b"TAG" + bytes(125) + make_id3(300_000)),
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
    "opus.ogg": opus_by_libsndfile,
    "opus.opus": opus_by_libsndfile,
    "opus.webm": by_ffmpeg("libopus", rate=48_000),
    "opus.weba": by_ffmpeg("libopus", rate=48_000, format="webm"),
    "opus.mka": by_ffmpeg("libopus", rate=48_000),
    "vorbis.webm": vorbis_in_webm,
    "stream.aac": by_ffmpeg("aac", format="adts"),
    "layer_2.mp2": by_ffmpeg("mp2"),
    "dolby.ac3": by_ffmpeg("ac3"),
    "windows.wma": by_ffmpeg("wmav2", format="asf"),
    "lame_cbr.mp3": by_lame(128),
    "lame_vbr.mp3": by_lame(None),
    "lame_stereo.mp3": by_lame(128, n_channels=2),
    "stereo.flac": in_stereo("FLAC"),
    "stereo.mp3": in_stereo("MP3"),
    "stereo.aifc": in_stereo("AIFF"),
    "wrongly_named.flac": by_libsndfile("WAV", "PCM_16"),
    "without_suffix": by_libsndfile("MP3"),
}
