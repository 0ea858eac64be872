"""Training batches, drawn by (seed, epoch, track), so that a resumed run equals an uninterrupted one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ostinato.training.data.sources import Evaluation, Source
from ostinato.training.settings import derive


def uniform(keys: np.ndarray, *context: Any) -> np.ndarray:
    """Draw a number for each key that depends only on key and context.

    Parameters
    ----------
    keys : np.ndarray [shape=(n,), dtype=uint64]
    *context : object
        For example seed and epoch.

    Returns
    -------
    np.ndarray [shape=(n,)]
        In [0, 1).

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    Examples
    --------
    >>> uniform(np.arange(3, dtype=np.uint64), "crop")[1:] == uniform(np.arange(1, 3, dtype=np.uint64), "crop")
    array([ True,  True])
    """
    z = keys.astype(np.uint64) + np.uint64(derive(*context)) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


class BatchOrder(Sampler[tuple[int, int]]):
    """Yield the batches of an epoch as (epoch, number); each device gets its share.

    Parameters
    ----------
    n_batches : int
    rank, devices : int
    """

    def __init__(self, n_batches: int, rank: int = 0, devices: int = 1) -> None:
        self.share = -(-n_batches // devices)
        self.n_batches, self.rank, self.devices, self.epoch = n_batches, rank, devices, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the next epoch; called by Lightning."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.share

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for i in range(self.share):
            yield self.epoch, (i * self.devices + self.rank) % self.n_batches


class TrainingBatches(Dataset[tuple[Any, ...]]):
    """Batches of randomly placed chunks.

    Parameters
    ----------
    source : Source
    target : np.ndarray [shape=(n_tracks, n_classes)]
    track_ids : np.ndarray [shape=(n_tracks,)]
    tracks : np.ndarray
        Indices of the training tracks.
    batch_size, chunks_per_track, seed : int
    paired : bool
        Whether each track comes with another of the same label, for losses that
        compare them.
    """

    def __init__(
        self,
        source: Source,
        target: np.ndarray,
        track_ids: np.ndarray,
        tracks: np.ndarray,
        *,
        batch_size: int,
        chunks_per_track: int,
        seed: int,
        paired: bool = False,
    ) -> None:
        self.source, self.target, self.seed, self.paired = source, target, seed, paired
        self.tracks = np.repeat(tracks, chunks_per_track)
        self.keys = np.array(
            [derive(track_ids[i], copy) for i in tracks for copy in range(chunks_per_track)], np.uint64
        )
        self.n_batches = -(-len(self.tracks) // batch_size)
        self._drawn: tuple[int, list[np.ndarray], np.ndarray] | None = None

    def __getitem__(self, index: tuple[int, int]) -> tuple[Any, ...]:
        epoch, number = index
        if self._drawn is None or self._drawn[0] != epoch:
            order = np.argsort(uniform(self.keys, self.seed, epoch, "order"), kind="stable")
            self._drawn = epoch, self._batches(order, epoch), uniform(self.keys, self.seed, epoch, "crop")
        _, batches, crop = self._drawn
        rows = batches[number]
        inputs = self.source.crops(self.tracks[rows], crop[rows])
        return tuple(map(torch.from_numpy, inputs)), torch.from_numpy(self.target[self.tracks[rows]])

    def _batches(self, order: np.ndarray, epoch: int) -> list[np.ndarray]:
        """Split an order into batches of similar size, keeping pairs together."""
        if not self.paired:
            return np.array_split(order, self.n_batches)
        pairs = companions(order, self._labels(epoch))
        parts = np.array_split(np.arange(len(pairs)), self.n_batches)
        return [np.concatenate([pairs[i] for i in part]) for part in parts if len(part)]

    def _labels(self, epoch: int) -> np.ndarray:
        """Choose a label for each chunk's track: its class, a random tag, its artist's direction, or one of its own."""
        target = self.target[self.tracks]
        if ((target == 0) | (target == 1)).all():
            noise = np.random.default_rng(derive(self.seed, epoch)).random(target.shape)
            labels = (target * (0.5 + noise)).argmax(axis=1)
            return np.where(target.any(axis=1), labels, -1 - np.arange(len(target)))
        return np.unique(target, axis=0, return_inverse=True)[1].reshape(-1)


def companions(order: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Pair indices with the same label, in the order of their first members.

    Parameters
    ----------
    order : np.ndarray
        Indices in order.
    labels : np.ndarray
        Label of each index.

    Returns
    -------
    list of np.ndarray
        Pairs, and single indices without a partner.

    Examples
    --------
    >>> [p.tolist() for p in companions(np.array([2, 0, 1, 3]), np.array([7, 8, 7, 7]))]
    [[2, 0], [1], [3]]
    """
    open_pairs: dict[int, int] = {}
    pairs: list[list[int]] = []
    for position in order.tolist():
        label = int(labels[position])
        if label in open_pairs:
            pairs[open_pairs.pop(label)].append(position)
        else:
            open_pairs[label] = len(pairs)
            pairs.append([position])
    return [np.array(pair) for pair in pairs]


class TrackDataModule(L.LightningDataModule):
    """Training and validation batches of one fold.

    Parameters
    ----------
    source : Source
        Fitted on the training tracks.
    target : np.ndarray [shape=(n_tracks, n_classes)]
    track_ids : np.ndarray [shape=(n_tracks,)]
    train, validation : np.ndarray
        Indices of the tracks.
    batch_size, chunks_per_track, seed : int
    paired : bool
        See `TrainingBatches`.
    """

    def __init__(
        self,
        source: Source,
        target: np.ndarray,
        track_ids: np.ndarray,
        train: np.ndarray,
        validation: np.ndarray,
        *,
        batch_size: int,
        chunks_per_track: int,
        seed: int,
        paired: bool = False,
    ) -> None:
        super().__init__()
        sizes = {"batch_size": batch_size, "chunks_per_track": chunks_per_track, "seed": seed}
        self.training = TrainingBatches(source, target, track_ids, train, **sizes, paired=paired)
        self.evaluation = Evaluation(source, validation, batch_size)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this device's share of the batches of random chunks."""
        rank, devices = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(self.training, batch_size=None, sampler=BatchOrder(self.training.n_batches, rank, devices))

    def val_dataloader(self) -> DataLoader[Any]:
        """Return all chunks of the validation tracks, the same on every device."""
        return DataLoader(self.evaluation, batch_size=None)
