"""Layers of the multi-channel networks: convolutions for tempo, pitch and bass, and LSTM over chunks.

A published chunk is 80 frames of 40 mel bands; other sizes are accepted if the kernels
fit. A channel's kernel is long in time (tempo), in frequency (pitch) or in neither
(bass), and the rest of the other axis is pooled.

References
----------
N. Chen, S. Wang, "High-level music descriptor extraction algorithm based on combination of multi-channel CNNs and
LSTM", ISMIR 2017.
J. Pons, T. Lidy, X. Serra, "Experimenting with musically motivated convolutional neural networks", CBMI 2016.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, check_choice, get_single_input
from ostinato.layers.conv import Conv, MaxPool
from ostinato.layers.init import INITIAL, Initial, initialise
from ostinato.layers.recurrent import LSTM

CHUNK = 80
FILTERS = 32


class Channel(nn.Module):
    """One convolution with ReLU over a chunk, pooled and laid out as a vector.

    Parameters
    ----------
    kernel : str
        "tempo", "pitch" or "bass".
    bins, frames : int
        Of the chunk.

    Attributes
    ----------
    width : int
        Of the vector.
    """

    KERNELS: Mapping[str, tuple[int, int]] = {"tempo": (1, 60), "pitch": (32, 1), "bass": (13, 9)}

    def __init__(self, kind: str, bins: int, frames: int) -> None:
        super().__init__()
        kernel = self.KERNELS[kind]
        self.conv = Conv(1, FILTERS, kernel, bias=True)
        rows, columns = bins - kernel[0] + 1, frames - kernel[1] + 1
        window = {"tempo": (rows, 1), "pitch": (1, columns), "bass": (4, 4)}[kind]
        self.pool = MaxPool(window, window, "valid")
        self.width = FILTERS * (rows // window[0]) * (columns // window[1])

    def forward(self, x: Tensor) -> Tensor:
        """Return (chunks, width) from (chunks, 1, bins, frames)."""
        return self.pool(torch.relu(self.conv(x))).flatten(1)

    @classmethod
    def least(cls, kind: str) -> tuple[int, int]:
        """Return the minimal bins and frames."""
        rows, columns = cls.KERNELS[kind]
        return (rows + 3, columns + 3) if kind == "bass" else (rows, columns)


class Concatenated(nn.Module):
    """Concatenated channels, with optional dropout and dense layer with ReLU.

    Parameters
    ----------
    widths : tuple of int
        Of the channels.
    dense : int, optional
        Width of the dense layer.
    dropout : float
    """

    def __init__(self, widths: tuple[int, ...], dense: int | None, dropout: float) -> None:
        super().__init__()
        self.width = dense or sum(widths)
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(sum(widths), dense), nn.ReLU()) if dense else None

    def forward(self, parts: list[Tensor]) -> Tensor:
        """Return (chunks, width) from the channels' vectors."""
        x = torch.cat(parts, -1)
        return x if self.layers is None else self.layers(x)


class MultiChannel(Reader):
    """Channels over each chunk, an optional LSTM over chunks, and dropout.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    inputs : mapping of str to (channels, bins, frames)
        Exactly one; published are 40 mel bands and chunks of 80 frames. With an LSTM any
        number of frames, which are split into chunks without the remainder.
    n_classes : int
    channels : tuple of str
        Of "tempo", "pitch" and "bass"; if empty, the chunk itself is the input.
    dense : int, optional
        Width of the dense layer over a chunk's channels.
    units : int, optional
        Of the LSTM; None for a single chunk.
    dropout : float
        Dropout rate at the input of each dense layer.
    initial : {"glorot", "gaussian"}
        The paper says Gaussian of variance 1 (section 3), which saturates.
    fusion : callable, optional
        Takes the channels' widths and returns the module that combines them; default: `Concatenated`.

    Raises
    ------
    OstinatoError
        If the chunk is too small for the kernels, or the input has several channels.
    """

    advice = "set chunk_frames: 80 or more"

    def __init__(
        self,
        name: str,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        channels: tuple[str, ...] = (),
        dense: int | None = None,
        units: int | None = None,
        dropout: float = 0.5,
        initial: str = "glorot",
        fusion: Any = None,
    ) -> None:
        super().__init__(name, get_single_input(inputs, name))
        planes, bins, frames = self.shape
        self.chunk = CHUNK if units else frames
        self.length = "free" if units else "fixed"
        self._refuse(planes, bins, frames, channels)
        self.channels = nn.ModuleList(Channel(kind, bins, self.chunk) for kind in channels)
        widths = tuple(cast(Channel, c).width for c in self.channels) or (bins * self.chunk,)
        self.fuse = fusion(widths) if fusion else Concatenated(widths, dense, dropout)
        self.recurrent = LSTM(self.fuse.width, units) if units else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(units or self.fuse.width, n_classes)
        initialise(self, cast(Initial, check_choice(name, "initial", initial, INITIAL)))

    @property
    def min_frames(self) -> int:
        """One chunk."""
        return self.chunk

    def _refuse(self, planes: int, bins: int, frames: int, channels: tuple[str, ...]) -> None:
        if planes != 1:
            raise OstinatoError(f"{self.name}: needs an input with one channel, got {planes}")
        least = [Channel.least(kind) for kind in channels] or [(1, 1)]
        rows, columns = max(r for r, _ in least), max(c for _, c in least)
        if bins < rows:
            raise OstinatoError(f"{self.name}: needs at least {rows} bins, got {bins}; the paper uses 40 mel bands")
        columns = max(columns, CHUNK) if self.length == "free" else columns
        if frames < columns:
            raise OstinatoError(f"{self.name}: needs at least {columns} frames, got {frames}; {self.advice}")

    def encode(self, x: Tensor) -> Tensor:
        """Return the last state, or without an LSTM the chunk's vector, of (batch, 1, bins, frames)."""
        if self.recurrent is None:
            return self.dropout(self._vectors(x))
        n = x.shape[-1] // self.chunk
        chunks = x[..., : n * self.chunk].unflatten(-1, (n, self.chunk)).permute(0, 3, 1, 2, 4)
        vectors = self._vectors(chunks.flatten(0, 1)).unflatten(0, (x.shape[0], n))
        return self.dropout(self.recurrent(vectors)[:, -1])

    def _vectors(self, chunks: Tensor) -> Tensor:
        """Return (chunks, width) from (chunks, 1, bins, frames)."""
        return self.fuse([channel(chunks) for channel in self.channels] or [chunks.flatten(1)])
