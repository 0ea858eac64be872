"""Checks of an architecture's arguments: shapes, choices, padding."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, cast

from ostinato.errors import OstinatoError

Shape: TypeAlias = tuple[int, int, int]
"""Channels, bins and frames."""
Padding: TypeAlias = Literal["same", "valid"]
PADDINGS = ("same", "valid")


def get_single_input(inputs: Mapping[str, Shape], name: str) -> Shape:
    """Return the shape of the only input.

    Raises
    ------
    OstinatoError
        If there is not exactly one input, or its shape is not (channels, bins, frames).
    """
    if len(inputs) != 1:
        raise OstinatoError(f"{name}: needs one feature, got {len(inputs)}: {', '.join(inputs) or 'none'}")
    feature, shape = next(iter(inputs.items()))
    if len(shape) != 3 or min(shape) < 1:
        raise OstinatoError(f"{name}: needs (channels, bins, frames) of at least 1 each; {feature} has {tuple(shape)}")
    channels, bins, frames = shape
    return channels, bins, frames


def check_choice(name: str, key: str, value: str, choices: Iterable[str]) -> str:
    """Return a value if it is one of the choices.

    Raises
    ------
    OstinatoError
        Otherwise; the message lists the choices.
    """
    if value not in choices:
        raise OstinatoError(f"{name}: {key} {value!r} is unknown; there are {', '.join(choices)}")
    return value


def resolve_padding(padding: Padding | None, default: Padding, name: str) -> Padding:
    """Return a padding or, for None, the default; refuse unknown values."""
    return default if padding is None else cast(Padding, check_choice(name, "padding", padding, PADDINGS))
