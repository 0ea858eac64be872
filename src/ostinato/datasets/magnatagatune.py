"""MagnaTagATune: clips with tags from a game.

Size: 25,863 clips of 29 s of 230 artists, 188 tags, of which the 50 most frequent are
used. Origin: magnatune.com, tagged by players of TagATune. Licence: CC BY-NC-SA 3.0.
Paper: E. Law, K. West, M. Mandel, M. Bay, J. S. Downie: Evaluation of Algorithms Using
Games: The Case of Music Tagging. ISMIR 2009.

The root holds ``annotations_final.csv``, ``clip_info_final.csv`` and the folders
``0`` to ``f`` of clips. The usual split is by folder: 0 to b for training, c for
validation, d to f for test; it leaks artists.
"""

from pathlib import Path

import pandas as pd
from pydantic import BaseModel, Field

from ostinato.datasets._tables import find, read_table, require

LICENSE = "CC BY-NC-SA 3.0"
CITATION = """@inproceedings{law2009evaluation,
  title = {Evaluation of Algorithms Using Games: The Case of Music Tagging},
  author = {Law, Edith and West, Kris and Mandel, Michael and Bay, Mert and Downie, J. Stephen},
  booktitle = {10th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2009}
}"""
SOURCE = "https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset (no checksums are published: download it by hand)"
EXPECTED = {"tracks": 25_863, "tags": 50}
SPLIT = dict.fromkeys("0123456789ab", "train") | {"c": "validation"} | dict.fromkeys("def", "test")


class Options(BaseModel, frozen=True, extra="forbid"):
    """Options of MagnaTagATune.

    Parameters
    ----------
    n_tags : int
        Number of tags, the most frequent first.
    untagged : bool
        Whether to keep clips without any of them.
    """

    n_tags: int = Field(50, ge=1)
    untagged: bool = False


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the clips with their tags.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        track_id (the clip's number), path, tags, artist, album, title, split.

    Raises
    ------
    DataError
        If a table is missing or lacks a column.
    """
    annotations = _read(find(root, "annotations_final.csv"), ("clip_id", "mp3_path"))
    info = _read(find(root, "clip_info_final.csv"), ("clip_id", "artist", "album", "title"))
    flags = annotations.drop(columns=["clip_id", "mp3_path"]) == "1"
    top = flags.sum().sort_values(ascending=False, kind="stable").index[: options.n_tags]
    frame = pd.DataFrame({"track_id": annotations["clip_id"], "path": annotations["mp3_path"]})
    mask = flags.to_numpy() & flags.columns.isin(top)
    frame["tags"] = [sorted(flags.columns[row]) for row in mask]
    frame["split"] = frame["path"].str[0].map(SPLIT)
    info = info.rename(columns={"clip_id": "track_id"})[["track_id", "artist", "album", "title"]]
    frame = frame.merge(info, on="track_id", how="left")
    return frame if options.untagged else frame[frame["tags"].map(len) > 0].reset_index(drop=True)


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = read_table(path)
    require(table, columns, path)
    return table
