"""Two windows: an input with a long window, read along frequency, and one with a short window, read along time.

A long window resolves close pitches, a short one locates beats; no single window does
both. The layers are the same, transposed.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figures 10 and 11.
J. Pons, T. Lidy, X. Serra, "Experimenting with musically motivated convolutional neural networks", CBMI 2016.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.branches import Branches
from ostinato.layers.checks import Shape
from ostinato.layers.conv import MaxPool, Pair, conv_block, receptive_field, separable_conv
from ostinato.layers.init import initialise
from ostinato.layers.search_space import suggest

DIVISORS = (4, 8, 16, 32, 64, 96)
BRANCH_FILTERS = 2
WIDTH = 9


def side(channels: int, size: int, filters: tuple[int, ...]) -> nn.Sequential:
    """Make branches and separable convolutions along the rows of a map with `size` rows."""
    layers: list[nn.Module] = [Branches(channels, tuple(max(1, size // d) for d in DIVISORS), 2, BRANCH_FILTERS)]
    channels = BRANCH_FILTERS * len(DIVISORS)
    for n in filters:
        layers.append(conv_block(separable_conv(channels, n, (WIDTH, 1), "same"), n, MaxPool((1, 2), (1, 2))))
        channels = n
    return nn.Sequential(*layers)


def _bounded_field(layer: nn.Module, shape: Shape, axes: Pair) -> Pair:
    """Return the receptive field of the last map in bins and frames, at most the whole input."""
    bins, frames = (receptive_field(layer, 1, axis) for axis in axes)
    return min(bins, shape[1]), min(frames, shape[2])


class Network(nn.Module):
    """Convolutions along the bins of the first input and the frames of the second; the means are classified.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly two, in this order; their shapes may differ.
    n_classes : int
    filters : tuple of int
        Of each side's separable convolutions.

    Raises
    ------
    OstinatoError
        If there are not exactly two inputs.
    """

    length: Literal["free", "fixed"] = "free"
    min_frames = 1

    def __init__(
        self, inputs: Mapping[str, Shape], n_classes: int, *, filters: tuple[int, ...] = (16, 32, 64, 128)
    ) -> None:
        super().__init__()
        if len(inputs) != 2:
            names = ", ".join(inputs) or "none"
            raise OstinatoError(f"two_windows: needs two features, with a long and a short window, got {names}")
        self.shapes = dict(inputs)
        (channels, bins, _), (others, _, frames) = inputs.values()
        self.pitch, self.beat = side(channels, bins, filters), side(others, frames, filters)
        self.head = nn.Linear(2 * filters[-1], n_classes)
        initialise(self)

    @property
    def receptive_field(self) -> dict[str, Pair]:
        """Receptive field of the last maps in bins and frames of each input, at most the whole input."""
        (long, pitches), (short, beats) = self.shapes.items()
        return {
            long: _bounded_field(self.pitch, pitches, (-2, -1)),
            short: _bounded_field(self.beat, beats, (-1, -2)),
        }

    def embed(self, long: Tensor, short: Tensor) -> Tensor:
        """Return the means of both sides' maps, (batch, width), from two (batch, channels, bins, frames)."""
        if not torch.onnx.is_in_onnx_export():
            for x, (name, shape) in zip((long, short), self.shapes.items(), strict=True):
                if x.ndim != 4 or tuple(x.shape[1:3]) != tuple(shape[:2]) or x.shape[3] < 1:
                    raise OstinatoError(
                        f"two_windows: needs (batch, {shape[0]}, {shape[1]}, 1 frame or more) of {name}, "
                        f"got {tuple(x.shape)}"
                    )
        maps = self.pitch(long), self.beat(short.transpose(-2, -1))
        return torch.cat([x.mean((-2, -1)) for x in maps], -1)

    def forward(self, long: Tensor, short: Tensor) -> Tensor:
        """Return logits, (batch, n_classes), from two (batch, channels, bins, frames)."""
        return self.head(self.embed(long, short))


search_space = suggest(lr=(3e-4, 1e-2))
"""Learning rate and batch size."""
