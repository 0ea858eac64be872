"""Names of people, works and classes: identity, spelling and near duplicates.

Two spellings are one name if they differ only in case, Unicode form (composed,
decomposed, full width), white space, invisible characters, or the form of an
apostrophe, quotation mark or dash. Other variants (with or without a hyphen, "&" for
"and", accents) are not folded: they are listed, and a renaming resolves them.
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
MAX_GROUPS = 10
COLUMNS = ("genre", "tags", "artist")
"""Columns searched for near spellings."""
WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
"""Words that YAML does not read as text."""


def identity(name: object) -> str | None:
    """Return the normal form of a name, equal for all its spellings.

    Parameters
    ----------
    name : object
        Text; other values are converted to text, and missing ones (None, NaN, NA) are no name.

    Returns
    -------
    str or None
        None without a name. The text is for comparison, not for display.

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
    if text.isascii():  # nothing to normalise; ten times as fast for a large catalog
        return " ".join(text.replace("`", "'").lower().split()) or None
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
    folded = unicodedata.normalize("NFKC", visible)
    for _ in range(2):  # folding case may undo the normal form
        folded = unicodedata.normalize("NFKC", folded.casefold())
    return " ".join(folded.translate(TYPOGRAPHY).split()) or None


def are_same(a: object, b: object) -> bool:
    """Return whether two spellings are one name; missing names equal nothing."""
    return identity(a) is not None and identity(a) == identity(b)


def choose_spellings(names: Iterable[object]) -> dict[str, str]:
    """Choose the most frequent spelling of each name.

    Parameters
    ----------
    names : iterable
        With repeats, also lists of names; missing ones are ignored.

    Returns
    -------
    dict of str to str
        Identity to spelling. Ties go to mixed case, then lower case, then alphabetical
        order.

    Examples
    --------
    >>> choose_spellings(["rock", "ROCK", "Rock", "Jazz ", None])
    {'rock': 'Rock', 'jazz': 'Jazz'}
    """
    counts: dict[str, Counter[str]] = {}
    for name in _flat(names):
        key = identity(name)
        if key is not None:
            counts.setdefault(key, Counter())[_plain(str(name))] += 1
    return {key: min(n, key=lambda s: (-n[s], s.isupper(), s.islower(), s)) for key, n in counts.items()}


def unify(names: Iterable[object], renaming: Mapping[str, str] | None = None) -> list[Any]:
    """Replace every name by one spelling.

    Parameters
    ----------
    names : iterable
        Text, or lists of text for multiple labels.
    renaming : mapping of str to str, optional
        A name, in any spelling, to its new name, spelled as given.

    Returns
    -------
    list
        In the same order; missing names are None. Lists are sorted and unique.

    Examples
    --------
    >>> unify(["Rock", "rock ", "ROCK", "Rock"])
    ['Rock', 'Rock', 'Rock', 'Rock']
    >>> unify(["hiphop", "Hip-Hop"], {"HipHop": "Hip-Hop"})
    ['Hip-Hop', 'Hip-Hop']
    """
    names = list(names)
    spellings = choose_spellings(names)
    new = {identity(old): name for old, name in (renaming or {}).items()}
    spellings |= {key: new[key] for key in spellings if key in new}
    replacements = {identity(name): name for name in new.values()}
    spelling = {key: replacements.get(identity(name), name) for key, name in spellings.items()}

    def write(name: object) -> object:
        if _is_list(name):
            return sorted({spelling[s] for s in map(identity, name) if s is not None})  # type: ignore[call-overload]
        key = identity(name)
        return None if key is None else spelling[key]

    return [write(name) for name in names]


def check_renaming(renaming: Mapping[str, str], names: Iterable[object], form: str) -> None:
    """Refuse a renaming of a class that does not exist.

    Parameters
    ----------
    renaming : mapping of str to str
    names : iterable
        Existing classes, with or without repeats.
    form : str
        Format of a renaming in messages, such as ``"--rename {}={}"``.

    Raises
    ------
    DataError
        With the class and its closest match.
    """
    spellings = choose_spellings(names)
    for old, new in renaming.items():
        if identity(new) is None:
            raise DataError(f"{form.format(old, new)}: renames to nothing; give the class that {old!r} becomes")
        if identity(old) not in spellings:
            hint = instead(old, sorted(spellings.values()))
            raise DataError(f"{form.format(old, new)}: no track has {old!r}; {hint}")


def find_near_spellings(names: Iterable[object]) -> list[dict[str, int]]:
    """Find names that differ only in punctuation, spaces, accents, or the way "and" is written.

    Parameters
    ----------
    names : iterable
        With repeats; also lists of names.

    Returns
    -------
    list of dict of str to int
        Spellings and counts of each group, the most frequent first; largest groups first.

    Examples
    --------
    >>> find_near_spellings(["Hip-Hop", "Hip-Hop", "hiphop", "HIPHOP", "Jazz", "R&B", "R and B", "RnB"])
    [{'Hip-Hop': 2, 'hiphop': 2}, {'R and B': 1, 'R&B': 1, 'RnB': 1}]
    """
    names = list(_flat(names))
    counts = Counter(key for name in names if (key := identity(name)) is not None)
    spelling = choose_spellings(names)
    groups: dict[str, list[str]] = {}
    for key in sorted(counts, key=lambda s: (-counts[s], spelling[s])):
        groups.setdefault(_skeleton(key), []).append(key)
    result = [{spelling[s]: counts[s] for s in group} for group in groups.values() if len(group) > 1]
    return sorted(result, key=lambda group: (-sum(group.values()), next(iter(group))))


def list_near_spellings(tracks: "pd.DataFrame") -> dict[str, list[dict[str, int]]]:
    """Find near spellings among genres, tags and artists, for a person to resolve.

    Parameters
    ----------
    tracks : DataFrame
        With `genre`, `tags` and `artist`.

    Returns
    -------
    dict of str to list of dict
        Groups by column, as from `find_near_spellings`; columns without any are omitted.
    """
    groups = {column: find_near_spellings(tracks[column]) for column in COLUMNS}
    return {column: near for column, near in groups.items() if near}


def describe_near_spellings(groups: Mapping[str, Sequence[Mapping[str, int]]]) -> list[str]:
    """Describe the first groups of each column, and count the others.

    Parameters
    ----------
    groups : mapping
        As from `list_near_spellings`.

    Returns
    -------
    list of str
        One line per group.
    """
    lines = []
    for column, near in groups.items():
        lines += [format_near_spellings(column, group) for group in near[:MAX_GROUPS]]
        if len(near) > MAX_GROUPS:
            lines.append(f"{column}: {len(near) - MAX_GROUPS} more groups of near spellings")
    return lines


def format_near_spellings(column: str, group: Mapping[str, int]) -> str:
    """Ask whether near spellings are one name, with the way to merge them.

    Parameters
    ----------
    column : {"genre", "tags", "artist"}
        Column of the names.
    group : mapping of str to int
        Spellings and their counts.

    Returns
    -------
    str

    Examples
    --------
    >>> print(format_near_spellings("genre", {"hiphop": 2, "Hip-Hop": 3}))
    genre: Hip-Hop (3), hiphop (2) may be the same; if so, dataset.rename: {hiphop: Hip-Hop}
    """
    ordered = sorted(group, key=lambda name: (-group[name], name))
    counts = ", ".join(f"{name} ({group[name]})" for name in ordered)
    commonest, *variants = map(_quote, ordered)
    renaming = ", ".join(f"{name}: {commonest}" for name in variants)
    advice = "give them one spelling" if column == "artist" else f"dataset.rename: {{{renaming}}}"
    return f"{column}: {counts} may be the same; if so, {advice}"


def _quote(name: str) -> str:
    """Quote a name for YAML's flow style, if needed.

    >>> _quote("Hip-Hop"), _quote("Pop: Rock"), _quote("no")
    ('Hip-Hop', '"Pop: Rock"', '"no"')
    """
    is_plain = re.fullmatch(r"[^\W\d_][\w &/'+.-]*", name) and name.lower() not in WORDS
    return name if is_plain else json.dumps(name, ensure_ascii=False)


def _skeleton(key: str) -> str:
    """Reduce an identity to letters and digits, without accents and "and"."""
    bare = ACCENTS.sub("", unicodedata.normalize("NFD", AND.sub(" n ", key)))
    return "".join(c for c in bare if c.isalnum() or unicodedata.category(c).startswith("M")) or key


def _flat(names: Iterable[Any]) -> Iterable[object]:
    for name in names:
        if _is_list(name):
            yield from name
        else:
            yield name


def _plain(text: str) -> str:
    """Normalise the Unicode form and white space of a name."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _is_list(cell: object) -> bool:
    return isinstance(cell, Iterable) and not isinstance(cell, str)


def _is_missing(name: object) -> bool:
    try:
        return name is None or bool(name != name)
    except TypeError:  # the NA of pandas is neither equal nor unequal
        return True
