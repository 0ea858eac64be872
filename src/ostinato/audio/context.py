"""A decoded clip with cached intermediate results, shared by all features."""

import inspect
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

import numpy as np
import soxr

from ostinato.errors import DataError


class AudioContext:
    """A decoded clip with cached results.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
        Mono.
    sample_rate : int
        In Hz.

    Raises
    ------
    DataError
        If there are no samples, or one is NaN or infinite.
    """

    def __init__(self, y: np.ndarray, sample_rate: int) -> None:
        self.y = np.ascontiguousarray(y, np.float32)
        self.sample_rate = sample_rate
        self._cache: dict[Hashable, Any] = {}
        if self.y.ndim != 1 or not self.y.size:
            raise DataError(f"audio of shape {self.y.shape}: needs one channel and at least one sample")
        if not np.isfinite(self.y).all():
            raise DataError("audio has samples that are NaN or infinite; repair or remove the file")

    def resample(self, sample_rate: int | None) -> "AudioContext":
        """Return the clip at another rate, resampled once.

        Parameters
        ----------
        sample_rate : int or None
            In Hz; None: unchanged.
        """
        if sample_rate in (None, self.sample_rate):
            return self
        return self.compute(_resample, sample_rate=sample_rate)

    def compute(self, function: Callable[..., Any], **parameters: Hashable) -> Any:
        """Compute ``function(self, **parameters)``, once, and cache the result.

        Parameters
        ----------
        function : callable
        **parameters
            Its keyword arguments; those omitted have their defaults.
        """
        key = (function, *sorted((_defaults(function) | parameters).items()))
        if key not in self._cache:
            self._cache[key] = function(self, **parameters)
        return self._cache[key]


@lru_cache(maxsize=64)
def _defaults(function: Callable[..., Any]) -> dict[str, Hashable]:
    """Return the keyword defaults of a function."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _resample(context: AudioContext, *, sample_rate: int) -> AudioContext:
    """Resample a clip to at least one sample."""
    y = soxr.resample(context.y, context.sample_rate, sample_rate)
    return AudioContext(y if y.size else context.y[:1], sample_rate)
