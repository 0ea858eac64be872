"""Expectations of the parts of a split: each has enough tracks, and classes similar to the whole."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from ostinato.curation.strata import NO_VALUE, STRATA

DEVIATION = "{}_deviation"


def prepare(tracks: pd.DataFrame, splits: pd.DataFrame, balance: Sequence[str] = ()) -> pd.DataFrame:
    """Describe each part of each fold.

    Parameters
    ----------
    tracks : DataFrame
        track_id, genre, and the columns that `balance` needs.
    splits : DataFrame
        track_id, fold, split.
    balance : sequence of str
        Keys of `strata.STRATA`.

    Returns
    -------
    DataFrame
        `track_id` ("fold 0 test"), `split`, `share` of the fold's tracks, and
        `class_deviation`: half the summed differences between the part's shares
        of genres and the fold's; unknown without genres; and a column such as
        `decade_deviation` for each of `balance`.
    """
    columns = tracks[["track_id"]].assign(**{DEVIATION.format("class"): tracks["genre"]})
    for name in balance:
        strata = pd.Series(STRATA[name](tracks), tracks.index, dtype=object)
        columns[DEVIATION.format(name)] = strata.where(strata != NO_VALUE)
    rows = splits.merge(columns, on="track_id")
    deviations = list(columns.columns[1:])
    records = []
    for fold, fold_rows in rows.groupby("fold"):
        for name in ("train", "validation", "test"):
            part = fold_rows[fold_rows["split"] == name]
            values = [_deviation(part[column], fold_rows[column]) for column in deviations]
            records.append((f"fold {fold} {name}", name, len(part) / len(fold_rows), *values))
    frame = pd.DataFrame(records, columns=["track_id", "split", "share", *deviations])
    return frame.astype(dict.fromkeys(deviations, "float64"))


def _deviation(part: pd.Series, rows: pd.Series) -> float | None:
    """Return half the summed differences of the shares; None if there is no data."""
    shares = rows.value_counts(normalize=True)
    actual = part.value_counts(normalize=True).reindex(shares.index, fill_value=0)
    return (actual - shares).abs().sum() / 2 if len(shares) and len(part) else None


def suite(settings: Any) -> list[Expectation]:
    """Expect usable parts.

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
