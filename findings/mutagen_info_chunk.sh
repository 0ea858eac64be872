#!/usr/bin/env bash
# mutagen 1.48.1 reads of WAV and AIFF files the ID3 chunk alone: title, artist and genre that an editor or libsndfile wrote
# into a LIST INFO chunk (AIFF: NAME and AUTH) are no tags to it. A genre that it writes stands beside the old one, so that
# afterwards libsndfile (soundfile 0.14.0) names one genre, mutagen and FFmpeg (PyAV 18.1.0) another.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 mutagen==1.48.1 soundfile==0.14.0 numpy==2.4.6 2> /dev/null
"$folder/env/bin/python" - "$folder" <<'PY'
import sys

import av
import mutagen
import numpy as np
import soundfile
from mutagen.id3 import TCON

print(f"mutagen {mutagen.version_string}, soundfile {soundfile.__version__}, av {av.__version__}")
tags = {}
for suffix in ("wav", "aiff"):
    path = f"{sys.argv[1]}/song.{suffix}"
    with soundfile.SoundFile(path, "w", 22_050, 1) as file:
        file.title, file.artist = "A title", "Someone"
        if suffix == "wav":
            file.genre = "Jazz"
        file.write(np.zeros(22_050))
    with av.open(path) as container:
        title = container.metadata["title"]
    tags[suffix] = mutagen.File(path).tags
    print(f"{suffix}: FFmpeg reads the title {title!r}, mutagen the tags {tags[suffix]}")

path = f"{sys.argv[1]}/song.wav"
song = mutagen.File(path)
song.add_tags()
song.tags.add(TCON(encoding=3, text=["Rock"]))
song.save()
with soundfile.SoundFile(path) as file, av.open(path) as container:
    genres = {"libsndfile": file.genre, "FFmpeg": container.metadata["genre"]}
genres["mutagen"] = str(mutagen.File(path).tags["TCON"])
print(f"after mutagen wrote Rock: {genres}")
same = tags == {"wav": None, "aiff": None} and genres == {"libsndfile": "Jazz", "FFmpeg": "Rock", "mutagen": "Rock"}
sys.exit(0 if same else 1)
PY
