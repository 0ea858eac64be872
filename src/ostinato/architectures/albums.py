"""Albums: MobileNetV2 for pictures such as covers.

Published for covers of 640 x 640 pixels between 0 and 1. Each block expands the
channels, filters them depthwise and projects them again; if its shape is unchanged,
the input is added.

References
----------
M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018.
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019,
sections "Metadata" and "Convolutional neural networks".
"""

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from ostinato.layers.base import Convolutional
from ostinato.layers.checks import Shape, get_single_input
from ostinato.layers.conv import Conv, Pair, min_input, normalisation, receptive_field
from ostinato.layers.search_space import suggest

BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion factor, filters, number of blocks, and stride of the first block."""


def unit(channels: int, filters: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Make a convolution, normalisation and ReLU up to 6."""
    conv = Conv(channels, filters, (kernel, kernel), (stride, stride), "same", groups)
    return nn.Sequential(OrderedDict(conv=conv, norm=normalisation(filters), relu=nn.ReLU6()))


class Inverted(nn.Module):
    """An inverted residual: expansion, depthwise filter, projection.

    Parameters
    ----------
    channels, filters, expansion, stride : int
    """

    def __init__(self, channels: int, filters: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels * expansion
        layers = [unit(channels, wide)] if expansion > 1 else []
        layers += [unit(wide, wide, 3, stride, wide)]
        self.layers = nn.Sequential(*layers, Conv(wide, filters, (1, 1)), normalisation(filters))
        self.adds = stride == 1 and channels == filters

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, filters, rows, columns), both divided by the stride."""
        return x + self.layers(x) if self.adds else self.layers(x)

    def min_input(self, size: int, axis: int) -> int:
        """Return the smallest input for an output of `size`."""
        return min_input(self.layers, size, axis)

    def receptive_field(self, size: int, axis: int) -> int:
        """Return the receptive field of `size` outputs."""
        return receptive_field(self.layers, size, axis)


class Network(Convolutional):
    """A convolution, seventeen inverted residuals, a convolution, and the mean over the map.

    Parameters
    ----------
    inputs : mapping of str to (channels, rows, columns)
        Exactly one.
    n_classes : int
    filters : tuple of int
        Of the first and the last convolution.
    blocks : tuple of (int, int, int, int)
        Expansion, filters, number and first stride of each group of blocks.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        filters: Pair = (32, 1280),
        blocks: tuple[tuple[int, int, int, int], ...] = BLOCKS,
    ) -> None:
        shape = get_single_input(inputs, "albums")
        layers: list[nn.Module] = [unit(shape[0], filters[0], 3, 2)]
        channels = filters[0]
        for expansion, narrow, number, first in blocks:
            for stride in (first, *[1] * (number - 1)):
                layers.append(Inverted(channels, narrow, expansion, stride))
                channels = narrow
        layers.append(unit(channels, filters[1]))
        super().__init__("albums", shape, nn.Sequential(*layers), filters[1], n_classes)


search_space = suggest(lr=(1e-4, 1e-2))
"""Learning rate and batch size; the layers are the paper's."""
