"""Genres of GTZAN: the field's most used dataset, and its published splits.

Size: 1,000 clips of 30 s, 100 in each of 10 genres, 22,050 Hz mono.
Origin: collected by G. Tzanetakis in 2000 and 2001 from CDs, radio and microphones.
Licence: none stated; used for research by custom.
Paper: G. Tzanetakis, P. Cook: Musical Genre Classification of Audio Signals. IEEE
Transactions on Speech and Audio Processing 10(5), 2002.

It is known to hold copies, wrong labels and distorted clips (B. Sturm: The GTZAN
dataset, arXiv:1306.1461). The fault-filtered split (C. Kereliuk, B. Sturm, J. Larsen:
Deep Learning and Music Adversaries, 2015) leaves 70 clips out and parts the rest by
artist: 443 to train on, 197 to validate on, 290 to test on. The stratified split takes
all clips at random (500, 250, 250) and lets artists leak; it is there to compare with.

Below the root lie ``<genre>/<genre>.NNNNN.wav`` (or .au, .flac), perhaps one folder
deeper, and the published lists. In a widespread copy jazz.00054 cannot be decoded:
validation finds it as it finds any broken file, and it goes to quarantine.
"""

from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd
from pydantic import BaseModel

from ostinato.datasets._remote import Remote
from ostinato.datasets._tables import audio_files, find, read_table, require
from ostinato.errors import DataError

LICENSE = "none stated; for research by custom"
CITATION = """@article{tzanetakis2002musical,
  title = {Musical Genre Classification of Audio Signals},
  author = {Tzanetakis, George and Cook, Perry},
  journal = {IEEE Transactions on Speech and Audio Processing},
  volume = {10}, number = {5}, pages = {293--302}, year = {2002}
}"""
SOURCE = "http://opihi.cs.uvic.ca/sound/genres.tar.gz; lists: https://github.com/jongpillee/music_dataset_split"
_LISTS = "https://raw.githubusercontent.com/jongpillee/music_dataset_split/master/GTZAN_split"
REMOTES = (
    Remote("http://opihi.cs.uvic.ca/sound/genres.tar.gz", "genres.tar.gz", "md5:5b3d6dddb579ab49814ab86dba69e7c7"),
    *(
        Remote(f"{_LISTS}/{name}_filtered.txt", f"{name}_filtered.txt", f"sha256:{sha256}", unpack=False)
        for name, sha256 in (
            ("train", "2b04966cef1486f1a7767b74271533fa23e220388db804a1937835e1fc4fa3fa"),
            ("valid", "f8fbee7c52397a0e0f3a91dc54fedecb2e27f5bdc9a9daeab8cb10d077e26956"),
            ("test", "09cafa6a89ce0a27f30ed250d56ecb4d03c22fffb5a693f96c7ae655ee02ac72"),
        )
    ),
)
INDEX = Remote(
    "https://zenodo.org/records/13993311/files/gtzan_genre_index_1.0.json?download=1",
    "gtzan_genre_index_1.0.json",
    "md5:533ca050855f22acf2feb283d9957fe3",
    unpack=False,
)
EXPECTED = {"tracks": 1_000, "genre": 10}
CLASSES = {
    "genre": ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"),
}
LISTS = {"train": "train", "validation": "valid", "test": "test"}


class Options(BaseModel, frozen=True, extra="forbid"):
    """Keys of `dataset` that are GTZAN's own.

    Parameters
    ----------
    lists : {"filtered", "stratified"}, optional
        Which published split the column `split` holds.
    lists_path : str, optional
        The folder of the lists; default: the root.
    artists : str, optional
        A table with `track_id` and `artist_group`, absolute or below the root.
    """

    lists: Literal["filtered", "stratified"] | None = None
    lists_path: str | None = None
    artists: str | None = None


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the clips that are there.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Of no use here.

    Returns
    -------
    DataFrame
        track_id ("jazz.00054"), path, genre, and artist and split where asked for.

    Raises
    ------
    DataError
        If a clip lies in no genre's folder, or a list names none of those here.
    """
    paths = [path for path in audio_files(root) if PurePosixPath(path).stem.split(".")[0] in CLASSES["genre"]]
    if not paths:
        raise DataError(f"{root}: holds no clip such as jazz/jazz.00000.wav; let dataset.path name the folder of GTZAN")
    listed = pd.DataFrame({"track_id": [PurePosixPath(path).stem for path in paths], "path": paths})
    listed["genre"] = listed["track_id"].str.split(".").str[0]
    if options.artists:
        table = read_table(root / options.artists)
        require(table, ("track_id", "artist_group"), root / options.artists)
        listed["artist"] = listed["track_id"].map(table.set_index("track_id")["artist_group"])
    if options.lists:
        listed["split"] = listed["track_id"].map(_read_lists(root / (options.lists_path or "."), options.lists))
        if listed["split"].isna().all():
            raise DataError(f"{root}: no clip here stands in the {options.lists} lists; look whether they are GTZAN's")
    return listed


def _read_lists(folder: Path, kind: str) -> dict[str, str]:
    """Read the three lists: a clip a line, as ``jazz/jazz.00054.wav``."""
    split: dict[str, str] = {}
    for ours, theirs in LISTS.items():
        path = find(folder, f"{theirs}_{kind}.txt", f"gtzan_{theirs}_{kind}.txt")
        for number, line in enumerate(path.read_text().split(), start=1):
            track_id = PurePosixPath(line).stem
            if split.setdefault(track_id, ours) != ours:
                raise DataError(f"{path}: line {number}: {track_id} stands in {split[track_id]} already; keep one")
    return split
