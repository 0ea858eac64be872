"""Chunks of waveforms for the front end of training; what is not trained on comes from the cached feature."""

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
"""Frames of which the loudest value is computed at once."""


@dataclass(frozen=True)
class Waveforms:
    """Chunks of a feature: of waveforms for training, from the cache for all else.

    Parameters
    ----------
    features : Features
        The cached feature.
    samples : sequence of np.ndarray [shape=(1 + n_samples,), dtype=int16]
        Each track's waveform, memory-mapped.
    feature : str
        The module that computes the feature.
    parameters : mapping
        Of its ``compute``.
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
        """What was fitted to the cached feature."""
        return self.features.statistics

    def fit(self, train: np.ndarray) -> "Waveforms":
        """Fit the cached feature on these tracks."""
        return replace(self, features=self.features.fit(train))

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Cut chunks of the cached feature."""
        return self.features.chunks(track, n_chunks)

    def make_front_end(self) -> FrontEnd:
        """Make what turns `crops` into chunks of the feature."""
        mean, std = (None if x is None else x.tolist() for x in (self.features.mean, self.features.std))
        return FrontEnd(self.feature, self.parameters, self.features.how, mean, std, self.augmentations)

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Cut the waveform under one chunk of each track.

        Parameters
        ----------
        tracks : np.ndarray [shape=(batch,)]
        where : np.ndarray [shape=(batch,)]
            From 0 to 1 along the track.

        Returns
        -------
        tuple of np.ndarray
            What `FrontEnd.forward` takes: waveforms, loudness, number of frames, levels.
        """
        front_end, longer = self._front_end, reach(self.augmentations)
        n_frames = np.array([len(self.features.rows[i]) for i in tracks])
        first = np.floor(where * (np.maximum(n_frames - math.ceil(self.features.chunk_frames * longer), 0) + 1))
        n_samples = front_end.n_samples(self.features.chunk_frames)
        n_samples += math.ceil(n_samples * (longer - 1))
        places = [(int(i), int(f)) for i, f in zip(tracks, first, strict=True)]
        x = np.stack([self._section(i, f, n_samples) for i, f in places])
        loudness = np.array([self._loudest(i) for i, _ in places], np.float32)
        levels = self.features.levels(tracks).T if self.features.how == "track" else np.ones((len(x), 2), np.float32)
        return x, loudness, n_frames, levels

    @cached_property
    def _front_end(self) -> FrontEnd:
        """Make one that stays on the processor."""
        return self.make_front_end()

    def _section(self, track: int, frame: int, n_samples: int) -> np.ndarray:
        """Cut a waveform from the first sample of a frame on; beyond the ends it is what the feature takes it for."""
        rows = self.samples[track]
        n, start = len(rows) - 1, frame * self.parameters["hop_length"] - self.parameters["n_fft"] // 2
        if start >= 0 and start + n_samples <= n:
            y = rows[1 + start : 1 + start + n_samples].astype(np.float32)
        else:
            place = np.arange(start, start + n_samples)
            mirrored = (n - 1) - np.abs((n - 1) - place % max(2 * (n - 1), 1))
            y = rows[1 + mirrored].astype(np.float32)
            if self._front_end.recipe.pad == "constant":
                y[(place < 0) | (place >= n)] = 0
        y *= np.float32(2.0 ** (int(rows[0]) - BITS))
        return cast(np.ndarray, y)

    def _loudest(self, track: int) -> float:
        """Compute a track's loudest value in dB, once."""
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
    """Open the waveforms beside a cached feature.

    Parameters
    ----------
    cached : Source
        The feature in the cache, of one kind.
    stores : mapping of str to Store
        Of the feature and of the waveform.
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
        raise ParamsError(
            "train.front_end: waveform computes features of sound; set front_end: cache for this candidate"
        )
    (name, store), about = next((k, s) for k, s in stores.items() if k != cached.kind), stores[cached.kind].meta
    feature, parameters = about.get("module", cached.kind), about["parameters"]
    source = Waveforms(cached, [store.read(i) for i in track_ids], feature, parameters, tuple(train.augment))
    source.make_front_end()
    wanted, rate = parameters["sample_rate"], store.meta["parameters"]["sample_rate"]
    if wanted != rate:
        raise ParamsError(
            f"train.front_end: {cached.kind} is computed at {wanted} Hz, {name} holds {rate} Hz; read "
            f"{cached.kind}+waveform_{wanted}, with `waveform_{wanted}: {{kind: waveform, sample_rate: {wanted}}}` "
            f"and `{cached.kind}+waveform_{wanted}: {{}}` in features.kinds"
        )
    if train.precision in ("bf16-true", "16-true"):
        mixed = train.precision.replace("true", "mixed")
        raise ParamsError(f"train.front_end: waveforms need single precision; set precision: {mixed}")
    return source
