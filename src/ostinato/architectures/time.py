"""Time: kernels along time, one row high.

Six parallel convolutions of the input along time, each as long as a fraction of
the chunk; four separable convolutions of nine frames with the map halved in
frequency; one separable convolution over all remaining rows.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 10.
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
DIVISORS = (4, 8, 16, 32, 64, 96)
IMAGE_DIVISORS = (3, 4, 5, 6, 7, 10)


class Network(Convolutional):
    """Six branches along time, then five separable convolutions.

    Its layers have frames as rows, which is a third faster on a CPU.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    kernels : tuple of int, optional
        Frames of each branch. Default: the chunk's frames over 4, 8, 16, 32, 64
        and 96; for images over 3, 4, 5, 6, 7 and 10.
    stride : int, optional
        Of the branches along time. Default: 2; for images 1.
    branch_filters : int
        Of each branch.
    filters : tuple of int
        Of the five separable convolutions.
    width : int
        Frames of the first four separable kernels.
    padding : {"valid", "same"}, optional
        Of those four. Default: valid; for images same.
    pool : {"bins", "frames"}, optional
        What the first three of them halve. Default: bins; below 24 bins frames.
    """

    frames_first = True

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        kernels: tuple[int, ...] | None = None,
        stride: int | None = None,
        branch_filters: int = 2,
        filters: tuple[int, ...] = (16, 32, 64, 128, 256),
        width: int = 9,
        padding: Padding | None = None,
        pool: Literal["bins", "frames"] | None = None,
    ) -> None:
        shape = channels, bins, frames = get_single_input(inputs, "time")
        image = channels == IMAGE_CHANNELS
        padding = resolve_padding(padding, "same" if image else "valid", "time")
        kernels = kernels or tuple(max(1, frames // d) for d in (IMAGE_DIVISORS if image else DIVISORS))
        window = (2, 1) if (pool or ("frames" if bins < SHORT_BINS else "bins")) == "frames" else (1, 2)
        layers: list[nn.Module] = [Branches(channels, kernels, stride or (1 if image else 2), branch_filters)]
        channels = branch_filters * len(kernels)
        for i, n in enumerate(filters[:-1]):
            last = i == len(filters) - 2
            bins = bins if last else -(-bins // window[1])
            conv = separable_conv(channels, n, (width, 1), padding)
            layers.append(conv_block(conv, n, None if last else MaxPool(window, window)))
            channels = n
        layers.append(conv_block(separable_across(channels, filters[-1], bins), filters[-1]))
        super().__init__("time", shape, nn.Sequential(*layers), filters[-1], n_classes)


search_space = suggest(lr=(3e-4, 1e-2))
"""Learning rate and batch size; the layers are the paper's."""
