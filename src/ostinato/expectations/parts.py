"""What must hold of the parts of a split: each has its share of the tracks, and classes much as the whole."""

from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation


def prepared(tracks: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Measure each part of each fold.

    Parameters
    ----------
    tracks : DataFrame
        track_id, genre.
    splits : DataFrame
        track_id, fold, split.

    Returns
    -------
    DataFrame
        `track_id` ("fold 0 test"), `split`, `share` of the fold's tracks, and
        `class_deviation`: half the summed differences between the part's shares
        of genres and the fold's; unknown without genres.
    """
    rows = splits.merge(tracks[["track_id", "genre"]], on="track_id")
    found = []
    for fold, whole in rows.groupby("fold"):
        shares = whole["genre"].value_counts(normalize=True)
        for name in ("train", "validation", "test"):
            part = whole[whole["split"] == name]
            there = part["genre"].value_counts(normalize=True).reindex(shares.index, fill_value=0)
            deviation = (there - shares).abs().sum() / 2 if len(shares) and len(part) else None
            found.append((f"fold {fold} {name}", name, len(part) / len(whole), deviation))
    frame = pd.DataFrame(found, columns=["track_id", "split", "share", "class_deviation"])
    return frame.astype({"class_deviation": "float64"})


def suite(settings: Any) -> list[Expectation]:
    """Expect parts that can be used.

    Parameters
    ----------
    settings : params.Splitting

    Returns
    -------
    list of Expectation
    """
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="share",
            min_value=settings.min_share,
            strict_min=settings.min_share == 0,
            meta={"reason": "a part has too few tracks (split.min_share)"},
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="class_deviation",
            max_value=settings.max_class_deviation,
            meta={"reason": "a part has other classes than the whole (split.max_class_deviation)"},
        ),
    ]
