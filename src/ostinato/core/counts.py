"""Counts with their nouns."""


def format_count(n: int, noun: str) -> str:
    """Format a number with its noun, whose plural ends in s, or es after s.

    Examples
    --------
    >>> format_count(1, "track"), format_count(1200, "track"), format_count(0, "class")
    ('1 track', '1,200 tracks', '0 classes')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"
