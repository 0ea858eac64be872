"""Parallel convolutions with kernels of several lengths."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.layers.conv import Conv, compute_same_padding, normalisation

BLOCK = 8
"""Minimal number of rows per block."""


class Branches(nn.Module):
    """Parallel convolutions along the rows of a map, with kernels of several lengths; normalisation and ReLU of all.

    All kernels, zero-padded to one length, are applied to a block of rows in one matrix
    product, with the same result. A CPU's convolutions are slowest for one input and two
    output channels.

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
        """Multiply blocks of rows with the matrix of all shifted kernels."""
        size = x.shape[-2]
        before, weight = self._filled_up(size)
        reach, n_rows = weight.shape[-1], -(-size // self.stride)
        block = max(BLOCK, reach // BLOCK)
        n_blocks, step = -(-n_rows // block), block * self.stride
        span = step - self.stride + reach
        padded = F.pad(weight, (0, step)).unsqueeze(2).expand(-1, -1, block, -1)
        matrix = padded.flatten(2)[..., : block * span].unflatten(2, (block, span)).permute(2, 0, 1, 3)
        rows = F.pad(x, (0, 0, before, max((n_blocks - 1) * step + span - before - size, 0)))
        windows = rows.movedim(1, -1).unfold(1, span, step).flatten(-2)
        maps = F.linear(windows, matrix.flatten(2).flatten(0, 1)).unflatten(-1, (block, -1))
        return maps.transpose(2, 3).flatten(1, 2)[:, :n_rows].movedim(-1, 1)

    def _filled_up(self, size: int) -> tuple[int, Tensor]:
        """Return the padding before the first row, and all kernels as (filters, channels, rows)."""
        margins = [compute_same_padding(size, k, self.stride) for k in self.kernels]
        before = max(b for b, _ in margins)
        reach = max(before - b + k for (b, _), k in zip(margins, self.kernels, strict=True))
        return before, torch.cat(
            [
                F.pad(conv.weight[..., 0], (before - b, reach - k - before + b))  # type: ignore[index]
                for conv, (b, _), k in zip(self.convs, margins, self.kernels, strict=True)
            ]
        )

    def min_input(self, size: int, axis: int) -> int:
        """Return the smallest input for an output of `size`."""
        return (size - 1) * (self.stride if axis == -2 else 1) + 1

    def receptive_field(self, size: int, axis: int) -> int:
        """Return the receptive field of `size` outputs along an axis."""
        return self.min_input(size, axis) + (max(self.kernels) - 1 if axis == -2 else 0)
