"""Names of features: one kind, or several joined by a plus sign."""

from collections.abc import Mapping
from typing import Any

JOIN = "+"
SAMPLES = "waveform"
"""The kind whose rows are samples; the front end of training reads it, no network does."""
NUMBERS = ("table", "attributes")
"""Sources whose features are numbers."""


def parts(feature: str) -> tuple[str, ...]:
    """Name the kinds that a feature is made of, in the order a network reads them.

    Examples
    --------
    >>> parts("mel+cqt"), parts("mel")
    (('mel', 'cqt'), ('mel',))
    """
    return tuple(feature.split(JOIN))


def network_kinds(feature: str, kinds: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, ...]:
    """Name the kinds of a feature that a network reads: all but the waveform, which only training reads.

    Parameters
    ----------
    feature : str
    kinds : mapping
        Section `features.kinds`.

    Examples
    --------
    >>> network_kinds("mel+waveform", {"mel": {}, "waveform": {}})
    ('mel',)
    """
    return tuple(kind for kind in parts(feature) if (kinds.get(kind) or {}).get("kind", kind) != SAMPLES)
