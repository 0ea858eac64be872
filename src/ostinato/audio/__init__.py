"""Audio files: decode them, and know what their headers promise."""

from ostinato.audio.decode import (
    BLOCK,
    FIXED_RATE,
    MAX_SAMPLES,
    MAX_SECONDS,
    SUFFIXES,
    Stream,
    capped,
    load,
    metadata,
    mono,
    open_stream,
    resampler,
)

__all__ = [
    "BLOCK",
    "FIXED_RATE",
    "MAX_SAMPLES",
    "MAX_SECONDS",
    "SUFFIXES",
    "Stream",
    "capped",
    "load",
    "metadata",
    "mono",
    "open_stream",
    "resampler",
]
