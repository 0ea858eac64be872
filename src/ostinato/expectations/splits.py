"""Expectations of each row of a split: its artist, album and recording stand on no other side."""

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
    """Count for each track and fold the splits that hold its artist, album and recording.

    Parameters
    ----------
    tracks : DataFrame
        track_id, genre, artist, copy (what all copies of a recording share), and what tells its
        album: see `ostinato.curation.albums`. However names are spelled, the same ones are one.
    splits : DataFrame
        track_id, fold, split.
    compilations : {"together", "apart"}
        Whether an album by several artists is one.
    guests : {"together", "apart"}
        Whether all artists of a track count, or the first.

    Returns
    -------
    DataFrame
        `splits_of_artist`, `splits_of_album`, `splits_of_copy`; unknown where the track has none.
    """
    artists = [row[:1] if guests == "apart" else row for row in identify_artists(tracks)]
    known = tracks[["track_id", "genre", "copy"]].assign(
        artist=pd.Series(artists, tracks.index, dtype=object), album=identify_albums(tracks, compilations)
    )
    rows = splits.merge(known, on="track_id")
    for column in WHAT:
        each = rows[["fold", "split", column]].explode(column)
        n = each.groupby(["fold", column], dropna=True)["split"].transform("nunique").where(each[column].notna())
        rows[f"splits_of_{column}"] = n.groupby(level=0).max().astype("float64")
    return rows.drop(columns=list(WHAT))


def suite(apart: str) -> list[Expectation]:
    """Expect a split that cannot leak.

    Parameters
    ----------
    apart : {"artist", "track", "nothing"}
        ``track`` lets artists and albums stand on two sides; ``nothing`` lets copies too.

    Returns
    -------
    list of Expectation
        Each of single rows.
    """
    kept = {"artist": tuple(WHAT), "track": ("copy",), "nothing": ()}[apart]
    leaks = [
        gxe.ExpectColumnValuesToBeBetween(
            column=f"splits_of_{column}", max_value=1, meta={"reason": f"{WHAT[column]} stands in two splits"}
        )
        for column in kept
    ]
    known = gxe.ExpectColumnValuesToBeInSet(
        column="split", value_set=["train", "validation", "test"], meta={"reason": "unknown split"}
    )
    return [*leaks, known]
