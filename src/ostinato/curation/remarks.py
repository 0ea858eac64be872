"""Remarks on a listing: what was left out, selected or found twice, with counts and examples."""

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias

import pandas as pd

KEY = "remarks"
EXAMPLES = 3

Remark: TypeAlias = dict[str, Any]


def make_remark(what: str, n: int, of: int, examples: Iterable[str] = ()) -> Remark:
    """Make a remark.

    Parameters
    ----------
    what : str
        Description of what was counted.
    n, of : int
        Count and total.
    examples : iterable of str
        The first few are kept.

    Returns
    -------
    dict
        For JSON.

    Examples
    --------
    >>> make_remark("files without a row", 2, 10, ["a.wav", "b.wav"])
    {'what': 'files without a row', 'n': 2, 'of': 10, 'examples': ['a.wav', 'b.wav']}
    """
    return {"what": what, "n": n, "of": of, "examples": [str(e)[:300] for e in islice(examples, EXAMPLES)]}


def get_remarks(listing: pd.DataFrame) -> list[Remark]:
    """Return the remarks that a dataset made about its listing."""
    return list(listing.attrs.get(KEY, []))


def add_remarks(listing: pd.DataFrame, remarks: Iterable[Remark]) -> pd.DataFrame:
    """Add remarks to a listing, except those with a count of 0."""
    listing.attrs[KEY] = [*get_remarks(listing), *(remark for remark in remarks if remark["n"])]
    return listing


def read_remarks(notes: Mapping[str, str]) -> list[Remark]:
    """Read the remarks from the metadata of the tracks table."""
    return list(json.loads(notes.get(KEY, "[]")))


def format_remark(remark: Remark) -> str:
    """Format a remark as one line.

    Examples
    --------
    >>> format_remark(make_remark("files without a row", 2, 10, ["a.wav", "b.wav"]))
    '2 of 10 files without a row, such as a.wav; b.wav'
    """
    examples = f", such as {'; '.join(remark['examples'])}" if remark["examples"] else ""
    return f"{remark['n']:,} of {remark['of']:,} {remark['what']}{examples}"


def list_unlabelled(tracks: pd.DataFrame) -> list[Remark]:
    """Count the tracks without any label: neither a genre nor tags.

    Parameters
    ----------
    tracks : DataFrame
        With `track_id`, `genre` and `tags`.

    Returns
    -------
    list of dict
        One remark; empty if the count is 0.
    """
    unlabelled = tracks["track_id"][tracks["genre"].isna() & ~tracks["tags"].map(len).gt(0)]
    what = "tracks with neither a genre nor tags, which go into no split"
    return [make_remark(what, len(unlabelled), len(tracks), unlabelled)] if len(unlabelled) else []


def list_unknown_artists(tracks: pd.DataFrame) -> list[Remark]:
    """Count the tracks by unknown artists, which a split cannot keep together.

    Parameters
    ----------
    tracks : DataFrame
        With `track_id` and `artist`.

    Returns
    -------
    list of dict
        One remark; empty if the count is 0.
    """
    unknown = tracks["track_id"][tracks["artist"].isna()]
    what = "tracks by an unknown artist, each treated as another artist, so that one may be in several splits"
    return [make_remark(what, len(unknown), len(tracks), unknown)] if len(unknown) else []
