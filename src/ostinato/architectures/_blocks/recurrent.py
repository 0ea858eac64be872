"""What the recurrent networks share: what a step is, and layers of several widths."""

from typing import Any

import torch
from torch import Tensor, nn

LAYOUTS = ("transpose", "reshape")


def steps(x: Tensor, layout: str = "transpose") -> Tensor:
    """Make steps of a map.

    Parameters
    ----------
    x : Tensor [shape=(batch, channels, bins, frames)]
    layout : {"transpose", "reshape"}
        A step is a frame; or, as in the published figures, as many consecutive
        numbers of the map as a frame has.

    Returns
    -------
    Tensor [shape=(batch, frames, channels * bins)]
    """
    if layout == "reshape":
        return x.reshape(x.shape[0], x.shape[3], -1)
    return x.flatten(1, 2).transpose(1, 2)


def shape_only(layer: nn.RNNBase, x: Tensor) -> Tensor:
    """Give states without numbers; torch would go through all steps for them."""
    return x.new_empty(*x.shape[:2], layer.hidden_size)


class GRU(nn.GRU):
    """Layers of one width, one after another.

    Parameters
    ----------
    width, units, n_layers : int
        Of a step, of a state, and how many there are.
    """

    def __init__(self, width: int, units: int, n_layers: int) -> None:
        super().__init__(width, units, n_layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Give the states of the last layer, (batch, steps, units), of (batch, steps, width)."""
        return shape_only(self, x) if x.is_meta else super().forward(x)[0]


class LSTM(nn.LSTM):
    """One layer, which an ONNX graph holds as one operator, whatever the number of steps.

    Parameters
    ----------
    width, units : int
        Of a step and of a state.
    """

    def __init__(self, width: int, units: int) -> None:
        super().__init__(width, units, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Give the states, (batch, steps, units), of (batch, steps, width)."""
        if x.is_meta:
            return shape_only(self, x)
        if not torch.onnx.is_in_onnx_export():
            return super().forward(x)[0]
        batch, steps, _ = x.shape
        kernels = [_reordered(w)[None] for w in (self.weight_ih_l0, self.weight_hh_l0)]
        bias = torch.cat([_reordered(b) for b in (self.bias_ih_l0, self.bias_hh_l0)])[None]
        states = torch.onnx.ops.symbolic(
            "LSTM",
            (x.transpose(0, 1), *kernels, bias),
            {"hidden_size": self.hidden_size},
            dtype=x.dtype,
            shape=(steps, 1, batch, self.hidden_size),
            version=18,
        )
        return states.squeeze(1).transpose(0, 1)


def _reordered(gates: Any) -> Tensor:
    """Put input, forget, cell, output, as torch has them, in ONNX' order."""
    n = len(gates) // 4
    return torch.cat([gates[:n], gates[3 * n :], gates[n : 2 * n], gates[2 * n : 3 * n]])


class LSTMs(nn.Module):
    """LSTM layers one after another, each of its own width.

    Parameters
    ----------
    width : int
        Of a step.
    units : tuple of int
        Of each layer.
    """

    def __init__(self, width: int, units: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LSTM(a, b) for a, b in zip((width, *units[:-1]), units, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Give the last state of the last layer, (batch, units), of (batch, steps, width)."""
        for layer in self.layers:
            x = layer(x)
        return x[:, -1]
