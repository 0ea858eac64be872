"""Tags of audio files: artists, album, title, date and genres, several values of each kept apart.

mutagen reads ID3 (MP3, AIFF, WAV, AAC), MP4, Vorbis comments (FLAC, Ogg, Opus),
APEv2 and ASF; FFmpeg what it does not know: RIFF INFO and Matroska. Artists are
parted only where the container parts them, for a slash may belong to a name
(AC/DC); genres also where people do, as in "Rock; Jazz" or "Rock/Jazz".
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
"""A name of `NAMES` to its values."""
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
"""Names of Vorbis comments, of APEv2 and of FFmpeg; case does not count."""
SLASHED = (2, 3)
"""Versions of ID3 up to this one part artists by a slash."""
SHORT = 2
"""Letters: a slash beside so few or fewer belongs to a name, as in AC/DC, Au/Ra and N/A."""
GENRE_SEPARATORS = (";", "/", "|", "\\")
WHOLE = {identity(name) for name in TCON.GENRES if "/" in name} | {"singer/songwriter"}
"""Genres with a slash of their own."""
UNKNOWN_GENRES = frozenset({"unknown", "unknown genre", "none", "n/a", "genre"})
VARIOUS = frozenset({"various artists", "various", "va", "v.a.", "v/a", "v. a.", "diverse", "verschiedene interpreten"})
NO_ARTIST = VARIOUS | {"unknown artist", "unknown", "<unknown>", "[unknown]", "artist"}
NUMBER = r"[ ._#-]*(?:\d{1,2}|[a-d]|one|two|three|four)"
DISC = re.compile(rf"(?:cd|dis[ck]|dvd|vinyl|lp|side){NUMBER}(?:[ ._:-].*)?", re.IGNORECASE)
DISC_OF_ALBUM = re.compile(rf"[\s,:-]*[\[(]?\s*\b(?:cd|dis[ck]){NUMBER}\s*[\])]?\s*$", re.IGNORECASE)


def read_file_tags(path: Path) -> FileTags:
    """Read what a file says of itself.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to list of str
        Of `NAMES` those that it tells; empty if nothing can be read. Genres are as they
        stand: see `split_genres`.
    """
    try:
        opened = mutagen.File(path)
        tags = opened.tags if opened is not None and opened.tags else _loose(path)
    except Exception:  # mutagen raises what its parsers happen on; a damaged tag is no tag
        opened = tags = None
    values_of = {} if tags is None else _canonical(tags)
    if opened is None or type(opened).__name__ == "WAVE":
        values_of = _canonical({name: [text] for name, text in audio.metadata(path).items()}) | values_of
    return values_of


def split_genres(values: Iterable[str], separators: Sequence[str] = GENRE_SEPARATORS) -> list[str]:
    """Split genres as people write them, in their order, each once; numbers of ID3v1 are named.

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
    """List a file's artists: its own, then that of its album; the word for several is none.

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
    """Take the number of a disc off an album's name.

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
        if (same := identity(name)) is not None and same not in without:
            spellings.setdefault(same, name)
    return list(spellings.values())


def _loose(path: Path) -> Any:
    """Read tags of a kind that is not its container's: APEv2 of an MP3, ID3 of AAC."""
    for kind in (APEv2, ID3):
        try:
            return kind(path)
        except mutagen.MutagenError:
            continue
    return None


def _canonical(tags: Any) -> FileTags:
    """Return the values by our names, those of the first name that a file has."""
    if isinstance(tags, mutagen.id3.ID3Tags):
        values_of = {name: _first(_frames(tags, frame) for frame in frames) for name, frames in ID3_FRAMES.items()}
        if tags.version[:2] <= SLASHED:  # type: ignore[attr-defined]
            values_of["artist"] = [part for name in values_of["artist"] for part in _split_slashed(name)]
    elif isinstance(tags, MP4Tags):
        values_of = {name: _first(_texts(tags.get(atom)) for atom in atoms) for name, atoms in MP4_ATOMS.items()}
    elif isinstance(tags, ASFTags):
        values_of = {name: _first(_texts(tags.get(key)) for key in keys) for name, keys in ASF_NAMES.items()}
    else:
        folded = {str(key).casefold(): value for key, value in dict(tags).items()}
        values_of = {name: _first(_texts(folded.get(key)) for key in keys) for name, keys in COMMENTS.items()}
    return {name: values for name, values in values_of.items() if values}


def _first(candidates: Iterable[list[str]]) -> list[str]:
    return next((values for values in candidates if values), [])


def _frames(tags: Any, frame: str) -> list[str]:
    return _texts(text for part in tags.getall(frame) for text in part.text)


def _texts(values: Any) -> list[str]:
    """Return values as text, each once; bytes are UTF-8."""
    if values is None or isinstance(values, (str, bytes)):
        values = [] if values is None else [values]
    texts = (v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
    parts = (part.strip() for text in texts for part in text.split("\0"))
    return list(dict.fromkeys(part for part in parts if part))


def _split_slashed(name: str) -> list[str]:
    parts = [part.strip() for part in name.split("/")]
    return [name] if min(map(len, parts)) <= SHORT else parts


def _split_value(value: str, separators: Sequence[str]) -> list[str]:
    """Part a value at its separators; a slash within a known name, or beside one letter, is none."""
    others = "|".join(re.escape(sign) for sign in separators if sign != "/")
    values = re.split(others, value) if others else [value]
    if "/" not in separators:
        return [part.strip() for part in values if part.strip()]
    return [part for text in values for part in _at_slashes(text.strip())]


def _at_slashes(text: str) -> list[str]:
    parts = [part.strip() for part in text.split("/")]
    whole = identity(text) in WHOLE or min(map(len, parts)) < SHORT
    return [text] if whole and text else [part for part in parts if part]
