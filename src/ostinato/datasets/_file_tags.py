"""Tags of audio files: artists, album, title, date and genres, each with all its values.

mutagen reads ID3 (MP3, AIFF, WAV, AAC), MP4, Vorbis comments (FLAC, Ogg, Opus),
APEv2 and ASF; FFmpeg reads RIFF INFO and Matroska. Artists are split only where
the container splits them, for a slash may belong to a name (AC/DC); genres also
at separators that people use, as in "Rock; Jazz" or "Rock/Jazz".
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import mutagen
from mutagen.apev2 import APEv2
from mutagen.asf import ASFTags
from mutagen.id3 import ID3, TCON
from mutagen.mp4 import MP4Tags

from ostinato import audio
from ostinato.core.names import identity

FileTags: TypeAlias = dict[str, list[str]]
"""Values by name, out of `NAMES`."""
NAMES = ("artist", "albumartist", "album", "title", "date", "genre")
ID3_FRAMES = {
    "artist": ("TXXX:ARTISTS", "TXXX:Artists", "TPE1"),
    "albumartist": ("TPE2",),
    "album": ("TALB",),
    "title": ("TIT2",),
    "date": ("TDRC", "TDOR", "TDRL"),
    "genre": ("TCON",),
}
MP4_ATOMS = {
    "artist": ("----:com.apple.iTunes:ARTISTS", "\xa9ART"),
    "albumartist": ("aART",),
    "album": ("\xa9alb",),
    "title": ("\xa9nam",),
    "date": ("\xa9day",),
    "genre": ("\xa9gen",),
}
ASF_NAMES = {
    "artist": ("WM/ARTISTS", "Author"),
    "albumartist": ("WM/AlbumArtist",),
    "album": ("WM/AlbumTitle",),
    "title": ("Title",),
    "date": ("WM/Year",),
    "genre": ("WM/Genre",),
}
COMMENTS = {
    "artist": ("artists", "artist"),
    "albumartist": ("albumartist", "album artist", "album_artist"),
    "album": ("album",),
    "title": ("title",),
    "date": ("date", "year"),
    "genre": ("genre",),
}
"""Names in Vorbis comments, APEv2 and FFmpeg, regardless of case."""
SLASH_VERSION = (2, 3)
"""ID3 up to this version separates artists by a slash."""
MAX_INITIALS = 2
"""A slash next to this many letters or fewer belongs to the name, as in AC/DC, Au/Ra and N/A."""
GENRE_SEPARATORS = (";", "/", "|", "\\")
GENRES_WITH_SLASH = {identity(name) for name in TCON.GENRES if "/" in name} | {"singer/songwriter"}
"""Genres whose name has a slash."""
UNKNOWN_GENRES = frozenset({"unknown", "unknown genre", "none", "n/a", "genre"})
VARIOUS_ARTISTS = frozenset(
    {"various artists", "various", "va", "v.a.", "v/a", "v. a.", "diverse", "verschiedene interpreten"}
)
NO_ARTIST = VARIOUS_ARTISTS | {"unknown artist", "unknown", "<unknown>", "[unknown]", "artist"}
NUMBER = r"[ ._#-]*(?:\d{1,2}|[a-d]|one|two|three|four)"
DISC = re.compile(rf"(?:cd|dis[ck]|dvd|vinyl|lp|side){NUMBER}(?:[ ._:-].*)?", re.IGNORECASE)
DISC_OF_ALBUM = re.compile(rf"[\s,:-]*[\[(]?\s*\b(?:cd|dis[ck]){NUMBER}\s*[\])]?\s*$", re.IGNORECASE)


def read_file_tags(path: Path) -> FileTags:
    """Read the tags of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to list of str
        Those of `NAMES` that it has; empty if nothing can be read. Genres are not split:
        see `split_genres`.
    """
    try:
        file = mutagen.File(path)
        tags = file.tags if file is not None and file.tags else _loose(path)
    except Exception:  # mutagen's parsers raise anything; a damaged tag counts as none
        file = tags = None
    values_of = {} if tags is None else _canonical(tags)
    if file is None or type(file).__name__ == "WAVE":
        values_of = _canonical({name: [text] for name, text in audio.metadata(path).items()}) | values_of
    return values_of


def split_genres(values: Iterable[str], separators: Sequence[str] = GENRE_SEPARATORS) -> list[str]:
    """Split genres as people write them, in order, without repeats; numbers of ID3v1 become names.

    Parameters
    ----------
    values : iterable of str
    separators : sequence of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> split_genres(["Rock/Jazz"]), split_genres(["Rock; jazz", "ROCK"]), split_genres(["(17)(8)"])
    (['Rock', 'Jazz'], ['Rock', 'jazz'], ['Rock', 'Jazz'])
    >>> split_genres(["17"]), split_genres(["Pop/Funk"]), split_genres(["Singer/Songwriter"])
    (['Rock'], ['Pop/Funk'], ['Singer/Songwriter'])
    """
    parts = chain.from_iterable(_split_value(value, separators) for value in values)
    genres = (" ".join(genre.split()) for part in parts for genre in TCON(encoding=3, text=[part]).genres)
    return _unique(genres, UNKNOWN_GENRES)


def choose_artists(tags: Mapping[str, Any]) -> list[str]:
    """List a file's artists, then its album's; "various artists" is not one.

    Parameters
    ----------
    tags : FileTags

    Returns
    -------
    list of str

    Examples
    --------
    >>> choose_artists({"artist": ["A", "B"], "albumartist": ["Various Artists"]})
    ['A', 'B']
    """
    return _unique((name for key in ("artist", "albumartist") for name in tags.get(key, [])), NO_ARTIST)


def is_disc(name: str) -> bool:
    """Return whether a folder is one disc of an album.

    Examples
    --------
    >>> is_disc("CD1"), is_disc("Disc 2 - Live"), is_disc("disk_03"), is_disc("Disco"), is_disc("CD")
    (True, True, True, False, False)
    """
    return DISC.fullmatch(name.strip()) is not None


def strip_disc(album: str) -> str:
    """Remove the disc number from an album's name.

    Examples
    --------
    >>> strip_disc("The Wall (Disc 1)"), strip_disc("The Wall [CD2]"), strip_disc("Disc 2"), strip_disc("Discovery")
    ('The Wall', 'The Wall', 'Disc 2', 'Discovery')
    """
    return DISC_OF_ALBUM.sub("", album) or album


def _unique(names: Iterable[str], without: Collection[str]) -> list[str]:
    """Keep each name once, in its first spelling."""
    spellings: dict[str, str] = {}
    for name in names:
        if (key := identity(name)) is not None and key not in without:
            spellings.setdefault(key, name)
    return list(spellings.values())


def _loose(path: Path) -> Any:
    """Read tags that do not belong to the container: APEv2 in MP3, ID3 in AAC."""
    for kind in (APEv2, ID3):
        try:
            return kind(path)
        except mutagen.MutagenError:
            continue
    return None


def _canonical(tags: Any) -> FileTags:
    """Return the values by name, each from the first key that the file has."""
    if isinstance(tags, mutagen.id3.ID3Tags):
        values_of = {name: _first(_frames(tags, frame) for frame in frames) for name, frames in ID3_FRAMES.items()}
        if tags.version[:2] <= SLASH_VERSION:  # type: ignore[attr-defined]
            values_of["artist"] = [part for name in values_of["artist"] for part in _split_slashed(name)]
    elif isinstance(tags, MP4Tags):
        values_of = {name: _first(_texts(tags.get(atom)) for atom in atoms) for name, atoms in MP4_ATOMS.items()}
    elif isinstance(tags, ASFTags):
        values_of = {name: _first(_texts(tags.get(key)) for key in keys) for name, keys in ASF_NAMES.items()}
    else:
        by_key = {str(key).casefold(): value for key, value in dict(tags).items()}
        values_of = {name: _first(_texts(by_key.get(key)) for key in keys) for name, keys in COMMENTS.items()}
    return {name: values for name, values in values_of.items() if values}


def _first(candidates: Iterable[list[str]]) -> list[str]:
    return next((values for values in candidates if values), [])


def _frames(tags: Any, frame: str) -> list[str]:
    return _texts(text for part in tags.getall(frame) for text in part.text)


def _texts(values: Any) -> list[str]:
    """Return values as text, without repeats; bytes are UTF-8."""
    if values is None or isinstance(values, (str, bytes)):
        values = [] if values is None else [values]
    texts = (v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
    parts = (part.strip() for text in texts for part in text.split("\0"))
    return list(dict.fromkeys(part for part in parts if part))


def _split_slashed(name: str) -> list[str]:
    parts = [part.strip() for part in name.split("/")]
    return [name] if min(map(len, parts)) <= MAX_INITIALS else parts


def _split_value(value: str, separators: Sequence[str]) -> list[str]:
    """Split a value at its separators, but not at a slash within a known name or next to one letter."""
    others = "|".join(re.escape(sign) for sign in separators if sign != "/")
    values = re.split(others, value) if others else [value]
    if "/" not in separators:
        return [part.strip() for part in values if part.strip()]
    return [part for text in values for part in _at_slashes(text.strip())]


def _at_slashes(text: str) -> list[str]:
    parts = [part.strip() for part in text.split("/")]
    is_name = identity(text) in GENRES_WITH_SLASH or min(map(len, parts)) < MAX_INITIALS
    return [text] if is_name and text else [part for part in parts if part]
