"""Names of features: one kind, or several joined by a plus sign."""

from collections.abc import Mapping
from typing import Any

JOIN = "+"
SAMPLES = "waveform"
"""The kind whose rows are samples; only the front end of training reads it."""
NUMBERS = ("table", "attributes")
"""Sources of numeric features."""


def parts(feature: str) -> tuple[str, ...]:
    """List the kinds of a feature, in the order a network reads them.

    Examples
    --------
    >>> parts("mel+cqt"), parts("mel")
    (('mel', 'cqt'), ('mel',))
    """
    return tuple(feature.split(JOIN))


def network_kinds(feature: str, kinds: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, ...]:
    """List the kinds that a network reads: all but the waveform, which only training reads.

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
