"""Audio files: decoding, headers, listing and measurement."""

from ostinato.audio.decode import (
    BLOCK,
    FIXED_RATE,
    MAX_SAMPLES,
    MAX_SECONDS,
    Stream,
    limit_blocks,
    load,
    metadata,
    mono,
    open_stream,
    resampler,
)
from ostinato.audio.listing import SUFFIXES, Listing, Skipped, find_audio, is_audio
from ostinato.audio.snapshot import ABSENCE, Identity, Snapshot, open_snapshot

__all__ = [
    "ABSENCE",
    "BLOCK",
    "FIXED_RATE",
    "MAX_SAMPLES",
    "MAX_SECONDS",
    "SUFFIXES",
    "Identity",
    "Listing",
    "Skipped",
    "Snapshot",
    "Stream",
    "find_audio",
    "is_audio",
    "limit_blocks",
    "load",
    "metadata",
    "mono",
    "open_snapshot",
    "open_stream",
    "resampler",
]
