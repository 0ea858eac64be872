"""The Free Music Archive's dump, in four sizes.

Size: small 8,000 clips of 8 genres, medium 25,000 of 16, large 106,574 of 161, each of
30 s; full the same tracks untrimmed. Origin: freemusicarchive.org, dumped in 2017.
Licence: metadata CC BY 4.0; each recording under the Creative Commons licence its
artist chose. Paper: M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson: FMA: A
Dataset for Music Analysis. ISMIR 2017, arXiv:1612.01840.

The root holds ``fma_metadata/`` and ``fma_<subset>/000/000002.mp3`` as in the
archives. The genre is the track's top genre, if it has one; its tags are all its
genres and their parents. The split is the published one. Some files are known to be
broken or too short: they are listed like all others, and validation finds them.
"""

import ast
import csv
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel

from ostinato.datasets._remote import Remote
from ostinato.datasets._tables import find, require
from ostinato.errors import DataError

LICENSE = "metadata CC BY 4.0; audio under each artist's Creative Commons licence"
CITATION = """@inproceedings{fma_dataset,
  title = {{FMA}: A Dataset for Music Analysis},
  author = {Defferrard, Micha\\"el and Benzi, Kirell and Vandergheynst, Pierre and Bresson, Xavier},
  booktitle = {18th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2017}, archiveprefix = {arXiv}, eprint = {1612.01840}
}"""
SOURCE = "https://os.unil.cloud.switch.ch/fma"
ARCHIVES = {
    "metadata": ("f0df49ffe5f2a6008d7dc83c6915b31835dfe733", 2),
    "small": ("ade154f733639d52e35e32f5593efe5be76c6d70", 10),
    "medium": ("c67b69ea232021025fca9231fc1c7c1a063ab50b", 30),
    "large": ("497109f4dd721066b5ce5e5f250ec604dc78939e", 120),
    "full": ("0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab", 1_000),
}
EXPECTED = {"small": 8_000, "medium": 25_000, "large": 106_574, "full": 106_574, "genre": 16, "tags": 161}
PROMISED_COLUMNS = ("artist", "split")
SUBSETS = {"small": ("small",), "medium": ("small", "medium")}
SPLITS = {"training": "train", "validation": "validation", "test": "test"}
COLUMNS = {
    ("set", "split"): "split",
    ("set", "subset"): "subset",
    ("track", "genre_top"): "genre",
    ("track", "genres_all"): "tags",
    ("track", "title"): "title",
    ("artist", "name"): "artist",
    ("artist", "latitude"): "latitude",
    ("artist", "longitude"): "longitude",
    ("album", "title"): "album",
    ("album", "date_released"): "year",
}


class Options(BaseModel, frozen=True, extra="forbid"):
    """Options of FMA.

    Parameters
    ----------
    subset : {"small", "medium", "large", "full"}
    """

    subset: Literal["small", "medium", "large", "full"] = "small"


def remotes(options: Options) -> tuple[Remote, ...]:
    """List the files to download for a subset.

    Parameters
    ----------
    options : Options

    Returns
    -------
    tuple of Remote
    """
    return tuple(
        Remote(f"{SOURCE}/fma_{name}.zip", f"fma_{name}.zip", f"sha1:{sha1}", max_bytes=gib * 2**30)
        for name, (sha1, gib) in ARCHIVES.items()
        if name in ("metadata", options.subset)
    )


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the tracks of a subset.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        track_id ("000002"), path, genre, tags, artist, album, title, year,
        latitude, longitude and split; sorted by number.

    Raises
    ------
    DataError
        If the metadata are missing, lack a column, or have no track of the subset.
    """
    where = find(root, "fma_metadata/tracks.csv", "tracks.csv")
    table = _read(where)
    if options.subset in SUBSETS:
        table = table[table["subset"].isin(SUBSETS[options.subset])].reset_index(drop=True)
    if table.empty:
        raise DataError(f"{where}: has no track of fma_{options.subset}; choose another dataset.subset")
    names = genres(where.with_name("genres.csv"))["title"]
    number = table.pop("number")
    table.insert(0, "track_id", number.map("{:06d}".format))
    table.insert(1, "path", [f"fma_{options.subset}/{i[:3]}/{i}.mp3" for i in table["track_id"]])
    table["tags"] = [_parse_genres(cell, names, where, row) for cell, row in zip(table["tags"], number, strict=True)]
    table["year"] = pd.to_numeric(table["year"].str[:4], errors="coerce")
    for column in ("latitude", "longitude"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    table["split"] = table["split"].map(SPLITS)
    return table.drop(columns="subset")


def genres(path: Path) -> pd.DataFrame:
    """Read the tree of genres.

    Parameters
    ----------
    path : Path
        ``genres.csv``.

    Returns
    -------
    DataFrame
        parent, title and top_level, indexed by the genre's number; a root's parent is 0.

    Raises
    ------
    DataError
        If it is missing, lacks a column, or has an unknown parent.
    """
    if not path.exists():
        raise DataError(f"{path}: does not exist; unpack all of fma_metadata.zip")
    table = pd.read_csv(path)
    require(table, ("genre_id", "parent", "title", "top_level"), path)
    tree = table.set_index("genre_id")
    orphans = tree[~tree["parent"].isin([0, *tree.index])]
    if len(orphans):
        raise DataError(
            f"{path}: genre {orphans.index[0]} has the unknown parent {orphans['parent'].iloc[0]}; unpack it again"
        )
    return tree


def _read(path: Path) -> pd.DataFrame:
    """Read the columns we use; their names take two rows, the third has only the index's name."""
    with open(path, encoding="utf-8", newline="") as file:
        head = csv.reader(file)
        names = list(zip(*[row for row, _ in zip(head, range(2), strict=False)], strict=False))
    positions = {name: names.index(name) for name in COLUMNS if name in names}
    for name in COLUMNS:
        if name not in positions:
            raise DataError(f"{path}: has no column {' '.join(name)!r}; unpack fma_metadata.zip again")
    table = pd.read_csv(path, header=None, skiprows=3, usecols=[0, *positions.values()], dtype=str, encoding="utf-8")
    table = table.rename(columns={0: "number", **{position: COLUMNS[name] for name, position in positions.items()}})
    table["number"] = pd.to_numeric(table["number"]).astype(int)
    return table.sort_values("number", ignore_index=True)


def _parse_genres(cell: object, names: pd.Series, where: Path, row: int) -> list[str]:
    """Turn a cell such as ``[21, 10]`` into names."""
    try:
        return sorted({str(names[number]) for number in ast.literal_eval(str(cell))}) if isinstance(cell, str) else []
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise DataError(
            f"{where}: track {row}: genres_all {cell!r} is not a list of known genres; correct the cell"
        ) from error
