"""Inputs of networks: their source, feature and chunking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Input:
    """How one input of a network is computed from a track.

    Parameters
    ----------
    feature : str
        Module of features/ that computes it.
    source : str
        Data of a track it is computed from.
    parameters : mapping
        Keyword arguments of the module's `compute`.
    normalise : {"none", "frame", "track", "train"}
    chunk_frames : int, optional
        Frames per chunk; None: the whole track.
    bins, channels : int
    summary : bool
        Statistics over the track instead of chunks.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    feature: str
    source: str = "audio"
    parameters: Mapping[str, Any]
    normalise: str = "none"
    chunk_frames: int | None = None
    bins: int
    channels: int = 1
    summary: bool = False
