"""Audio files: decode them, and know what their headers promise."""

from ostinato.audio.decode import (
    BLOCK,
    FIXED_RATE,
    MAX_SAMPLES,
    MAX_SECONDS,
    Stream,
    capped,
    load,
    metadata,
    mono,
    open_stream,
    resampler,
)
from ostinato.audio.listing import SUFFIXES, Listing, Skipped, find_audio, is_audio

__all__ = [
    "BLOCK",
    "FIXED_RATE",
    "MAX_SAMPLES",
    "MAX_SECONDS",
    "SUFFIXES",
    "Listing",
    "Skipped",
    "Stream",
    "capped",
    "find_audio",
    "is_audio",
    "load",
    "metadata",
    "mono",
    "open_stream",
    "resampler",
]
