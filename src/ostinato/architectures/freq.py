"""Freq: kernels along frequency, one frame wide.

Six parallel convolutions of the input along frequency, each as high as a
fraction of the bins; four separable convolutions with the map halved in time; one
separable convolution over all remaining frames, so the length is fixed.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 11.
"""

from collections.abc import Mapping
from typing import Literal

from torch import nn

from ostinato.layers.base import Convolutional
from ostinato.layers.branches import Branches
from ostinato.layers.checks import Padding, Shape, get_single_input, resolve_padding
from ostinato.layers.conv import MaxPool, conv_block, separable_across, separable_conv
from ostinato.layers.search_space import suggest

IMAGE_CHANNELS = 3
SHORT_BINS = 24
VALID_BINS = 65
DIVISORS = {
    512: (6, 12, 32, 64, 128, 256),
    192: (6, 8, 12, 24, 32, 64),
    SHORT_BINS: (4, 5, 6, 12, 24, 48),
    0: (1, 2, 3, 4, 6, 12),
}
IMAGE_DIVISORS = (3, 4, 5, 6, 7, 10)


def _kernels(channels: int, bins: int) -> tuple[int, ...]:
    """Return the published kernels for the number of bins."""
    least = max(n for n in DIVISORS if bins >= n)
    divisors = IMAGE_DIVISORS if channels == IMAGE_CHANNELS else DIVISORS[least]
    return tuple(max(1, bins // d) for d in divisors)


class Network(Convolutional):
    """Six branches along frequency, then five separable convolutions.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    kernels : tuple of int, optional
        Bins of each branch. Default: the bins over 6, 12, 32, 64, 128 and 256
        from 512 bins, over 6, 8, 12, 24, 32 and 64 from 192, over 4, 5, 6, 12, 24
        and 48 from 24, else over 1, 2, 3, 4, 6 and 12; for images over 3, 4, 5,
        6, 7 and 10.
    stride : int, optional
        Of the branches along frequency. Default: 2; for images and below 24 bins 1.
    branch_filters : int
        Of each branch.
    filters : tuple of int
        Of the five separable convolutions.
    width : int, optional
        Bins of the first four separable kernels. Default: 9; below 24 bins 3.
    padding : {"valid", "same"}, optional
        Of those four. Default: valid for spectra of 65 bins or more, else same.
    """

    length: Literal["free", "fixed"] = "fixed"

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        kernels: tuple[int, ...] | None = None,
        stride: int | None = None,
        branch_filters: int = 2,
        filters: tuple[int, ...] = (16, 32, 64, 128, 256),
        width: int | None = None,
        padding: Padding | None = None,
    ) -> None:
        shape = channels, bins, frames = get_single_input(inputs, "freq")
        image, short = channels == IMAGE_CHANNELS, bins < SHORT_BINS
        padding = resolve_padding(padding, "valid" if bins >= VALID_BINS and not image else "same", "freq")
        kernels = kernels or _kernels(channels, bins)
        layers: list[nn.Module] = [Branches(channels, kernels, stride or (1 if image or short else 2), branch_filters)]
        channels = branch_filters * len(kernels)
        for i, n in enumerate(filters[:-1]):
            last = i == len(filters) - 2
            frames = frames if last else -(-frames // 2)
            pooling = None if last else MaxPool((1, 2), (1, 2))
            conv = separable_conv(channels, n, (width or (3 if short else 9), 1), padding)
            layers.append(conv_block(conv, n, pooling))
            channels = n
        layers.append(conv_block(separable_across(channels, filters[-1], frames), filters[-1]))
        super().__init__("freq", shape, nn.Sequential(*layers), filters[-1], n_classes)


search_space = suggest(lr=(3e-4, 1e-2))
"""Learning rate and batch size; the layers are the paper's."""
