"""Film music rated for five emotions; the strongest is the class.

Size: 470 excerpts of 15 to 30 s: 360 of set 1 and 110 of set 2. Origin: film
soundtracks, chosen and rated at the University of Jyväskylä. Licence: none stated; for
research. Paper: T. Eerola, J. K. Vuoskoski: A comparison of the discrete and dimensional
models of emotion in music. Psychology of Music 39(1), 2011.

The root holds ``Set1/001.mp3`` ... and ``Set2/...``, and the mean ratings as
``mean_ratings_set1.csv`` and ``..._set2.csv``: the published sheets saved as CSV. A
sheet has a column ``Number`` and one for each of anger, fear, happy, sad and tender. An
excerpt whose two highest ratings are equal has no class.
"""

from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from ostinato.datasets._tables import find, read_table, require
from ostinato.errors import DataError

LICENSE = "none stated; for research"
CITATION = """@article{eerola2011comparison,
  title = {A comparison of the discrete and dimensional models of emotion in music},
  author = {Eerola, Tuomas and Vuoskoski, Jonna K.},
  journal = {Psychology of Music}, volume = {39}, number = {1}, pages = {18--49}, year = {2011}
}"""
SOURCE = "https://osf.io/p6vkg/ (download by hand, and save the sheets of ratings as CSV)"
EXPECTED = {"tracks": 470, "genre": 5}
CLASSES = {"genre": ("anger", "fear", "happy", "sad", "tender")}
SETS = {"Set1": "mean_ratings_set1.csv", "Set2": "mean_ratings_set2.csv"}


class Options(BaseModel, frozen=True, extra="forbid"):
    """No options."""


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the rated excerpts of both sets, or of the one that exists.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        track_id ("Set1/001"), path and genre, the emotion rated highest.

    Raises
    ------
    DataError
        If there is no sheet, or one lacks a column or has a cell that is not a number.
    """
    find(root, *SETS.values())
    return pd.concat([_set(root, *item) for item in SETS.items() if (root / item[1]).exists()], ignore_index=True)


def _set(root: Path, folder: str, sheet: str) -> pd.DataFrame:
    table = read_table(root / sheet)
    table.columns = table.columns.str.lower()
    require(table, ("number", *CLASSES["genre"]), root / sheet)
    try:
        ratings = table[list(CLASSES["genre"])].astype("float64")
        number = table["number"].astype("float64").astype(int)
    except ValueError as error:
        raise DataError(f"{root / sheet}: has a cell that is not a number ({error}); correct it") from error
    ids = [f"{folder}/{n:03d}" for n in number]
    tied = ratings.eq(ratings.max(axis=1), axis=0).sum(axis=1) > 1
    genre = ratings.idxmax(axis=1).where(~tied, None)
    return pd.DataFrame({"track_id": ids, "path": [f"{i}.mp3" for i in ids], "genre": genre})
