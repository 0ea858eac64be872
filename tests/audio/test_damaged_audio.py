"""Files damaged at random: each is decoded or refused in words, in little time and memory."""

import io
import resource
import time

import numpy as np
import pytest
import soundfile

from ostinato import audio
from ostinato.errors import OstinatoError

SECONDS = 10.0
FORMATS = {
    "wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III", "aiff": "PCM_16", "au": "PCM_16",
}  # fmt: skip


def encode_sound(kind: str) -> bytes:
    time_axis = np.arange(4000) / 8000
    out = io.BytesIO()
    soundfile.write(out, 0.3 * np.sin(2000 * time_axis), 8000, format=kind.upper(), subtype=FORMATS[kind])
    return out.getvalue()


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip bytes, mostly in the header; cut, repeat or drop a stretch."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 12)):
        place = int(rng.integers(0, min(len(data), 80) if rng.random() < 0.6 else len(data)))
        data[place] = int(rng.choice([0, 255, 127, 128, rng.integers(256)]))
    start, stop = sorted(rng.integers(0, len(data), 2))
    whole = bytes(data)
    return [whole[:stop], whole[:start] + whole[stop:], whole + whole[start:stop], whole][min(int(rng.integers(6)), 3)]


def decodes(path) -> bool:
    """Decode a file; False if it is refused in words that name it."""
    try:
        y, rate = audio.load(path, max_seconds=60, max_samples=2**22)
    except OstinatoError as error:
        return str(path) not in str(error) and pytest.fail(f"{error} does not name {path}")
    return bool(np.isfinite(y).all() and rate > 0 and 0 < len(y) <= 2**22) or pytest.fail(f"{path}: {len(y)} samples")


@pytest.mark.parametrize("n", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_a_damaged_file_is_heard_or_refused(n, tmp_path, capfd):
    """Ten seconds a file is no measure of speed: what takes longer hangs."""
    rng, n_heard = np.random.default_rng(n), 0
    for kind in FORMATS:
        content = encode_sound(kind)
        for number in range(n):
            path = tmp_path / f"{number}.{kind if rng.random() < 0.8 else 'm4a'}"
            path.write_bytes(damage(content, rng))
            begin = time.monotonic()
            n_heard += decodes(path)
            assert time.monotonic() - begin < SECONDS, path
    assert capfd.readouterr().err == "", "decoders say nothing of their own"
    assert 0.2 < n_heard / (n * len(FORMATS)) < 0.9, "the damage is neither too little nor too much"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 2**20, "in KiB"
