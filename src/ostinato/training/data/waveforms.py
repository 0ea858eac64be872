"""Chunks of waveforms for the front end of training; evaluation reads the cached feature."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch

from ostinato.cache.store import Store
from ostinato.core.params.training import Train
from ostinato.errors import ParamsError
from ostinato.training.augment import reach
from ostinato.training.data.sources import Arrays, Features, Source, Statistics
from ostinato.training.front_end import FrontEnd

BITS = 15
"""Samples are stored as multiples of 2 ** (k - 15), where the first row is k; see `ostinato.features.waveform`."""
BLOCK = 1024
"""Frames per block when computing the loudness."""


@dataclass(frozen=True)
class Waveforms:
    """Chunks of a feature: waveforms in training, the cache otherwise.

    Parameters
    ----------
    features : Features
        The cached feature.
    samples : sequence of np.ndarray [shape=(1 + n_samples,), dtype=int16]
        Each track's waveform, memory-mapped.
    feature : str
        Module that computes the feature.
    parameters : mapping
        Arguments of its ``compute``.
    augmentations : tuple of str
    """

    features: Features
    samples: Sequence[np.ndarray]
    feature: str
    parameters: Mapping[str, Any]
    augmentations: tuple[str, ...] = ()
    _loudness: dict[int, float] = field(default_factory=dict, compare=False)

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Shape of the feature."""
        return self.features.inputs

    @property
    def statistics(self) -> Statistics:
        """Fitted statistics of the cached feature."""
        return self.features.statistics

    def fit(self, train: np.ndarray) -> "Waveforms":
        """Fit the cached feature on these tracks."""
        return replace(self, features=self.features.fit(train))

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Cut chunks of the cached feature."""
        return self.features.chunks(track, n_chunks)

    def make_front_end(self) -> FrontEnd:
        """Create the module that computes chunks of the feature from `crops`."""
        mean, std = (None if x is None else x.tolist() for x in (self.features.mean, self.features.std))
        return FrontEnd(self.feature, self.parameters, self.features.how, mean, std, self.augmentations)

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Cut the waveform of one chunk of each track.

        Parameters
        ----------
        tracks : np.ndarray [shape=(batch,)]
        where : np.ndarray [shape=(batch,)]
            Relative position in the track, from 0 to 1.

        Returns
        -------
        tuple of np.ndarray
            Arguments of `FrontEnd.forward`: waveforms, loudness, number of frames, levels.
        """
        front_end, ratio = self._front_end, reach(self.augmentations)
        n_frames = np.array([len(self.features.rows[i]) for i in tracks])
        first = np.floor(where * (np.maximum(n_frames - math.ceil(self.features.chunk_frames * ratio), 0) + 1))
        n_samples = front_end.n_samples(self.features.chunk_frames)
        n_samples += math.ceil(n_samples * (ratio - 1))
        positions = [(int(i), int(f)) for i, f in zip(tracks, first, strict=True)]
        x = np.stack([self._section(i, f, n_samples) for i, f in positions])
        loudness = np.array([self._loudest(i) for i, _ in positions], np.float32)
        levels = self.features.levels(tracks).T if self.features.how == "track" else np.ones((len(x), 2), np.float32)
        return x, loudness, n_frames, levels

    @cached_property
    def _front_end(self) -> FrontEnd:
        """A front end on the CPU."""
        return self.make_front_end()

    def _section(self, track: int, frame: int, n_samples: int) -> np.ndarray:
        """Cut a waveform from the first sample of a frame, padded beyond its ends like the feature."""
        rows = self.samples[track]
        n, start = len(rows) - 1, frame * self.parameters["hop_length"] - self.parameters["n_fft"] // 2
        if start >= 0 and start + n_samples <= n:
            y = rows[1 + start : 1 + start + n_samples].astype(np.float32)
        else:
            indices = np.arange(start, start + n_samples)
            mirrored = (n - 1) - np.abs((n - 1) - indices % max(2 * (n - 1), 1))
            y = rows[1 + mirrored].astype(np.float32)
            if self._front_end.recipe.pad == "constant":
                y[(indices < 0) | (indices >= n)] = 0
        y *= np.float32(2.0 ** (int(rows[0]) - BITS))
        return cast(np.ndarray, y)

    def _loudest(self, track: int) -> float:
        """Compute the maximum of a track in dB, cached."""
        front_end = self._front_end
        if front_end.recipe.scaling == "logarithm":
            return 0.0
        if track not in self._loudness:
            n_frames = len(self.features.rows[track])
            blocks = [(f, front_end.n_samples(min(BLOCK, n_frames - f))) for f in range(0, n_frames, BLOCK)]
            parts = [torch.from_numpy(self._section(track, f, n)[None]) for f, n in blocks]
            with torch.inference_mode():
                self._loudness[track] = max(float(front_end.compute_loudness(part)) for part in parts)
        return self._loudness[track]


def open_waveforms(cached: Source, stores: Mapping[str, Store], train: Train, track_ids: Sequence[str]) -> Waveforms:
    """Open the waveforms for a cached feature.

    Parameters
    ----------
    cached : Source
        Cached feature of one kind.
    stores : mapping of str to Store
        Caches of the feature and of the waveform.
    train : Train
    track_ids : sequence of str

    Returns
    -------
    Waveforms

    Raises
    ------
    ParamsError
        If torchaudio cannot compute the feature, the waveform has another sample
        rate, or training is in half precision throughout.
    """
    if not isinstance(cached, Features):
        raise ParamsError("train.front_end: waveform computes audio features; set front_end: cache for this candidate")
    (name, store), metadata = next((k, s) for k, s in stores.items() if k != cached.kind), stores[cached.kind].meta
    feature, parameters = metadata.get("module", cached.kind), metadata["parameters"]
    source = Waveforms(cached, [store.read(i) for i in track_ids], feature, parameters, tuple(train.augment))
    source.make_front_end()
    expected, rate = parameters["sample_rate"], store.meta["parameters"]["sample_rate"]
    if expected != rate:
        kind = f"waveform_{expected}"
        raise ParamsError(
            f"train.front_end: {cached.kind} is computed at {expected} Hz, but {name} has {rate} Hz; read "
            f"{cached.kind}+{kind}, with `{kind}: {{kind: waveform, sample_rate: {expected}}}` "
            f"and `{cached.kind}+{kind}: {{}}` in features.kinds"
        )
    if train.precision in ("bf16-true", "16-true"):
        mixed = train.precision.replace("true", "mixed")
        raise ParamsError(f"train.front_end: waveforms need single precision; set precision: {mixed}")
    return source
