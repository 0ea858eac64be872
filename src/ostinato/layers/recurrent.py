"""Recurrent layers, and the steps they read."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

LAYOUTS = ("transpose", "reshape")


def steps(x: Tensor, layout: str = "transpose") -> Tensor:
    """Convert a map to steps.

    Parameters
    ----------
    x : Tensor [shape=(batch, channels, bins, frames)]
    layout : {"transpose", "reshape"}
        A step is a frame; or, as in the published results, as many consecutive
        numbers of the map as a frame has.

    Returns
    -------
    Tensor [shape=(batch, frames, channels * bins)]
    """
    if layout == "reshape":
        return x.reshape(x.shape[0], x.shape[3], -1)
    return x.flatten(1, 2).transpose(1, 2)


def _one_operator(operator: str, x: Tensor, order: tuple[int, ...], parts: list[Any], **attributes: int) -> Tensor:
    """Return a recurrent layer as one ONNX operator for any number of steps.

    Parameters
    ----------
    operator : {"GRU", "LSTM"}
    x : Tensor [shape=(batch, steps, width)]
    order : tuple of int
        Position in torch of each gate of ONNX.
    parts : list of Tensor
        Kernel, recurrent kernel, and the biases of both.
    **more : int
        Attributes of the operator.

    Returns
    -------
    Tensor [shape=(batch, steps, units)]
    """
    units = len(parts[0]) // len(order)
    weights = [torch.cat([part[units * gate : units * (gate + 1)] for gate in order]) for part in parts]
    states = torch.onnx.ops.symbolic(
        operator,
        (x.transpose(0, 1), weights[0][None], weights[1][None], torch.cat(weights[2:])[None]),
        {"hidden_size": units, **attributes},
        dtype=x.dtype,
        shape=(x.shape[1], 1, x.shape[0], units),
        version=18,
    )
    return states.squeeze(1).transpose(0, 1)


class _Layers(nn.RNNBase):
    """Layers of one width that return their states; on the meta device only the shape, in ONNX one operator each."""

    ORDER: ClassVar[tuple[int, ...]]
    MORE: ClassVar[Mapping[str, int]]

    def states(self, x: Tensor) -> Tensor:
        """Return the states of the last layer, (batch, steps, units), from (batch, steps, width)."""
        if torch.onnx.is_in_onnx_export():
            for number in range(self.num_layers):
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                parts = [getattr(self, f"{name}_l{number}") for name in names]
                x = _one_operator(self.mode, x, self.ORDER, parts, **self.MORE)
            return x
        if x.is_meta:
            return x.new_empty(*x.shape[:2], self.hidden_size)
        return super().forward(x)[0]  # type: ignore[misc]


class GRU(_Layers, nn.GRU):
    """Stacked gated recurrent layers of one width.

    Parameters
    ----------
    width, units, n_layers : int
        Width of a step, width of a state, and number of layers.
    """

    ORDER = (1, 0, 2)
    MORE: ClassVar = {"linear_before_reset": 1}

    def __init__(self, width: int, units: int, n_layers: int) -> None:
        super().__init__(width, units, n_layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Return the states of the last layer, (batch, steps, units), from (batch, steps, width)."""
        return self.states(x)


class LSTM(_Layers, nn.LSTM):
    """One layer of long short-term memory.

    Parameters
    ----------
    width, units : int
        Of a step and of a state.
    """

    ORDER = (0, 3, 1, 2)
    MORE: ClassVar = {}

    def __init__(self, width: int, units: int) -> None:
        super().__init__(width, units, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Return the states, (batch, steps, units), from (batch, steps, width)."""
        return self.states(x)


class LSTMs(nn.Module):
    """Stacked LSTM layers of different widths.

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
        """Return the last state of the last layer, (batch, units), from (batch, steps, width)."""
        for layer in self.layers:
            x = layer(x)
        return x[:, -1]
