"""What is asked about a row of a table, and how names are compared."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ostinato.core.names import identity

Answer = dict[str, Any]
"""A thing as MusicBrainz describes it in JSON."""

ACCENTS = re.compile("[\u0300-\u036f]")
MBID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}")


@dataclass(frozen=True)
class Query:
    """What a row says about its artist and work.

    Parameters
    ----------
    mbid : str, optional
        MusicBrainz identifier of the artist.
    isrc : str, optional
        Of the recording, without hyphens.
    artist, album : str, optional
        Names.
    is_track : bool
        Whether the row is of a track, or else of an artist.
    """

    mbid: str | None = None
    isrc: str | None = None
    artist: str | None = None
    album: str | None = None
    is_track: bool = True


def fold(name: object) -> str:
    """Return the letters and digits of a name without case and accents, for comparison.

    Examples
    --------
    >>> fold("Beyoncé") == fold("BEYONCE"), fold("AC/DC"), fold("!!!")
    (True, 'acdc', '!!!')
    """
    text = ACCENTS.sub("", unicodedata.normalize("NFD", identity(name) or ""))
    return "".join(c for c in text if c.isalnum() or unicodedata.category(c).startswith("M")) or text


def list_names(artist: Mapping[str, Any]) -> list[str]:
    """List the name and the aliases of an artist of MusicBrainz."""
    return [thing["name"] for thing in (artist, *(artist.get("aliases") or ())) if thing.get("name")]


def parse_mbid(text: str | None) -> str | None:
    """Read an MBID, also from its address; None if it is not one."""
    match = MBID.search((text or "").lower())
    return match[0] if match else None


def parse_isrc(text: str | None) -> str | None:
    """Read an ISRC with or without hyphens; None if it is not one.

    Examples
    --------
    >>> parse_isrc("gb-aye-97-00011"), parse_isrc("unknown")
    ('GBAYE9700011', None)
    """
    code = re.sub(r"[\s-]", "", text or "").upper()
    return code if ISRC.fullmatch(code) else None


def read_year(date: object) -> int | None:
    """Read the year of a date of MusicBrainz, such as ``1991-09-24``, ``1991`` or an empty one."""
    match = re.match(r"\d{4}", str(date or ""))
    return int(match[0]) if match else None
