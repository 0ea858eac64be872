"""Sources of a track's genre: folder, file tags or table, and where they disagree."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ostinato.core.names import identity
from ostinato.curation.remarks import Remark, make_remark
from ostinato.datasets._file_tags import VARIOUS_ARTISTS, FileTags, is_disc, strip_disc

MIN_PEOPLE_SHARE = 0.5
"""Folders are named after artists or albums if this is so for more than this share of the files."""
MIN_COMMON_SHARE = 0.1
"""Folders are compared with another source if it has this share of their names as genres."""

Genres = Sequence[Sequence[str]]


def read_folder_genre(path: str, depth: int) -> str | None:
    """Return the folder that names a file's genre; disc folders of an album do not count.

    Parameters
    ----------
    path : str
        Below the root, POSIX.
    depth : int
        1: the first folder below the root; -1: the one that holds the file.

    Returns
    -------
    str or None
        None if there is no such folder.

    Examples
    --------
    >>> read_folder_genre("rock/CD1/a.wav", 1), read_folder_genre("A/rock/Disc 2/a.wav", -1)
    ('rock', 'rock')
    >>> read_folder_genre("a.wav", 1), read_folder_genre("CD1/a.wav", 1)
    (None, None)
    """
    folders = [part for part in PurePosixPath(path).parts[:-1] if not is_disc(part)]
    position = depth - 1 if depth > 0 else depth
    return folders[position] if -len(folders) <= position < len(folders) else None


def are_people(folders: Sequence[str | None], tags: Sequence[FileTags]) -> bool:
    """Return whether folders are named after artists or albums, judged by the files' tags.

    Parameters
    ----------
    folders : sequence of str or None
    tags : sequence of FileTags
        Of the same files.

    Returns
    -------
    bool
    """
    pairs = [(identity(folder), tag) for folder, tag in zip(folders, tags, strict=True) if folder and tag]
    hits = sum(folder in VARIOUS_ARTISTS or folder in _people(tag) for folder, tag in pairs)
    return bool(pairs) and hits > MIN_PEOPLE_SHARE * len(pairs)


def choose_source(genres_of: Mapping[str, Genres], tags: Sequence[FileTags]) -> str:
    """Choose the default source of genres: the table, else folders, unless named after artists.

    Parameters
    ----------
    genres_of : mapping of str to list of list of str
        Genres of each file, by source.
    tags : sequence of FileTags
        Empty if tags are not read.

    Returns
    -------
    str
        A key of `genres_of`.
    """
    if "table" in genres_of:
        return "table"
    if "tags" not in genres_of or not any(genres_of["tags"]):
        return "folder"
    folders = [genres[0] if genres else None for genres in genres_of["folder"]]
    single = len({identity(folder) for folder in folders if folder}) < 2
    return "tags" if single or are_people(folders, tags) else "folder"


def compare_sources(source: str, genres_of: Mapping[str, Genres], paths: Sequence[str]) -> list[Remark]:
    """Count the files whose sources disagree, and those with several genres.

    Parameters
    ----------
    source : str
        Where genres come from.
    genres_of : mapping of str to list of list of str
    paths : sequence of str

    Returns
    -------
    list of dict
    """
    remarks = []
    for other in (name for name in genres_of if name != source and _is_comparable(name, genres_of, source)):
        both = [(p, a, b) for p, a, b in zip(paths, genres_of[source], genres_of[other], strict=True) if a and b]
        conflicts = [(p, a, b) for p, a, b in both if not _identities(a) & _identities(b)]
        examples = (f"{p}: {source} {_join(a)}, {other} {_join(b)}" for p, a, b in conflicts)
        what = f"files whose {other} and {source} disagree on the genre ({source} counts)"
        remarks.append(make_remark(what, len(conflicts), len(both), examples))
    several = [(p, genres) for p, genres in zip(paths, genres_of[source], strict=True) if len(genres) > 1]
    what = "files with several genres, of which the first is the class"
    remarks.append(make_remark(what, len(several), len(paths), (f"{p}: {_join(g)}" for p, g in several)))
    return remarks


def _is_comparable(other: str, genres_of: Mapping[str, Genres], source: str) -> bool:
    """Return whether two sources name genres alike; folders may have other names."""
    if "folder" not in (other, source):
        return True
    folders = {genre_id for genres in genres_of["folder"] for genre_id in _identities(genres)}
    elsewhere = {
        genre_id for genres in genres_of[other if source == "folder" else source] for genre_id in _identities(genres)
    }
    return len(folders & elsewhere) >= MIN_COMMON_SHARE * max(len(folders), 1)


def _people(tags: FileTags) -> set[str | None]:
    names = [*tags.get("artist", []), *tags.get("albumartist", []), *tags.get("album", [])]
    return {identity(name) for name in (*names, *map(strip_disc, tags.get("album", [])))}


def _identities(genres: Sequence[str]) -> set[str | None]:
    return {identity(genre) for genre in genres}


def _join(genres: Sequence[str]) -> str:
    return " + ".join(genres)
