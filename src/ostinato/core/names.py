"""Names of people, works and classes: which are the same, how each is written, and which are nearly the same.

Two spellings are one name where only case, Unicode form (composed, decomposed,
full width), white space, characters without a glyph, or the form of an apostrophe,
quotation mark or dash tell them apart. What people also write in two ways (with or
without a hyphen, "&" for "and", accents) is not folded: those spellings are
listed, and a renaming settles them.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ostinato.core.registry import instead
from ostinato.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

AND = re.compile(r"&|\band\b")
ACCENTS = re.compile("[\u0300-\u036f]")
TYPOGRAPHY = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u2032\u0060"), "'")
TYPOGRAPHY |= dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f"), '"')
TYPOGRAPHY |= dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
"""Apostrophes, quotation marks and dashes to those of a keyboard."""
SHOWN = 10
COLUMNS = ("genre", "tags", "artist")
"""What is looked through for near spellings."""
WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
"""What YAML does not read as text."""


def identity(name: object) -> str | None:
    """Return the normal form of a name, which is equal for all its spellings.

    Parameters
    ----------
    name : object
        Text; anything else is read as its text, and what is missing (None, NaN, NA) is no name.

    Returns
    -------
    str or None
        None where there is no name. The text is for comparing, not for showing.

    Examples
    --------
    >>> identity("  Sigur  Rós"), identity("SIGUR RO\u0301S"), identity("Ｓｉｇｕｒ Rós")
    ('sigur rós', 'sigur rós', 'sigur rós')
    >>> identity(float("nan")), identity("Nan"), identity(" ")
    (None, 'nan', None)

    References
    ----------
    The Unicode Standard, section 3.13, "Default Caseless Matching" (toNFKC_Casefold).
    """
    return None if _is_missing(name) else _identity(str(name))


@lru_cache(maxsize=1 << 18)
def _identity(text: str) -> str | None:
    if text.isascii():  # nothing to compose or to drop, and a large catalog is read ten times as fast
        return " ".join(text.replace("`", "'").lower().split()) or None
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
    folded = unicodedata.normalize("NFKC", visible)
    for _ in range(2):  # folding case may undo the normal form
        folded = unicodedata.normalize("NFKC", folded.casefold())
    return " ".join(folded.translate(TYPOGRAPHY).split()) or None


def are_same(a: object, b: object) -> bool:
    """Return whether two spellings are one name; what is missing is the same as nothing."""
    return identity(a) is not None and identity(a) == identity(b)


def choose_spellings(names: Iterable[object]) -> dict[str, str]:
    """Choose how each name is written: as it is most often.

    Parameters
    ----------
    names : iterable
        With repeats, also lists of names; what is missing is passed over.

    Returns
    -------
    dict of str to str
        Identity to spelling. Between spellings that are equally common one of mixed case
        is chosen, then one in lower case, then the first of the alphabet.

    Examples
    --------
    >>> choose_spellings(["rock", "ROCK", "Rock", "Jazz ", None])
    {'rock': 'Rock', 'jazz': 'Jazz'}
    """
    counts: dict[str, Counter[str]] = {}
    for name in _flat(names):
        same = identity(name)
        if same is not None:
            counts.setdefault(same, Counter())[_plain(str(name))] += 1
    return {same: min(found, key=lambda s: (-found[s], s.isupper(), s.islower(), s)) for same, found in counts.items()}


def unify(names: Iterable[object], renaming: Mapping[str, str] | None = None) -> list[Any]:
    """Write every name in one spelling.

    Parameters
    ----------
    names : iterable
        Text or, for labels of which a track has several, lists of text.
    renaming : mapping of str to str, optional
        A name, in any spelling, to the name it becomes, which is then written as here.

    Returns
    -------
    list
        In the same order; missing names are None. Lists are sorted and hold each name once.

    Examples
    --------
    >>> unify(["Rock", "rock ", "ROCK", "Rock"])
    ['Rock', 'Rock', 'Rock', 'Rock']
    >>> unify(["hiphop", "Hip-Hop"], {"HipHop": "Hip-Hop"})
    ['Hip-Hop', 'Hip-Hop']
    """
    names = list(names)
    chosen = choose_spellings(names)
    new = {identity(old): name for old, name in (renaming or {}).items()}
    chosen |= {same: new[same] for same in chosen if same in new}
    wanted = {identity(name): name for name in new.values()}
    spelling = {same: wanted.get(identity(name), name) for same, name in chosen.items()}

    def write(name: object) -> object:
        if _is_list(name):
            return sorted({spelling[s] for s in map(identity, name) if s is not None})  # type: ignore[call-overload]
        same = identity(name)
        return None if same is None else spelling[same]

    return [write(name) for name in names]


def check_renaming(renaming: Mapping[str, str], names: Iterable[object], form: str) -> None:
    """Refuse a renaming of a class that is not there.

    Parameters
    ----------
    renaming : mapping of str to str
    names : iterable
        The classes there are, with or without repeats.
    form : str
        How the message writes a renaming, such as ``"--rename {}={}"``.

    Raises
    ------
    DataError
        It names the class, and the one that may have been meant.
    """
    known = choose_spellings(names)
    for old, new in renaming.items():
        if identity(new) is None:
            raise DataError(f"{form.format(old, new)}: renames to nothing; give the class that {old!r} becomes")
        if identity(old) not in known:
            raise DataError(f"{form.format(old, new)}: no track has {old!r}; {instead(old, sorted(known.values()))}")


def find_near_spellings(names: Iterable[object]) -> list[dict[str, int]]:
    """Find names that differ only in punctuation, spaces, accents, or the way "and" is written.

    Parameters
    ----------
    names : iterable
        With repeats; also lists of names.

    Returns
    -------
    list of dict of str to int
        For each group its spellings and how often each stands, the commonest first; the
        groups of most names first.

    Examples
    --------
    >>> find_near_spellings(["Hip-Hop", "Hip-Hop", "hiphop", "HIPHOP", "Jazz", "R&B", "R and B", "RnB"])
    [{'Hip-Hop': 2, 'hiphop': 2}, {'R and B': 1, 'R&B': 1, 'RnB': 1}]
    """
    names = list(_flat(names))
    counts = Counter(same for name in names if (same := identity(name)) is not None)
    spelling = choose_spellings(names)
    groups: dict[str, list[str]] = {}
    for same in sorted(counts, key=lambda s: (-counts[s], spelling[s])):
        groups.setdefault(_skeleton(same), []).append(same)
    several = [{spelling[s]: counts[s] for s in group} for group in groups.values() if len(group) > 1]
    return sorted(several, key=lambda group: (-sum(group.values()), next(iter(group))))


def list_near_spellings(tracks: "pd.DataFrame") -> dict[str, list[dict[str, int]]]:
    """Find genres, tags and artists that may be one, for a person to decide.

    Parameters
    ----------
    tracks : DataFrame
        With `genre`, `tags` and `artist`.

    Returns
    -------
    dict of str to list of dict
        By column, groups as `find_near_spellings` gives them; columns without any are left out.
    """
    groups = {column: find_near_spellings(tracks[column]) for column in COLUMNS}
    return {column: found for column, found in groups.items() if found}


def describe_near_spellings(groups: Mapping[str, Sequence[Mapping[str, int]]]) -> list[str]:
    """Put the first groups of each column in words, and count the others.

    Parameters
    ----------
    groups : mapping
        As `list_near_spellings` gives them.

    Returns
    -------
    list of str
        A line for each.
    """
    lines = []
    for column, found in groups.items():
        lines += [format_near_spellings(column, group) for group in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"{column}: {len(found) - SHOWN} more groups of near spellings")
    return lines


def format_near_spellings(column: str, group: Mapping[str, int]) -> str:
    """Ask whether near spellings are one name, and say how to settle it.

    Parameters
    ----------
    column : {"genre", "tags", "artist"}
        What they are names of.
    group : mapping of str to int
        Spellings and their counts.

    Returns
    -------
    str

    Examples
    --------
    >>> print(format_near_spellings("genre", {"hiphop": 2, "Hip-Hop": 3}))
    genre: Hip-Hop (3), hiphop (2) may be one; if so, dataset.rename: {hiphop: Hip-Hop}
    """
    ordered = sorted(group, key=lambda name: (-group[name], name))
    counts = ", ".join(f"{name} ({group[name]})" for name in ordered)
    commonest, *others = map(_quote, ordered)
    renaming = ", ".join(f"{name}: {commonest}" for name in others)
    mend = "spell them alike" if column == "artist" else f"dataset.rename: {{{renaming}}}"
    return f"{column}: {counts} may be one; if so, {mend}"


def _quote(name: str) -> str:
    """Write a name as a key or value of YAML's braces.

    >>> _quote("Hip-Hop"), _quote("Pop: Rock"), _quote("no")
    ('Hip-Hop', '"Pop: Rock"', '"no"')
    """
    is_plain = re.fullmatch(r"[^\W\d_][\w &/'+.-]*", name) and name.lower() not in WORDS
    return name if is_plain else json.dumps(name, ensure_ascii=False)


def _skeleton(same: str) -> str:
    """Take from an identity all that people leave out or write in two ways."""
    bare = ACCENTS.sub("", unicodedata.normalize("NFD", AND.sub(" n ", same)))
    return "".join(c for c in bare if c.isalnum() or unicodedata.category(c).startswith("M")) or same


def _flat(names: Iterable[Any]) -> Iterable[object]:
    for name in names:
        if _is_list(name):
            yield from name
        else:
            yield name


def _plain(text: str) -> str:
    """Write a name as it is, but for its Unicode form and white space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _is_list(cell: object) -> bool:
    return isinstance(cell, Iterable) and not isinstance(cell, str)


def _is_missing(name: object) -> bool:
    try:
        return name is None or bool(name != name)
    except TypeError:  # the NA of pandas is neither equal nor unequal
        return True
