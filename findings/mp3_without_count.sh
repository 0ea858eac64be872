#!/usr/bin/env bash
# libsndfile 1.2.2, through which soundfile 0.14.0 and librosa 0.11.0 read MP3, ends where it believes the sound to end:
# of an MP3 of variable bit rate that does not say how many frames it has, it gives a part, and of two MP3s joined end to end
# the first alone. It raises no error and librosa gives no warning. FFmpeg (PyAV 18.1.0) decodes both to the last frame.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 lameenc==1.9.0 librosa==0.11.0 soundfile==0.14.0 \
    numpy==2.4.6 2> /dev/null
"$folder/env/bin/python" -W error::UserWarning - "$folder" <<'PY'
import sys
from pathlib import Path

import av, lameenc, librosa, numpy as np, soundfile

folder, rate, seconds = Path(sys.argv[1]), 22_050, 20
print(f"soundfile {soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}, librosa {librosa.__version__}, av {av.__version__}")
time = np.arange(seconds * rate) / rate
quiet = 0.01 * np.sin(2 * np.pi * 220 * time)
busy = 0.2 * np.random.default_rng(0).normal(size=len(time))


def encode(y):
    """Encode at a variable bit rate; a stream of bytes has no place to write the count of frames to afterwards."""
    encoder = lameenc.Encoder()
    encoder.set_channels(1), encoder.set_in_sample_rate(rate), encoder.set_vbr(4), encoder.set_vbr_quality(5)
    encoder.silence()
    return bytes(encoder.encode((np.clip(y, -1, 1) * 32_767).astype("<i2").tobytes()) + encoder.flush())


def decode_all(path):
    with av.open(str(path)) as file:
        return sum(frame.samples for frame in file.decode(audio=0)) / rate


(folder / "busy_first.mp3").write_bytes(encode(np.where(time < seconds / 2, busy, quiet)))
for i in (1, 2):
    soundfile.write(folder / f"part{i}.mp3", np.roll(busy, i), rate, format="MP3")
(folder / "joined.mp3").write_bytes(b"".join((folder / f"part{i}.mp3").read_bytes() for i in (1, 2)))
changed = False
for name, truth in (("busy_first.mp3", seconds), ("joined.mp3", 2 * seconds)):
    path = folder / name
    by_soundfile = len(soundfile.read(path)[0]) / rate
    by_librosa = len(librosa.load(path, sr=None)[0]) / rate
    by_av = decode_all(path)
    print(f"{name}: {truth} s written; soundfile {by_soundfile:.2f}, librosa {by_librosa:.2f}, av {by_av:.2f}")
    changed |= not (by_soundfile < 0.8 * truth and by_librosa < 0.8 * truth and abs(by_av - truth) < 0.3)
sys.exit(changed)
PY
