"""Convolutions and pooling with TensorFlow's padding, their minimal input and their receptive field.

A layer's ``min_input(size, axis)`` is the smallest input for an output of `size` along an
axis (-2: rows, -1: columns), which gives the shortest chunk of a network; its
``receptive_field(size, axis)`` is the part of the input, including padding, that they see.
"""

from collections import OrderedDict
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.layers.checks import Padding

Pair: TypeAlias = tuple[int, int]
"""Along rows and columns."""


def compute_same_padding(size: int, kernel: int, stride: int) -> Pair:
    """Return TensorFlow's ``same`` padding along one axis.

    Parameters
    ----------
    size, kernel, stride : int
        Of the axis.

    Returns
    -------
    before, after : int
        Padding at both ends; an odd one is longer at the end.

    Examples
    --------
    >>> compute_same_padding(643, 160, 2)
    (79, 80)
    """
    total = max(kernel - 1 - (size - 1) % stride, 0)
    return total // 2, total - total // 2


def _margins(x: Tensor, kernel: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """Return the ``same`` padding along rows and columns."""
    rows, columns = (compute_same_padding(x.shape[axis], kernel[axis], stride[axis]) for axis in (-2, -1))
    return rows, columns


def _graph_node(
    operator: str,
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    weights: tuple[Tensor, ...] = (),
    groups: int = 1,
) -> Tensor:
    """Return an ONNX operator that pads by itself for any length; ONNX calls ``same`` SAME_UPPER."""
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
    """A convolution with TensorFlow's padding.

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

    def min_input(self, size: int, axis: int) -> int:
        """Return the smallest input for an output of `size`."""
        return 1 + (size - 1) * self.stride[axis] if self.same else self.receptive_field(size, axis)

    def receptive_field(self, size: int, axis: int) -> int:
        """Return the receptive field of `size` outputs along an axis."""
        return (size - 1) * self.stride[axis] + self.kernel_size[axis]


class Across(Conv):
    """A depthwise convolution as wide as the map, which leaves one column.

    If gradients are needed, it is computed as a weighted sum with channels last: the result
    is the same, and the gradient two to eight times as fast on a CPU.

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
    """Max pooling with TensorFlow's padding.

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

    def min_input(self, size: int, axis: int) -> int:
        """Return the smallest input for an output of `size`."""
        return 1 + (size - 1) * self.stride[axis] if self.same else self.receptive_field(size, axis)

    def receptive_field(self, size: int, axis: int) -> int:
        """Return the receptive field of `size` outputs along an axis."""
        return (size - 1) * self.stride[axis] + self.kernel[axis]


def normalisation(channels: int) -> nn.BatchNorm2d:
    """Make batch normalisation with Keras' constants."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def separable_conv(channels: int, filters: int, kernel: Pair, padding: Padding) -> nn.Sequential:
    """Make a depthwise and a pointwise convolution, with nothing in between."""
    return _pointwise(Conv(channels, channels, kernel, padding=padding, groups=channels), filters)


def separable_across(channels: int, filters: int, columns: int) -> nn.Sequential:
    """Make a separable convolution over all remaining columns."""
    return _pointwise(Across(channels, columns), filters)


def _pointwise(depthwise: Conv, filters: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=Conv(depthwise.out_channels, filters, (1, 1))))


def conv_block(conv: nn.Module, filters: int, pool: MaxPool | None = None) -> nn.Sequential:
    """Add normalisation, pooling and ReLU to a convolution, in this order."""
    layers = OrderedDict(conv=conv, norm=normalisation(filters))
    if pool is not None:
        layers["pool"] = pool
    layers["relu"] = nn.ReLU()
    return nn.Sequential(layers)


def min_input(layer: nn.Module, size: int, axis: int) -> int:
    """Return the smallest input of a chain of layers for an output of `size`."""
    return _back(layer, size, axis, "min_input")


def receptive_field(layer: nn.Module, size: int, axis: int) -> int:
    """Return the receptive field of `size` outputs of a chain of layers."""
    return _back(layer, size, axis, "receptive_field")


def _back(layer: nn.Module, size: int, axis: int, method: str) -> int:
    """Apply a method of each layer from the last to the first; layers without it keep the size."""
    if isinstance(layer, nn.Sequential):
        for inner in reversed(layer):
            size = _back(inner, size, axis, method)
        return size
    function: Any = getattr(layer, method, None)
    return size if function is None else function(size, axis)
