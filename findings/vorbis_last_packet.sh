#!/usr/bin/env bash
# FFmpeg decodes another number of samples from an Ogg Vorbis file than the file holds. The last page's granule position
# says where the sound ends; libsndfile 1.2.2 and the header agree on 22,050 samples. PyAV 18.1.0 decodes 22,400 of one tone
# (the last packet has a duration just below 2**32) and 21,794 of another, so counting its frames or packets gives a wrong length.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 soundfile==0.14.0 numpy==2.4.6 2> /dev/null
"$folder/env/bin/python" - "$folder/tone.ogg" <<'PY'
import sys
import av, numpy as np, soundfile

path, n = sys.argv[1], 22_050
print(f"av {av.__version__}, soundfile {soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}")
seen = []
for radians in (2 * np.pi * 440 / n, 0.1):
    soundfile.write(path, (0.5 * np.sin(radians * np.arange(n))).astype("float32"), n)
    with av.open(path) as file:
        stream = file.streams.audio[0]
        durations = [packet.duration for packet in file.demux(stream) if packet.size]
        header = stream.duration
    with av.open(path) as file:
        decoded = sum(frame.samples for frame in file.decode(audio=0))
    read = len(soundfile.read(path)[0])
    print(f"written {n}, header {header}, by libsndfile {read}, by av {decoded}, last packet's duration {durations[-1]}")
    seen.append(read == header == n != decoded)
sys.exit(not all(seen))
PY
