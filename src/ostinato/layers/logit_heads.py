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
    """Dense layers with ReLU, and dropout behind each.

    Parameters
    ----------
    widths : tuple of int
        Of the input and of each layer.
    dropout : float
        Share of a layer that training leaves out.
    """

    def __init__(self, widths: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, last width) of (batch, first width)."""
        for layer in self.layers:
            x = self.dropout(torch.relu(layer(x)))
        return x


def members(inputs: Mapping[str, int], name: str) -> int:
    """Count the logits of all members together.

    Raises
    ------
    OstinatoError
        If there are fewer than two members.
    """
    if len(inputs) < 2:
        raise OstinatoError(
            f"{name}: needs two members or more, {len(inputs)} were given; list them under members in params.yaml"
        )
    return sum(inputs.values())


class OverLogits(nn.Module):
    """A network over the logits of others, side by side.

    Those who inherit from it give `encode`, and set `head`.

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
        """Return (batch, width) of logits that fit."""
        raise NotImplementedError

    def embed(self, logits: Tensor) -> Tensor:
        """Return the vector before the head, (batch, width), of the members' logits, (batch, sum of logits)."""
        if logits.ndim != 2 or logits.shape[1] != self.width:
            raise OstinatoError(f"{self.name}: needs (batch, {self.width}) logits; it was given {tuple(logits.shape)}")
        return self.encode(logits)

    def forward(self, logits: Tensor) -> Tensor:
        """Return logits, (batch, n_classes), of the members' logits, (batch, sum of logits)."""
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
        Share of a hidden layer that training leaves out.
    l2 : float
        What `penalty` takes of the squares of the hidden kernels.
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
        """Return the last hidden layer, (batch, width), of (batch, sum of logits)."""
        return self.dense(logits)

    def penalty(self) -> Tensor:
        """Return what the loss adds for large kernels: `l2` times the sum of their squares."""
        return self.l2 * squares(self.dense.layers)
