"""Names, titles and lyrics of invented words; every artist has a vocabulary besides that of the genre."""

import itertools

import numpy as np

ONSETS = ("b", "br", "d", "f", "fl", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v")
NUCLEI = ("a", "e", "i", "o", "u", "ai", "ou", "ea")
CODAS = ("", "n", "l", "r")
SYLLABLES = tuple("".join(s) for s in itertools.product(ONSETS, NUCLEI, CODAS))
COMMON = ("the", "and", "you", "of", "in", "my", "we", "to", "all", "night", "light", "away")


def proper_name(seed: int, index: int) -> str:
    """Name an artist; names are unique for a seed.

    Parameters
    ----------
    seed : int
    index : int
        Below 512**3, about 134 million.

    Returns
    -------
    str

    Examples
    --------
    >>> proper_name(0, 1) != proper_name(0, 2)
    True
    """
    n = len(SYLLABLES)
    number = (index * 48271 + seed * 7919 + 12345) * 69621 % (n**3 - 1)
    first, second, third = number // n**2, number // n % n, number % n
    return f"{SYLLABLES[first]}{SYLLABLES[second]} {SYLLABLES[third]}{SYLLABLES[index % n]}".title()


def vocabulary(rng: np.random.Generator, n: int) -> list[str]:
    """Invent words of one to three syllables.

    Parameters
    ----------
    rng : Generator
    n : int

    Returns
    -------
    list of str [length=n]
    """
    lengths = rng.integers(1, 4, n)
    return ["".join(SYLLABLES[i] for i in rng.integers(0, len(SYLLABLES), k)) for k in lengths]


def lyrics(rng: np.random.Generator, own: list[str], shared: list[str]) -> str:
    """Write verses and a chorus.

    Parameters
    ----------
    rng : Generator
    own : list of str
        The artist's words.
    shared : list of str
        The genre's words.

    Returns
    -------
    str
        With section names in brackets, as on lyrics sites.
    """

    def line() -> str:
        source = rng.choice(3, int(rng.integers(4, 8)), p=(0.35, 0.3, 0.35))
        words: tuple[list[str], ...] = (list(COMMON), shared, own)
        return " ".join(words[s][min(int(rng.zipf(1.4)) - 1, len(words[s]) - 1)] for s in source)

    def lines(n: int) -> str:
        return "\n".join(line() for _ in range(n))

    chorus = f"[Chorus]\n{lines(3)}"
    return "\n\n".join((f"[Verse 1]\n{lines(4)}", chorus, f"[Verse 2]\n{lines(4)}", chorus)) + "\n"


def title(rng: np.random.Generator, own: list[str]) -> str:
    """Make a title of an album or a track from one to three of the artist's words."""
    return " ".join(rng.choice(own, int(rng.integers(1, 4)))).title()
