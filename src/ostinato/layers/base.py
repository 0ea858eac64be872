"""Networks with one input."""

from typing import Literal

import torch
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.checks import Shape
from ostinato.layers.conv import Pair, min_input, receptive_field
from ostinato.layers.init import initialise


class Reader(nn.Module):
    """A network with one input, which checks its shape.

    Subclasses define `encode` and set `head`.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    shape : tuple of int
        Channels, bins and frames of the input.
    """

    length: Literal["free", "fixed"] = "free"
    advice = "raise chunk_frames"
    head: nn.Module
    space_width: int | None = None
    """Number of leading elements of `embed` that form the similarity space; None: all."""

    def __init__(self, name: str, shape: Shape) -> None:
        super().__init__()
        self.name, self.shape = name, shape

    @property
    def min_frames(self) -> int:
        """The shortest valid chunk; for a fixed length, that length."""
        return 1 if self.length == "free" else self.shape[2]

    def _refuse_short(self, frames: int) -> None:
        if frames < self.min_frames:
            raise OstinatoError(
                f"{self.name}: needs at least {self.min_frames} frames of {self.shape[1]} bins, got {frames}; "
                f"{self.advice}"
            )

    def _check(self, x: Tensor) -> None:
        channels, bins, frames = self.shape
        if x.ndim != 4 or tuple(x.shape[1:3]) != (channels, bins):
            raise OstinatoError(f"{self.name}: needs (batch, {channels}, {bins}, frames), got {tuple(x.shape)}")
        if self.length == "fixed" and x.shape[3] != frames:
            raise OstinatoError(
                f"{self.name}: needs exactly {frames} frames, got {x.shape[3]}; train it for that length"
            )
        self._refuse_short(x.shape[3])

    def encode(self, x: Tensor) -> Tensor:
        """Return (batch, width) from a checked input."""
        raise NotImplementedError

    def embed(self, x: Tensor) -> Tensor:
        """Return the vector before the head, (batch, width), from (batch, channels, bins, frames)."""
        if not torch.onnx.is_in_onnx_export():
            self._check(x)
        return self.encode(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (batch, n_classes), from (batch, channels, bins, frames)."""
        return self.head(self.embed(x))


class Convolutional(Reader):
    """Convolutional layers, global average pooling, and a dense head.

    Maps are in channels-last memory format, which makes these thin networks about
    twice as fast on a CPU.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    shape : tuple of int
        Channels, bins and frames of the input.
    layers : nn.Sequential
        Over (batch, channels, bins, frames), or over (batch, channels, frames,
        bins) if `frames_first`.
    width : int
        Filters of the last layer.
    n_classes : int

    Raises
    ------
    OstinatoError
        If the input has fewer bins or frames than the layers need.
    """

    frames_first = False
    dense: type[nn.Linear] = nn.Linear
    advice = "raise chunk_frames or set network: {padding: same}"
    bins_advice = "set network: {padding: same}"

    def __init__(self, name: str, shape: Shape, layers: nn.Sequential, width: int, n_classes: int) -> None:
        super().__init__(name, shape)
        self.layers = layers
        self.head = self.dense(width, n_classes)
        initialise(self)
        bins = min_input(layers, 1, -1 if self.frames_first else -2)
        if shape[1] < bins:
            raise OstinatoError(f"{name}: needs at least {bins} bins, got {shape[1]}; {self.bins_advice}")
        self._refuse_short(shape[2])

    @property
    def min_frames(self) -> int:
        """The shortest valid chunk; for a fixed length, that length."""
        if self.length == "fixed":
            return super().min_frames
        return min_input(self.layers, 1, -2 if self.frames_first else -1)

    @property
    def receptive_field(self) -> Pair:
        """Receptive field of the last map in bins and frames, at most the whole input."""
        rows, columns = (receptive_field(self.layers, 1, axis) for axis in (-2, -1))
        bins, frames = (columns, rows) if self.frames_first else (rows, columns)
        return min(bins, self.shape[1]), min(frames, self.shape[2])

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean over the last map, (batch, width), from (batch, channels, bins, frames)."""
        x = x.transpose(-2, -1) if self.frames_first else x
        return self.layers(x.clone(memory_format=torch.channels_last)).mean((-2, -1))
