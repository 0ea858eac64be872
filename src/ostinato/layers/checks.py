"""Checks of what an architecture is given: shapes, choices, paddings."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, cast

from ostinato.errors import OstinatoError

Shape: TypeAlias = tuple[int, int, int]
"""Channels, bins and frames."""
Padding: TypeAlias = Literal["same", "valid"]
PADDINGS = ("same", "valid")


def get_single_input(inputs: Mapping[str, Shape], name: str) -> Shape:
    """Take the shape of the only input.

    Raises
    ------
    OstinatoError
        If there is not exactly one input, or it is no (channels, bins, frames).
    """
    if len(inputs) != 1:
        raise OstinatoError(f"{name}: reads one feature; it was given {len(inputs)}: {', '.join(inputs) or 'none'}")
    feature, shape = next(iter(inputs.items()))
    if len(shape) != 3 or min(shape) < 1:
        raise OstinatoError(f"{name}: needs (channels, bins, frames) of at least 1 each; {feature} has {tuple(shape)}")
    channels, bins, frames = shape
    return channels, bins, frames


def check_choice(name: str, key: str, given: str, known: Iterable[str]) -> str:
    """Return a word if it is known, else raise OstinatoError.

    Raises
    ------
    OstinatoError
        Which says the words that there are.
    """
    if given not in known:
        raise OstinatoError(f"{name}: {key} {given!r} is not known; there are {', '.join(known)}")
    return given


def resolve_padding(padding: Padding | None, default: Padding, name: str) -> Padding:
    """Take a padding or, for None, the default; refuse a word that is no padding."""
    return default if padding is None else cast(Padding, check_choice(name, "padding", padding, PADDINGS))
