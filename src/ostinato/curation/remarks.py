"""Remarks on a listing: what was left out, chosen or found twice, with counts and examples."""

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
        What was counted.
    n, of : int
        How many, and of how many.
    examples : iterable of str
        The first few are kept.

    Returns
    -------
    dict
        That JSON can hold.

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
    """Add remarks to a listing; those that count nothing are left out."""
    listing.attrs[KEY] = [*get_remarks(listing), *(remark for remark in remarks if remark["n"])]
    return listing


def read_remarks(notes: Mapping[str, str]) -> list[Remark]:
    """Read the remarks among the notes of the tracks table, where ingest keeps them."""
    return list(json.loads(notes.get(KEY, "[]")))


def format_remark(remark: Remark) -> str:
    """Write a remark as a line.

    Examples
    --------
    >>> format_remark(make_remark("files without a row", 2, 10, ["a.wav", "b.wav"]))
    '2 of 10 files without a row, such as a.wav; b.wav'
    """
    such = f", such as {'; '.join(remark['examples'])}" if remark["examples"] else ""
    return f"{remark['n']:,} of {remark['of']:,} {remark['what']}{such}"


def format_count(n: int, noun: str) -> str:
    """Write a number with its noun, whose plural ends in s or es.

    Examples
    --------
    >>> format_count(1, "track"), format_count(1200, "track"), format_count(0, "class")
    ('1 track', '1,200 tracks', '0 classes')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"


def list_unlabelled(tracks: pd.DataFrame) -> list[Remark]:
    """Count the tracks that nothing can be learned of: without a genre and without tags.

    Parameters
    ----------
    tracks : DataFrame
        With `track_id`, `genre` and `tags`.

    Returns
    -------
    list of dict
        One remark, or none.
    """
    bare = tracks["track_id"][tracks["genre"].isna() & ~tracks["tags"].map(len).gt(0)]
    what = "tracks with neither a genre nor tags, which go into no split"
    return [make_remark(what, len(bare), len(tracks), bare)] if len(bare) else []


def list_unknown_artists(tracks: pd.DataFrame) -> list[Remark]:
    """Count the tracks whose artist nobody tells, so that no split can keep it to one side.

    Parameters
    ----------
    tracks : DataFrame
        With `track_id` and `artist`.

    Returns
    -------
    list of dict
        One remark, or none.
    """
    unknown = tracks["track_id"][tracks["artist"].isna()]
    what = "tracks by an unknown artist, each taken for an artist of its own, so that the same one may leak"
    return [make_remark(what, len(unknown), len(tracks), unknown)] if len(unknown) else []
