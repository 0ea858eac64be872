r"""Escape names of files, labels and tags for terminals and spreadsheets.

Terminals obey control characters, and spreadsheets evaluate cells that begin like
formulas. Both are escaped to plain text, and tables can be read back.
"""

import re

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, line separators, and marks that reverse the text direction."""
CONTROL_IN_LINES = re.compile(CONTROL.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
"""The same without tabs and line feeds."""
FORMULA = re.compile(r"'*[=+\-@\t\r\n].")


def escape_line(text: str) -> str:
    r"""Write control characters of one line as ``\uXXXX``, as JSON does.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(escape_line("a\x1b[2J.mp3\nb"))
    a\u001b[2J.mp3\u000ab
    """
    return CONTROL.sub(_name, text)


def escape_lines(text: str) -> str:
    """Write control characters other than tabs and line feeds as `escape_line` does."""
    return CONTROL_IN_LINES.sub(_name, text)


def escape_cell(value: object) -> object:
    """Prefix text that a spreadsheet would evaluate as a formula with an apostrophe.

    Parameters
    ----------
    value : object
        Anything but text is returned unchanged.

    Examples
    --------
    >>> escape_cell("=1+1"), escape_cell("'=1+1"), escape_cell("a=1"), escape_cell("-"), escape_cell(-0.5)
    ("'=1+1", "''=1+1", 'a=1', '-', -0.5)
    """
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def unescape_cell(text: str) -> str:
    """Read text that `escape_cell` wrote.

    Examples
    --------
    >>> unescape_cell("'=1+1"), unescape_cell("''=1+1"), unescape_cell("'tis")
    ('=1+1', "'=1+1", "'tis")
    """
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _name(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
