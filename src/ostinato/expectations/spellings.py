"""Expectations of genres, tags and artists: no two differ only in punctuation, spaces, accents or "&"."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

Groups: TypeAlias = Mapping[str, Sequence[Mapping[str, int]]]
WHAT = {"genre": "genres", "tags": "tags", "artist": "artists"}


def prepare(groups: Groups) -> pd.DataFrame:
    """Return similar spellings as a table, one row per group.

    Parameters
    ----------
    groups : mapping of str to sequence of mapping
        By column, from `names.list_near_spellings`.

    Returns
    -------
    DataFrame
        `track_id`, the most frequent spelling of the group, and columns genre, tags and artist:
        the spellings with their counts in the column of the group, else None.
    """
    rows = [
        {"track_id": next(iter(group)), column: ", ".join(f"{name} ({n})" for name, n in group.items())}
        for column, column_groups in groups.items()
        for group in column_groups
    ]
    return pd.DataFrame(rows, columns=["track_id", *WHAT], dtype=object)


def suite() -> list[Expectation]:
    """Expect no similar spellings.

    Returns
    -------
    list of Expectation
        Of names, not of tracks: nothing goes to quarantine.
    """
    return [
        gxe.ExpectColumnValuesToBeNull(
            column=column, meta={"reason": f"{noun} that may be the same, in several spellings"}
        )
        for column, noun in WHAT.items()
    ]
