"""What the networks share: TensorFlow's padding, layers that say what length they need, and their initialisation.

A layer's ``needs(size, axis)`` is the least input that leaves `size` along an axis
(-2: rows, -1: columns), so that a network can say how short a chunk may be; its
``sees(size, axis)`` is how much of the input, padding included, they are made of.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import OstinatoError

Shape: TypeAlias = tuple[int, int, int]
Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = Literal["same", "valid"]
Initial: TypeAlias = Literal["glorot", "gaussian"]
PADDINGS = ("same", "valid")
INITIAL = ("glorot", "gaussian")
BLOCK = 8


def same(size: int, kernel: int, stride: int) -> Pair:
    """Return TensorFlow's ``same`` padding along one axis.

    Parameters
    ----------
    size, kernel, stride : int
        Of the axis.

    Returns
    -------
    before, after : int
        How many to put at either end; the odd one goes to the end.

    Examples
    --------
    >>> same(643, 160, 2)
    (79, 80)
    """
    total = max(kernel - 1 - (size - 1) % stride, 0)
    return total // 2, total - total // 2


def _margins(x: Tensor, kernel: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """Return the ``same`` padding along rows and columns."""
    rows, columns = (same(x.shape[axis], kernel[axis], stride[axis]) for axis in (-2, -1))
    return rows, columns


def _graph_node(
    operator: str,
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    weights: tuple[Tensor, ...] = (),
    groups: int = 1,
) -> Tensor:
    """Stand for an ONNX operator that pads by itself, whatever the length: ONNX calls ``same`` SAME_UPPER."""
    attributes: dict[str, Any] = {"auto_pad": "SAME_UPPER", "kernel_shape": list(kernel), "strides": list(stride)}
    if weights:
        attributes["group"] = groups
    batch, channels, rows, columns = x.shape
    shape = (
        batch,
        len(weights[0]) if weights else channels,
        (rows - 1) // stride[0] + 1,
        (columns - 1) // stride[1] + 1,
    )
    return torch.onnx.ops.symbolic(operator, (x, *weights), attributes, dtype=x.dtype, shape=shape, version=18)


class Conv(nn.Conv2d):
    """A convolution with TensorFlow's paddings.

    Parameters
    ----------
    channels, filters : int
    kernel, stride : tuple of int
        Along rows and columns.
    padding : {"valid", "same"}
    groups : int
    bias : bool
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: Pair,
        stride: Pair = (1, 1),
        padding: Padding = "valid",
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(channels, filters, kernel, stride, groups=groups, bias=bias)
        self.same = padding == "same"

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (batch, channels, rows, columns)."""
        margin: Pair = (0, 0)
        if self.same and torch.onnx.is_in_onnx_export():
            weights = (self.weight,) if self.bias is None else (self.weight, self.bias)
            return _graph_node("Conv", x, self.kernel_size, self.stride, weights, self.groups)
        if self.same:
            rows, columns = _margins(x, self.kernel_size, self.stride)  # type: ignore[arg-type]
            if self.stride == (1, 1) and rows[0] == rows[1] and columns[0] == columns[1]:
                margin = rows[0], columns[0]
            else:
                x = F.pad(x, (*columns, *rows))
        return F.conv2d(x, self.weight, self.bias, self.stride, margin, 1, self.groups)

    def needs(self, size: int, axis: int) -> int:
        """Return the least input for an output of `size`."""
        return 1 + (size - 1) * self.stride[axis] if self.same else self.sees(size, axis)

    def sees(self, size: int, axis: int) -> int:
        """Return how much of the input `size` outputs along an axis see: their receptive field."""
        return (size - 1) * self.stride[axis] + self.kernel_size[axis]


class Across(Conv):
    """A depthwise convolution as wide as the map, which leaves one column.

    Where a gradient is wanted it is a weighted sum with the channels last: the same
    numbers, and a CPU has that gradient two to eight times as fast as the convolution's.

    Parameters
    ----------
    channels, columns : int
    """

    def __init__(self, channels: int, columns: int) -> None:
        super().__init__(channels, channels, (1, columns), groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """Reduce (batch, channels, rows, columns) to (batch, channels, rows, 1)."""
        if torch.onnx.is_in_onnx_export() or not torch.is_grad_enabled():
            return super().forward(x)
        return (x.permute(0, 2, 3, 1) * self.weight[:, 0, 0].t()).sum(2, keepdim=True).permute(0, 3, 1, 2)


class MaxPool(nn.Module):
    """The maximum over windows, with TensorFlow's paddings.

    Parameters
    ----------
    kernel, stride : tuple of int
        Along rows and columns.
    padding : {"same", "valid"}
    """

    def __init__(self, kernel: Pair, stride: Pair, padding: Padding = "same") -> None:
        super().__init__()
        self.kernel, self.stride, self.same = kernel, stride, padding == "same"

    def forward(self, x: Tensor) -> Tensor:
        """Pool (batch, channels, rows, columns)."""
        if not self.same:
            return F.max_pool2d(x, self.kernel, self.stride)
        if torch.onnx.is_in_onnx_export():
            return _graph_node("MaxPool", x, self.kernel, self.stride)
        (before, _), (left, _) = _margins(x, self.kernel, self.stride)
        return F.max_pool2d(x, self.kernel, self.stride, (before, left), ceil_mode=True)

    def needs(self, size: int, axis: int) -> int:
        """Return the least input for an output of `size`."""
        return 1 + (size - 1) * self.stride[axis] if self.same else self.sees(size, axis)

    def sees(self, size: int, axis: int) -> int:
        """Return how much of the input `size` outputs along an axis see: their receptive field."""
        return (size - 1) * self.stride[axis] + self.kernel[axis]


class Branches(nn.Module):
    """Parallel convolutions along the rows of a map, with kernels of several lengths; normalisation and ReLU of all.

    All kernels at once, filled up with zeros to one length, make a block of rows out of
    the rows it is made of: one matrix product, and the same numbers. One channel in
    and two out is what a CPU's convolutions are slowest at.

    Parameters
    ----------
    channels : int
    kernels : tuple of int
        Rows of each branch.
    stride : int
        Along the rows.
    filters : int
        Of each branch.
    """

    def __init__(self, channels: int, kernels: tuple[int, ...], stride: int, filters: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv(channels, filters, (k, 1), (stride, 1), "same") for k in kernels)
        self.norm = normalisation(filters * len(kernels))
        self.kernels, self.stride = kernels, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, branches * filters, rows, columns)."""
        if torch.onnx.is_in_onnx_export() or x.is_meta:
            maps = torch.cat([conv(x) for conv in self.convs], 1)
        else:
            maps = self._at_once(x)
        return F.relu(self.norm(maps))

    def _at_once(self, x: Tensor) -> Tensor:
        """Multiply blocks of rows with the matrix whose rows are all kernels, shifted."""
        size = x.shape[-2]
        before, weight = self._filled_up(size)
        reach, n_rows = weight.shape[-1], -(-size // self.stride)
        block = max(BLOCK, reach // BLOCK)
        n_blocks, step = -(-n_rows // block), block * self.stride
        wide = step - self.stride + reach
        shifted = F.pad(weight, (0, step)).unsqueeze(2).expand(-1, -1, block, -1)
        matrix = shifted.flatten(2)[..., : block * wide].unflatten(2, (block, wide)).permute(2, 0, 1, 3)
        rows = F.pad(x, (0, 0, before, max((n_blocks - 1) * step + wide - before - size, 0)))
        windows = rows.movedim(1, -1).unfold(1, wide, step).flatten(-2)
        maps = F.linear(windows, matrix.flatten(2).flatten(0, 1)).unflatten(-1, (block, -1))
        return maps.transpose(2, 3).flatten(1, 2)[:, :n_rows].movedim(-1, 1)

    def _filled_up(self, size: int) -> tuple[int, Tensor]:
        """Return how many rows before the first the longest reaches, and all kernels, (filters, channels, rows)."""
        margins = [same(size, k, self.stride) for k in self.kernels]
        before = max(b for b, _ in margins)
        reach = max(before - b + k for (b, _), k in zip(margins, self.kernels, strict=True))
        return before, torch.cat(
            [
                F.pad(conv.weight[..., 0], (before - b, reach - k - before + b))  # type: ignore[index]
                for conv, (b, _), k in zip(self.convs, margins, self.kernels, strict=True)
            ]
        )

    def needs(self, size: int, axis: int) -> int:
        """Return the least input for an output of `size`."""
        return (size - 1) * (self.stride if axis == -2 else 1) + 1

    def sees(self, size: int, axis: int) -> int:
        """Return how much of the input `size` outputs along an axis see: their receptive field."""
        return self.needs(size, axis) + (max(self.kernels) - 1 if axis == -2 else 0)


def normalisation(channels: int) -> nn.BatchNorm2d:
    """Make batch normalisation with Keras' constants."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def separable(channels: int, filters: int, kernel: Pair, padding: Padding) -> nn.Sequential:
    """Make a depthwise convolution and a pointwise one, with nothing in between."""
    return _pointwise(Conv(channels, channels, kernel, padding=padding, groups=channels), filters)


def across(channels: int, filters: int, columns: int) -> nn.Sequential:
    """Make a separable convolution over all columns that are left."""
    return _pointwise(Across(channels, columns), filters)


def _pointwise(depthwise: Conv, filters: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=Conv(depthwise.out_channels, filters, (1, 1))))


def block(conv: nn.Module, filters: int, pool: MaxPool | None = None) -> nn.Sequential:
    """Put normalisation, pooling and ReLU behind a convolution, in this order."""
    layers = OrderedDict(conv=conv, norm=normalisation(filters))
    if pool is not None:
        layers["pool"] = pool
    layers["relu"] = nn.ReLU()
    return nn.Sequential(layers)


def needs(layer: nn.Module, size: int, axis: int) -> int:
    """Return the least input of a chain of layers for an output of `size`."""
    return _back(layer, size, axis, "needs")


def sees(layer: nn.Module, size: int, axis: int) -> int:
    """Return how much of the input of a chain of layers `size` numbers of its output are made of."""
    return _back(layer, size, axis, "sees")


def _back(layer: nn.Module, size: int, axis: int, question: str) -> int:
    """Ask a chain of layers from its end; what does not answer changes no size."""
    if isinstance(layer, nn.Sequential):
        for inner in reversed(layer):
            size = _back(inner, size, axis, question)
        return size
    answer: Any = getattr(layer, question, None)
    return size if answer is None else answer(size, axis)


def initialise(network: nn.Module, how: Initial = "glorot") -> None:
    """Draw the kernels; biases become 0, those of an LSTM's forget gates 1.

    Parameters
    ----------
    network : nn.Module
    how : {"glorot", "gaussian"}
        Glorot uniform kernels and orthogonal recurrent ones, or all of variance 1.
    """
    for name, parameter in network.named_parameters():
        kind = name.rsplit(".", 1)[-1]
        if kind.startswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.ndim > 1 and how == "gaussian":
            nn.init.normal_(parameter)
        elif kind.startswith("weight_hh"):
            nn.init.orthogonal_(parameter)
        elif parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    for layer in network.modules():
        if isinstance(layer, nn.LSTM):
            for number in range(layer.num_layers):
                bias = getattr(layer, f"bias_ih_l{number}")
                nn.init.ones_(bias.data[layer.hidden_size : 2 * layer.hidden_size])


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


def word(name: str, key: str, given: str, known: Iterable[str]) -> str:
    """Return a word if it is known, else raise OstinatoError.

    Raises
    ------
    OstinatoError
        Which says the words that there are.
    """
    if given not in known:
        raise OstinatoError(f"{name}: {key} {given!r} is not known; there are {', '.join(known)}")
    return given


def fits(padding: Padding | None, default: Padding, name: str) -> Padding:
    """Take a padding or, for None, the default; refuse a word that is no padding."""
    return default if padding is None else cast(Padding, word(name, "padding", padding, PADDINGS))


class Reader(nn.Module):
    """A network of one input, which refuses any other shape.

    Those who inherit from it give `encode`, and set `head`.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    shape : tuple of int
        Channels, bins and frames of the input.
    """

    length: Literal["free", "fixed"] = "free"
    mend = "raise chunk_frames"
    head: nn.Module
    space_width: int | None = None
    """How many of the first numbers of `embed` make up the similarity space; None: all."""

    def __init__(self, name: str, shape: Shape) -> None:
        super().__init__()
        self.name, self.shape = name, shape

    @property
    def min_frames(self) -> int:
        """The shortest chunk that passes; of a fixed length the only one."""
        return 1 if self.length == "free" else self.shape[2]

    def _refuse_short(self, frames: int) -> None:
        if frames < self.min_frames:
            raise OstinatoError(
                f"{self.name}: needs at least {self.min_frames} frames of {self.shape[1]} bins, {frames} were given; "
                f"{self.mend}"
            )

    def _check(self, x: Tensor) -> None:
        channels, bins, frames = self.shape
        if x.ndim != 4 or tuple(x.shape[1:3]) != (channels, bins):
            raise OstinatoError(
                f"{self.name}: needs (batch, {channels}, {bins}, frames); it was given {tuple(x.shape)}"
            )
        if self.length == "fixed" and x.shape[3] != frames:
            raise OstinatoError(
                f"{self.name}: needs exactly {frames} frames, {x.shape[3]} were given; train it for that length"
            )
        self._refuse_short(x.shape[3])

    def encode(self, x: Tensor) -> Tensor:
        """Return (batch, width) of an input that fits."""
        raise NotImplementedError

    def embed(self, x: Tensor) -> Tensor:
        """Return the vector before the head, (batch, width), of (batch, channels, bins, frames)."""
        if not torch.onnx.is_in_onnx_export():
            self._check(x)
        return self.encode(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (batch, n_classes), of (batch, channels, bins, frames)."""
        return self.head(self.embed(x))


class Convolutional(Reader):
    """Layers over a map, the mean over the map, and a dense head.

    Maps lie in memory with their channels together, which makes these thin
    networks about twice as fast on a CPU.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    shape : tuple of int
        Channels, bins and frames of the input.
    layers : nn.Sequential
        Over (batch, channels, bins, frames), or over (batch, channels, frames,
        bins) where `frames_first`.
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
    mend = "raise chunk_frames or set network: {padding: same}"
    mend_bins = "set network: {padding: same}"

    def __init__(self, name: str, shape: Shape, layers: nn.Sequential, width: int, n_classes: int) -> None:
        super().__init__(name, shape)
        self.layers = layers
        self.head = self.dense(width, n_classes)
        initialise(self)
        bins = needs(layers, 1, -1 if self.frames_first else -2)
        if shape[1] < bins:
            raise OstinatoError(f"{name}: needs at least {bins} bins, {shape[1]} were given; {self.mend_bins}")
        self._refuse_short(shape[2])

    @property
    def min_frames(self) -> int:
        """The shortest chunk that passes; of a fixed length the only one."""
        return super().min_frames if self.length == "fixed" else needs(self.layers, 1, -2 if self.frames_first else -1)

    @property
    def receptive_field(self) -> Pair:
        """Bins and frames of the input that one number of the last map is made of, at most all of them."""
        rows, columns = (sees(self.layers, 1, axis) for axis in (-2, -1))
        bins, frames = (columns, rows) if self.frames_first else (rows, columns)
        return min(bins, self.shape[1]), min(frames, self.shape[2])

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean over the last map, (batch, width), of (batch, channels, bins, frames)."""
        x = x.transpose(-2, -1) if self.frames_first else x
        return self.layers(x.clone(memory_format=torch.channels_last)).mean((-2, -1))
