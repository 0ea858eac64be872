"""Simple: a small separable convolutional network with square kernels.

The thesis' baseline for the networks with long kernels. Two ordinary convolutions,
six separable ones and the mean over the map; each convolution is followed by batch
normalisation, optional pooling, and ReLU.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 9.
"""

from collections.abc import Mapping

from torch import nn

from ostinato.layers.base import Convolutional
from ostinato.layers.checks import Padding, Shape, get_single_input, resolve_padding
from ostinato.layers.conv import Conv, MaxPool, conv_block, separable_conv
from ostinato.layers.search_space import suggest

IMAGE_CHANNELS = 3
LONG_BINS = 512
SHORT_BINS = 24
VALID_BINS = 133


def _strides(shape: Shape) -> tuple[int, int]:
    """Return the published strides: tall inputs are halved twice, usual ones once, images and low ones never."""
    channels, bins, _ = shape
    if channels == IMAGE_CHANNELS or bins < SHORT_BINS:
        return 1, 1
    return (2, 2) if bins >= LONG_BINS else (2, 1)


class Network(Convolutional):
    """Two convolutions and six separable ones.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    filters : tuple of int
        Of the eight convolutions.
    strides : tuple of int, optional
        Of the first two convolutions. Default: (2, 2) from 512 bins, (1, 1) for
        images and below 24 bins, else (2, 1). A strided one is padded.
    padding : {"valid", "same"}, optional
        Of the separable convolutions. Default: as published, valid for spectra
        of 133 bins or more, same for images and lower ones.
    pool : tuple of bool, optional
        After which of the fourth to seventh convolution the map is halved.
        Default: after each; for images after the second and the fourth of them.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        filters: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512, 1024),
        strides: tuple[int, int] | None = None,
        padding: Padding | None = None,
        pool: tuple[bool, bool, bool, bool] | None = None,
    ) -> None:
        shape = get_single_input(inputs, "simple")
        image = shape[0] == IMAGE_CHANNELS
        padding = resolve_padding(padding, "valid" if shape[1] >= VALID_BINS and not image else "same", "simple")
        pools = (False, *(pool or ((False, True) * 2 if image else (True,) * 4)), False)
        layers: list[nn.Module] = []
        channels = shape[0]
        for width, stride in zip(filters[:2], strides or _strides(shape), strict=True):
            conv = Conv(channels, width, (3, 3), (stride, stride), "same" if stride > 1 or not layers else "valid")
            layers.append(conv_block(conv, width))
            channels = width
        for width, halve in zip(filters[2:], pools, strict=True):
            pooling = MaxPool((3, 3), (2, 2)) if halve else None
            layers.append(conv_block(separable_conv(channels, width, (3, 3), padding), width, pooling))
            channels = width
        super().__init__("simple", shape, nn.Sequential(*layers), channels, n_classes)


search_space = suggest(lr=(3e-4, 1e-2))
"""Learning rate and batch size; the layers are the paper's."""
