"""Heads of stacks: networks on the logits of other networks."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.init import initialise


def squares(layers: Iterable[nn.Module]) -> Tensor:
    """Return the sum of the squares of the layers' kernels."""
    return torch.stack([p.square().sum() for layer in layers for p in layer.parameters() if p.ndim > 1]).sum()


class Dense(nn.Module):
    """Dense layers with ReLU, each followed by dropout.

    Parameters
    ----------
    widths : tuple of int
        Of the input and of each layer.
    dropout : float
        Dropout rate of each layer.
    """

    def __init__(self, widths: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, last width) from (batch, first width)."""
        for layer in self.layers:
            x = self.dropout(torch.relu(layer(x)))
        return x


def members(inputs: Mapping[str, int], name: str) -> int:
    """Count the logits of all members.

    Raises
    ------
    OstinatoError
        If there are fewer than two members.
    """
    if len(inputs) < 2:
        raise OstinatoError(
            f"{name}: needs two members or more, got {len(inputs)}; list them under members in params.yaml"
        )
    return sum(inputs.values())


class OverLogits(nn.Module):
    """A network over the concatenated logits of others.

    Subclasses define `encode` and set `head`.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    inputs : mapping of str to int
        Number of logits of each member.
    """

    length: Literal["free", "fixed"] = "fixed"
    head: nn.Module

    def __init__(self, name: str, inputs: Mapping[str, int]) -> None:
        super().__init__()
        self.name, self.width = name, members(inputs, name)

    def encode(self, logits: Tensor) -> Tensor:
        """Return (batch, width) from checked logits."""
        raise NotImplementedError

    def embed(self, logits: Tensor) -> Tensor:
        """Return the vector before the head, (batch, width), from the members' logits, (batch, sum of logits)."""
        if logits.ndim != 2 or logits.shape[1] != self.width:
            raise OstinatoError(f"{self.name}: needs (batch, {self.width}) logits, got {tuple(logits.shape)}")
        return self.encode(logits)

    def forward(self, logits: Tensor) -> Tensor:
        """Return logits, (batch, n_classes), from the members' logits, (batch, sum of logits)."""
        return self.head(self.embed(logits))


class DenseOverLogits(OverLogits):
    """Dense layers with ReLU and dropout over concatenated logits.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    inputs : mapping of str to int
        Number of logits of each member.
    n_classes : int
    hidden : tuple of int
        Widths of the hidden layers.
    dropout : float
        Dropout rate of hidden layers.
    l2 : float
        Weight of the hidden kernels' squares in `penalty`.
    """

    def __init__(
        self,
        name: str,
        inputs: Mapping[str, int],
        n_classes: int,
        *,
        hidden: tuple[int, ...],
        dropout: float,
        l2: float,
    ) -> None:
        super().__init__(name, inputs)
        self.l2 = l2
        self.dense = Dense((self.width, *hidden), dropout)
        self.head = nn.Linear((self.width, *hidden)[-1], n_classes)
        initialise(self)

    def encode(self, logits: Tensor) -> Tensor:
        """Return the last hidden layer, (batch, width), from (batch, sum of logits)."""
        return self.dense(logits)

    def penalty(self) -> Tensor:
        """Return the L2 penalty of the kernels for the loss."""
        return self.l2 * squares(self.dense.layers)
