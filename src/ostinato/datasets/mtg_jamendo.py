"""MTG-Jamendo: full tracks with tags of genre, instrument, mood and theme.

Size: 55,701 tracks of 3,565 artists, 195 tags (87 genre, 40 instrument, 56 mood and
theme; or the 50 most frequent). Origin: jamendo.com. Licence: each track's Creative
Commons licence; metadata CC BY-NC-SA 4.0. Paper: D. Bogdanov, M. Won, P. Tovstogan, A.
Porter, X. Serra: The MTG-Jamendo Dataset for Automatic Music Tagging. ML4MD, ICML 2019.

The root holds ``data/`` of the dataset's repository, and the audio as
``audio/48/948.mp3`` or, for the low-quality download, ``audio/48/948.low.mp3``. There are
five published splits, each without artists in common between its parts.
"""

from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, Field

from ostinato.datasets._tables import find
from ostinato.errors import DataError

LICENSE = "audio under each track's Creative Commons licence; metadata CC BY-NC-SA 4.0"
CITATION = """@inproceedings{bogdanov2019mtg,
  title = {The {MTG-Jamendo} Dataset for Automatic Music Tagging},
  author = {Bogdanov, Dmitry and Won, Minz and Tovstogan, Philip and Porter, Alastair and Serra, Xavier},
  booktitle = {Machine Learning for Music Discovery Workshop, ICML},
  year = {2019}
}"""
SOURCE = "https://github.com/MTG/mtg-jamendo-dataset (its own script downloads and checks the audio)"
PROMISED_COLUMNS = ("artist",)
EXPECTED = {"tracks": 55_701, "tags": 195}
HEADER = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
PARTS = ("train", "validation", "test")


class Options(BaseModel, frozen=True, extra="forbid"):
    """Options of MTG-Jamendo.

    Parameters
    ----------
    subset : {"all", "top50tags", "genre", "instrument", "moodtheme"}
    number : int
        Which of the five splits.
    low : bool
        Whether the audio is the low-quality download.
    """

    subset: Literal["all", "top50tags", "genre", "instrument", "moodtheme"] = "top50tags"
    number: int = Field(0, ge=0, le=4)
    low: bool = False


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the tracks of a subset with a published split.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        track_id ("track_0000948"), path, tags ("genre---rock"), artist, album, split.

    Raises
    ------
    DataError
        If a list is missing or a line of it is too short.
    """
    name = "autotagging" + ("" if options.subset == "all" else f"_{options.subset}")
    folder = find(root, f"data/splits/split-{options.number}", f"splits/split-{options.number}")
    rows = [row for part in PARTS for row in _rows(find(folder, f"{name}-{part}.tsv"), part, options.low)]
    return pd.DataFrame(rows, columns=["track_id", "artist", "album", "path", "tags", "split"])


def _rows(path: Path, part: str, low: bool) -> list[tuple[str, str, str, str, list[str], str]]:
    """Read a tab-separated list: five columns, then any number of tags."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].split("\t") != HEADER:
        raise DataError(f"{path}: does not begin with {' '.join(HEADER)}; download it again")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) < len(HEADER):
            raise DataError(f"{path}: line {number}: has {len(cells)} cells, at least {len(HEADER)} are needed")
        track, artist, album, audio = cells[:4]
        rows.append(
            (
                track,
                artist,
                album,
                f"audio/{audio.removesuffix('.mp3')}{'.low' if low else ''}.mp3",
                sorted(set(cells[5:])),
                part,
            )
        )
    return rows
