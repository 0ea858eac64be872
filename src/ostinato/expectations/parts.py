"""Expectations of the parts of a split: each has its share of the tracks, and classes much as the whole."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from ostinato.curation.strata import STRATA, UNKNOWN

DEVIATION = "{}_deviation"


def prepare(tracks: pd.DataFrame, splits: pd.DataFrame, balance: Sequence[str] = ()) -> pd.DataFrame:
    """Measure each part of each fold.

    Parameters
    ----------
    tracks : DataFrame
        track_id, genre, and what `balance` is told by.
    splits : DataFrame
        track_id, fold, split.
    balance : sequence of str
        Keys of `strata.STRATA`.

    Returns
    -------
    DataFrame
        `track_id` ("fold 0 test"), `split`, `share` of the fold's tracks, and
        `class_deviation`: half the summed differences between the part's shares
        of genres and the fold's; unknown without genres. Likewise a column
        such as `decade_deviation` for what is balanced.
    """
    told = tracks[["track_id"]].assign(**{DEVIATION.format("class"): tracks["genre"]})
    for name in balance:
        strata = pd.Series(STRATA[name](tracks), tracks.index, dtype=object)
        told[DEVIATION.format(name)] = strata.where(strata != UNKNOWN)
    rows = splits.merge(told, on="track_id")
    deviations = list(told.columns[1:])
    found = []
    for fold, whole in rows.groupby("fold"):
        for name in ("train", "validation", "test"):
            part = whole[whole["split"] == name]
            of = [_deviation(part[column], whole[column]) for column in deviations]
            found.append((f"fold {fold} {name}", name, len(part) / len(whole), *of))
    frame = pd.DataFrame(found, columns=["track_id", "split", "share", *deviations])
    return frame.astype(dict.fromkeys(deviations, "float64"))


def _deviation(part: pd.Series, whole: pd.Series) -> float | None:
    """Return half the summed differences of the shares; None where nothing is known."""
    shares = whole.value_counts(normalize=True)
    there = part.value_counts(normalize=True).reindex(shares.index, fill_value=0)
    return (there - shares).abs().sum() / 2 if len(shares) and len(part) else None


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
        *(
            gxe.ExpectColumnValuesToBeBetween(
                column=DEVIATION.format(name),
                max_value=settings.max_class_deviation,
                meta={"reason": f"a part has other {word} than the whole (split.max_class_deviation)"},
            )
            for name, word in [("class", "classes"), *((name, f"{name}s") for name in settings.balance)]
        ),
    ]
