"""Choi: five convolutions with pooling to one value per filter, trained on tags and used as a feature.

Published for 96 mel bands of 29 s at 12 kHz, in dB below the loudest value. Its
feature is the mean of each block's map, 32 values per block, of all five blocks; or of
the first blocks only, which experiment 7 of paper 003 (section 4.10) compares.

The published weights were trained with batch normalisation that uses the batch's
statistics at inference too, so that a clip's feature depends on the other clips. Here
running statistics are the default; ``batch_norm="track"`` uses those of each clip, as
the published network does with one clip at a time, and ``"batch"`` is as published.

References
----------
K. Choi et al., "Transfer learning for music classification and regression tasks", ISMIR 2017.
H. Singh, "Using deep learning to recommend Punjabi music", University of Victoria, 2018, section 4.2.
"""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.base import Convolutional
from ostinato.layers.checks import Shape, check_choice, get_single_input
from ostinato.layers.conv import Conv, MaxPool, Pair, normalisation
from ostinato.layers.search_space import suggest

POOLS = ((2, 4), (3, 4), (2, 5), (2, 4), (4, 4))
NORMS = ("running", "track", "batch")
BLOCK = 32


def norm(filters: int, how: str) -> nn.Module:
    """Make normalisation with statistics of training, of each clip, or of each batch."""
    if how == "running":
        return normalisation(filters)
    if how == "track":
        return nn.InstanceNorm2d(filters, eps=1e-3, affine=True)
    return nn.BatchNorm2d(filters, eps=1e-3, track_running_stats=False)


class Last(nn.Linear):
    """A dense layer over the last elements of a longer vector."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, out) from (batch, in or more)."""
        return super().forward(x[..., -self.in_features :])


class Network(Convolutional):
    """Blocks of convolution, normalisation, ELU and pooling; the head reads the last.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    pools : tuple of (int, int)
        Pooling of each block in bins and frames.
    batch_norm : {"running", "track", "batch"}
        Statistics for normalisation.
    features : int, optional
        Number of first blocks that form the similarity space. Default: all. The head
        always reads the last block.

    Raises
    ------
    OstinatoError
        If the input is smaller than the product of the pools.
    """

    dense = Last
    advice = "raise chunk_frames or set network: {pools: ...} to smaller ones"
    bins_advice = "set network: {pools: ...} to smaller ones"

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        pools: tuple[Pair, ...] = POOLS,
        batch_norm: str = "running",
        features: int | None = None,
    ) -> None:
        shape = get_single_input(inputs, "choi")
        how = check_choice("choi", "batch_norm", batch_norm, NORMS)
        features = len(pools) if features is None else features
        if not 1 <= features <= len(pools):
            raise OstinatoError(
                f"choi: features must be between 1 and the number of blocks, {len(pools)}; it is {features}"
            )
        layers: list[nn.Module] = []
        for channels, (rows, columns) in zip((shape[0], *[BLOCK] * len(pools)), pools, strict=False):
            conv = Conv(channels, BLOCK, (3, 3), padding="same", bias=True)
            pool = MaxPool((rows, columns), (rows, columns), "valid")
            layers.append(nn.Sequential(OrderedDict(conv=conv, norm=norm(BLOCK, how), elu=nn.ELU(), pool=pool)))
        super().__init__("choi", shape, nn.Sequential(*layers), BLOCK, n_classes)
        if features < len(pools):
            self.space_width = BLOCK * features

    def encode(self, x: Tensor) -> Tensor:
        """Return the means of all blocks' maps, (batch, 32 * blocks), from (batch, channels, bins, frames)."""
        x = x.clone(memory_format=torch.channels_last)
        means = []
        for layer in self.layers:
            x = layer(x)
            means.append(x.mean((-2, -1)))
        return torch.cat(means, -1)


search_space = suggest(lr=(3e-4, 1e-2))
"""Learning rate and batch size; the layers are the paper's."""
