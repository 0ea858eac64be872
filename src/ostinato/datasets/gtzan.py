"""GTZAN: the most used dataset of genres, with its published splits.

Size: 1,000 clips of 30 s, 100 in each of 10 genres, 22,050 Hz mono.
Origin: collected by G. Tzanetakis in 2000 and 2001 from CDs, radio and microphones.
Licence: none stated; used for research by custom.
Paper: G. Tzanetakis, P. Cook: Musical Genre Classification of Audio Signals. IEEE
Transactions on Speech and Audio Processing 10(5), 2002.

It is known to have duplicates, wrong labels and distorted clips (B. Sturm: The GTZAN
dataset, arXiv:1306.1461). The fault-filtered split (C. Kereliuk, B. Sturm, J. Larsen:
Deep Learning and Music Adversaries, 2015) leaves out 70 clips and splits the rest by
artist: 443 for training, 197 for validation, 290 for test. The stratified split is
random over all clips (500, 250, 250) and leaks artists; it is meant for comparison.

The root holds ``<genre>/<genre>.NNNNN.wav`` (or .au, .flac), perhaps one folder
deeper, and the published lists. In a common copy jazz.00054 cannot be decoded:
validation finds it like any broken file and puts it into quarantine.
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
    """Options of GTZAN.

    Parameters
    ----------
    lists : {"filtered", "stratified"}, optional
        Published split for the column `split`.
    lists_path : str, optional
        The folder of the lists; default: the root.
    artists : str, optional
        A table with `track_id` and `artist_group`, absolute or below the root.
    """

    lists: Literal["filtered", "stratified"] | None = None
    lists_path: str | None = None
    artists: str | None = None


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the clips.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        track_id ("jazz.00054"), path, genre, and optionally artist and split.

    Raises
    ------
    DataError
        If there are no clips, or no clip is in a list.
    """
    paths = [path for path in audio_files(root) if PurePosixPath(path).stem.split(".")[0] in CLASSES["genre"]]
    if not paths:
        raise DataError(f"{root}: has no clip such as jazz/jazz.00000.wav; set dataset.path to the folder of GTZAN")
    frame = pd.DataFrame({"track_id": [PurePosixPath(path).stem for path in paths], "path": paths})
    frame["genre"] = frame["track_id"].str.split(".").str[0]
    if options.artists:
        table = read_table(root / options.artists)
        require(table, ("track_id", "artist_group"), root / options.artists)
        frame["artist"] = frame["track_id"].map(table.set_index("track_id")["artist_group"])
    if options.lists:
        frame["split"] = frame["track_id"].map(_read_lists(root / (options.lists_path or "."), options.lists))
        if frame["split"].isna().all():
            raise DataError(f"{root}: no clip is in the {options.lists} lists; check that they are GTZAN's")
    return frame


def _read_lists(folder: Path, kind: str) -> dict[str, str]:
    """Read the three lists, one clip per line, such as ``jazz/jazz.00054.wav``."""
    split: dict[str, str] = {}
    for part, name in LISTS.items():
        path = find(folder, f"{name}_{kind}.txt", f"gtzan_{name}_{kind}.txt")
        for number, line in enumerate(path.read_text().split(), start=1):
            track_id = PurePosixPath(line).stem
            if split.setdefault(track_id, part) != part:
                raise DataError(f"{path}: line {number}: {track_id} is already in {split[track_id]}; keep one")
    return split
