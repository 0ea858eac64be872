"""What the networks share: TensorFlow's padding, layers that say what length they need, and their initialisation.

A layer's ``needs(size, axis)`` is the least input that leaves `size` along an axis
(-2: bins, -1: frames), so that a network can say how short a chunk may be.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import OstinatoError

Shape: TypeAlias = tuple[int, int, int]
Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = Literal["same", "valid"]
PADDINGS = ("same", "valid")


def same(size: int, kernel: int, stride: int) -> Pair:
    """Give TensorFlow's ``same`` padding along one axis.

    Parameters
    ----------
    size, kernel, stride : int
        Of the axis; `size` may be symbolic.

    Returns
    -------
    before, after : int
        Zeros to put at either end; the odd one goes to the end.

    Examples
    --------
    >>> same(643, 160, 2)
    (79, 80)
    """
    total = torch.sym_max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Conv(nn.Conv2d):
    """A convolution without bias, with TensorFlow's paddings.

    Parameters
    ----------
    channels, filters : int
    kernel, stride : tuple of int
        Along bins and frames.
    padding : {"valid", "same"}
    groups : int
    """

    def __init__(
        self, channels: int, filters: int, kernel: Pair, stride: Pair = (1, 1), padding: Padding = "valid", groups: int = 1
    ) -> None:
        super().__init__(channels, filters, kernel, stride, groups=groups, bias=False)
        self.same = padding == "same"

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (batch, channels, bins, frames)."""
        if self.same:
            vertical, horizontal = (same(x.shape[a], self.kernel_size[a], self.stride[a]) for a in (-2, -1))
            x = F.pad(x, (*horizontal, *vertical))
        return super().forward(x)

    def needs(self, size: int, axis: int) -> int:
        """Give the least input for an output of `size`."""
        return (size - 1) * self.stride[axis] + (1 if self.same else self.kernel_size[axis])


class MaxPool(nn.Module):
    """The maximum over windows, padded as TensorFlow's ``same``.

    Parameters
    ----------
    kernel : tuple of int
        Along bins and frames.
    stride : tuple of int
    """

    def __init__(self, kernel: Pair, stride: Pair) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pool (batch, channels, bins, frames)."""
        if self.kernel == self.stride:
            return F.max_pool2d(x, self.kernel, self.stride, ceil_mode=True)
        vertical, horizontal = (same(x.shape[a], self.kernel[a], self.stride[a]) for a in (-2, -1))
        return F.max_pool2d(F.pad(x, (*horizontal, *vertical), value=-torch.inf), self.kernel, self.stride)

    def needs(self, size: int, axis: int) -> int:
        """Give the least input for an output of `size`."""
        return (size - 1) * self.stride[axis] + 1


class Branches(nn.Module):
    """Parallel convolutions of one input with kernels of several lengths, then normalisation and ReLU of all.

    Parameters
    ----------
    channels : int
    kernels : tuple of tuple of int
        One branch each, along bins and frames.
    stride : tuple of int
    filters : int
        Of each branch.
    """

    def __init__(self, channels: int, kernels: tuple[Pair, ...], stride: Pair, filters: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv(channels, filters, k, stride, "same") for k in kernels)
        self.norm = normalisation(filters * len(kernels))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Give (batch, branches * filters, bins, frames)."""
        return F.relu(self.norm(torch.cat([conv(x) for conv in self.convs], 1)))

    def needs(self, size: int, axis: int) -> int:
        """Give the least input for an output of `size`."""
        return (size - 1) * self.stride[axis] + 1


def normalisation(channels: int) -> nn.BatchNorm2d:
    """Make batch normalisation with Keras' constants."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def separable(channels: int, filters: int, kernel: Pair, padding: Padding = "valid") -> nn.Sequential:
    """Make a depthwise convolution and a pointwise one, with nothing in between."""
    depthwise = Conv(channels, channels, kernel, padding=padding, groups=channels)
    return nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=Conv(channels, filters, (1, 1))))


def block(conv: nn.Module, filters: int, pool: MaxPool | None = None) -> nn.Sequential:
    """Put normalisation, pooling and ReLU behind a convolution, in this order."""
    layers = OrderedDict(conv=conv, norm=normalisation(filters))
    if pool is not None:
        layers["pool"] = pool
    layers["relu"] = nn.ReLU()
    return nn.Sequential(layers)


def needs(layer: nn.Module, size: int, axis: int) -> int:
    """Give the least input of a chain of layers for an output of `size`."""
    if isinstance(layer, nn.Sequential):
        for inner in reversed(layer):
            size = needs(inner, size, axis)
        return size
    return cast(Any, layer).needs(size, axis) if hasattr(layer, "needs") else size


def initialise(network: nn.Module) -> None:
    """Draw Glorot uniform kernels and orthogonal recurrent ones; biases become 0."""
    for name, parameter in network.named_parameters():
        kind = name.rsplit(".", 1)[-1]
        if kind.startswith("bias"):
            nn.init.zeros_(parameter)
        elif kind.startswith("weight_hh"):
            nn.init.orthogonal_(parameter)
        elif parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)


def single(inputs: Mapping[str, Shape], name: str) -> Shape:
    """Take the shape of the only input.

    Raises
    ------
    OstinatoError
        If there is not exactly one input, or it is no (channels, bins, frames).
    """
    if len(inputs) != 1:
        raise OstinatoError(f"{name}: reads one feature; it was given {len(inputs)}: {', '.join(inputs) or 'none'}")
    feature, shape = next(iter(inputs.items()))
    if len(shape) != 3 or min(shape) < 1:
        raise OstinatoError(f"{name}: needs (channels, bins, frames) of at least 1 each; {feature} has {tuple(shape)}")
    channels, bins, frames = shape
    return channels, bins, frames


def fits(padding: Padding | None, default: Padding, name: str) -> Padding:
    """Take a padding or, for None, the default; refuse a word that is no padding."""
    if padding is None:
        return default
    if padding not in PADDINGS:
        raise OstinatoError(f"{name}: padding {padding!r} is not known; there are {', '.join(PADDINGS)}")
    return padding


class Convolutional(nn.Module):
    """Layers over a map, the mean over the map, and a dense head.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    shape : tuple of int
        Channels, bins and frames of the input.
    layers : nn.Sequential
    width : int
        Filters of the last layer.
    n_classes : int

    Raises
    ------
    OstinatoError
        If the input has fewer bins or frames than the layers need.
    """

    length: Literal["free", "fixed"] = "free"

    def __init__(self, name: str, shape: Shape, layers: nn.Sequential, width: int, n_classes: int) -> None:
        super().__init__()
        self.name, self.shape = name, shape
        self.layers = layers
        self.head = nn.Linear(width, n_classes)
        initialise(self)
        bins = needs(layers, 1, -2)
        if shape[1] < bins:
            raise OstinatoError(f"{name}: needs at least {bins} bins, {shape[1]} were given; set network: {{padding: same}}")
        self._refuse_short(shape[2])

    @property
    def min_frames(self) -> int:
        """The shortest chunk that passes."""
        return needs(self.layers, 1, -1)

    def _refuse_short(self, frames: int) -> None:
        if frames < self.min_frames:
            raise OstinatoError(
                f"{self.name}: needs at least {self.min_frames} frames of {self.shape[1]} bins, {frames} were given; "
                "raise chunk_frames or set network: {padding: same}"
            )

    def _check(self, x: Tensor) -> None:
        channels, bins, frames = self.shape
        if x.ndim != 4 or tuple(x.shape[1:3]) != (channels, bins):
            raise OstinatoError(f"{self.name}: needs (batch, {channels}, {bins}, frames); it was given {tuple(x.shape)}")
        if self.length == "fixed" and x.shape[3] != frames:
            raise OstinatoError(f"{self.name}: needs exactly {frames} frames, {x.shape[3]} were given; train it for that length")
        self._refuse_short(x.shape[3])

    def embed(self, x: Tensor) -> Tensor:
        """Give the mean over the last map, (batch, width), of (batch, channels, bins, frames)."""
        if not torch.compiler.is_exporting():
            self._check(x)
        return self.layers(x).mean((-2, -1))

    def forward(self, x: Tensor) -> Tensor:
        """Give logits, (batch, n_classes), of (batch, channels, bins, frames)."""
        return self.head(self.embed(x))
