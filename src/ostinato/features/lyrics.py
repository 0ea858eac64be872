"""Cleaned words of the lyrics; training assigns their ids.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019,
section "Metadata".
"""

import re
import string

import numpy as np

SOURCE = "lyrics"
COLUMNS = ("lyrics",)
BRACKETS = re.compile(r"\[[^\[\]]{0,40}\]|\{[^{}]{0,40}\}")
REPEATS = re.compile(r"\bx\d+\b|\b\d+x\b", re.IGNORECASE)
SECTIONS = re.compile(
    r"\b(?:pre-?chorus|chorus|refrain|verse|bridge|intro|outro|hook|interlude|instrumental|breakdown|solo)\b"
    r"(?:\s+\d+\b)?\s*:?",
    re.IGNORECASE,
)
PUNCTUATION = str.maketrans("", "", string.punctuation + "’")


def compute(text: str | None, *, min_characters: int = 30) -> np.ndarray:
    """Clean lyrics.

    Parameters
    ----------
    text : str or None
    min_characters : int
        Shorter lyrics count as an instrumental.

    Returns
    -------
    np.ndarray [shape=(n_bytes,), dtype=uint8]
        Words in UTF-8, separated by spaces, with a line feed at the end;
        only the line feed if there are no lyrics.
    """
    cleaned = " ".join(words(text or ""))
    content = cleaned if len(cleaned) >= min_characters else ""
    return np.frombuffer(f"{content}\n".encode(), np.uint8).copy()


def words(text: str) -> list[str]:
    """Split lyrics into words, without marks, repeats and section names.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str
        In lower case.

    Examples
    --------
    >>> words("[Verse 1] Don’t stop, x2" + chr(10) + "Chorus: believin'")
    ['dont', 'stop', 'believin']
    """
    for pattern in (BRACKETS, REPEATS, SECTIONS):
        text = pattern.sub(" ", text)
    return text.translate(PUNCTUATION).lower().split()
