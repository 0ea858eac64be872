#!/usr/bin/env bash
# PyAV 18.1.0 stops in the middle of MP3 files that are joined end to end, as radio shows and audio books are, if the later one
# begins with an ID3v2 tag: FFmpeg's demuxer passes the tag on in packets, as if it were frames, and decoding them raises
# InvalidDataError. Without the second tag both parts are decoded.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 soundfile==0.14.0 numpy==2.4.6 mutagen==1.48.1 2> /dev/null
"$folder/env/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import av, mutagen.id3, numpy as np, soundfile

folder, rate = Path(sys.argv[1]), 44_100
print(f"av {av.__version__}, soundfile {soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}")
part = folder / "part.mp3"
soundfile.write(part, 0.3 * np.sin(0.05 * np.arange(3 * rate)), rate, format="MP3")
plain = part.read_bytes()
tags = mutagen.id3.ID3()
tags.add(mutagen.id3.TIT2(encoding=3, text="Second half"))
tags.save(part)
tagged = part.read_bytes()


def decode(path):
    n = 0
    with av.open(str(path)) as file:
        try:
            for frame in file.decode(audio=0):
                n += frame.samples
        except av.error.InvalidDataError as error:
            return n / rate, type(error).__name__
    return n / rate, None


seen = {}
for name, second in (("without a second tag", plain), ("with a second tag", tagged)):
    path = folder / "joined.mp3"
    path.write_bytes(tagged + second)
    seconds, error = decode(path)
    seen[name] = (round(seconds), error)
    print(f"two parts of 3 s, {name}: {seconds:.2f} s, {error or 'no error'}")
sys.exit(seen != {"without a second tag": (6, None), "with a second tag": (3, "InvalidDataError")})
PY
