"""A finding of `ostinato doctor`."""

from typing import Literal, NamedTuple, TypeAlias

State: TypeAlias = Literal["ok", "absent", "warning", "error"]


class Finding(NamedTuple):
    """What a check says of one thing.

    Parameters
    ----------
    check : str
        Such as ``disk``.
    state : {"ok", "absent", "warning", "error"}
        absent: something optional that is not there.
    text : str
    mend : str
        What to do about it; empty where nothing is to be done.
    """

    check: str
    state: State
    text: str
    mend: str = ""
