"""Expectations of each row of a split: its artist, album and recording are in no other part."""

from typing import Literal

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from ostinato.curation.albums import Compilations, identify_albums, identify_artists

WHAT = {"artist": "an artist", "album": "an album", "copy": "a copy"}


def prepare(
    tracks: pd.DataFrame,
    splits: pd.DataFrame,
    compilations: Compilations = "together",
    guests: Literal["together", "apart"] = "together",
) -> pd.DataFrame:
    """Count for each track and fold the parts that have its artist, album and recording.

    Parameters
    ----------
    tracks : DataFrame
        track_id, genre, artist, copy (shared by all copies of a recording), and the columns of
        `ostinato.curation.albums`. Spellings of a name count as one.
    splits : DataFrame
        track_id, fold, split.
    compilations : {"together", "apart"}
        Whether an album by several artists counts as one.
    guests : {"together", "apart"}
        Whether all artists of a track count, or only the first.

    Returns
    -------
    DataFrame
        `splits_of_artist`, `splits_of_album`, `splits_of_copy`; unknown if the track has none.
    """
    artists = [row[:1] if guests == "apart" else row for row in identify_artists(tracks)]
    groups = tracks[["track_id", "genre", "copy"]].assign(
        artist=pd.Series(artists, tracks.index, dtype=object), album=identify_albums(tracks, compilations)
    )
    rows = splits.merge(groups, on="track_id")
    for column in WHAT:
        exploded = rows[["fold", "split", column]].explode(column)
        n = (
            exploded.groupby(["fold", column], dropna=True)["split"]
            .transform("nunique")
            .where(exploded[column].notna())
        )
        rows[f"splits_of_{column}"] = n.groupby(level=0).max().astype("float64")
    return rows.drop(columns=list(WHAT))


def suite(apart: str) -> list[Expectation]:
    """Expect a split without leaks.

    Parameters
    ----------
    apart : {"artist", "track", "nothing"}
        ``track`` allows artists and albums in several parts; ``nothing`` allows copies too.

    Returns
    -------
    list of Expectation
        All of single rows.
    """
    columns = {"artist": tuple(WHAT), "track": ("copy",), "nothing": ()}[apart]
    leaks = [
        gxe.ExpectColumnValuesToBeBetween(
            column=f"splits_of_{column}", max_value=1, meta={"reason": f"{WHAT[column]} is in two splits"}
        )
        for column in columns
    ]
    valid = gxe.ExpectColumnValuesToBeInSet(
        column="split", value_set=["train", "validation", "test"], meta={"reason": "unknown split"}
    )
    return [*leaks, valid]
