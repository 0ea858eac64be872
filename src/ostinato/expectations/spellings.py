"""Expectations of genres, tags and artists: no two differ only in punctuation, spaces, accents or "&"."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

Groups: TypeAlias = Mapping[str, Sequence[Mapping[str, int]]]
WHAT = {"genre": "genres", "tags": "tags", "artist": "artists"}


def prepare(groups: Groups) -> pd.DataFrame:
    """Lay out near spellings, a row for each group.

    Parameters
    ----------
    groups : mapping of str to sequence of mapping
        By column, as `names.list_near_spellings` gives them.

    Returns
    -------
    DataFrame
        `track_id`, the commonest spelling of the group, and a column for each of genre, tags and
        artist: its spellings with their counts where the group is of that column, else None.
    """
    rows = [
        {"track_id": next(iter(group)), column: ", ".join(f"{name} ({n})" for name, n in group.items())}
        for column, found in groups.items()
        for group in found
    ]
    return pd.DataFrame(rows, columns=["track_id", *WHAT], dtype=object)


def suite() -> list[Expectation]:
    """Expect no near spellings.

    Returns
    -------
    list of Expectation
        Of names, not of tracks: nothing goes to quarantine by it.
    """
    return [
        gxe.ExpectColumnValuesToBeNull(column=column, meta={"reason": f"{what} that may be one, in several spellings"})
        for column, what in WHAT.items()
    ]
