"""CNNs-3: two convolutions with small kernels over a chunk, and one dense layer.

The baseline of the multi-channel networks. The paper does not give the number of
filters; here it is that of each of its channels.

References
----------
N. Chen, S. Wang, "High-level music descriptor extraction algorithm based on combination of multi-channel CNNs and
LSTM", ISMIR 2017, section 3.2.1.
"""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, check_choice, get_single_input
from ostinato.layers.conv import Conv, MaxPool, min_input
from ostinato.layers.init import INITIAL, Initial, initialise
from ostinato.layers.search_space import suggest


class Network(Reader):
    """Convolutions and pooling twice, then a dense layer over the last map.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one, a chunk; published are 40 mel bands and 80 frames.
    n_classes : int
    filters, dense : int
        Of each convolution and of the dense layer.
    dropout : float
        Dropout rate at the input of each dense layer.
    initial : {"glorot", "gaussian"}
        The paper says Gaussian of variance 1 (section 3), which saturates.

    Raises
    ------
    OstinatoError
        If the input is too small.
    """

    length = "fixed"

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        filters: int = 32,
        dense: int = 200,
        dropout: float = 0.5,
        initial: str = "glorot",
    ) -> None:
        super().__init__("cnns_3", get_single_input(inputs, "cnns_3"))
        channels, bins, frames = self.shape
        layers: list[nn.Module] = []
        rows, columns = bins, frames
        for kernel in (5, 3):
            layers += [
                Conv(channels, filters, (kernel, kernel), bias=True),
                nn.ReLU(),
                MaxPool((2, 2), (2, 2), "valid"),
            ]
            rows, columns, channels = (rows - kernel + 1) // 2, (columns - kernel + 1) // 2, filters
        self.layers = nn.Sequential(*layers)
        least = min_input(self.layers, 1, -1)
        if min(bins, frames) < least:
            raise OstinatoError(f"cnns_3: needs at least {least} bins and {least} frames, got {bins} and {frames}")
        wide = filters * rows * columns
        self.dense = nn.Sequential(nn.Dropout(dropout), nn.Linear(wide, dense), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(dense, n_classes)
        initialise(self, cast(Initial, check_choice("cnns_3", "initial", initial, INITIAL)))

    def encode(self, x: Tensor) -> Tensor:
        """Return the dense layer, (batch, dense), from (batch, channels, bins, frames)."""
        return self.dense(self.layers(x).flatten(1))


search_space = suggest(lr=(1e-4, 1e-2), dropout=(0.1, 0.6))
"""Dropout, learning rate and batch size; the layers are the paper's."""
