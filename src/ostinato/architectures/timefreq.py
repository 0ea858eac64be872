"""TimeFreq: dense layers over the logits of a Time and a Freq network.

The members are trained before and stay as they are; this network is what learns
from their logits side by side. Any members and any number of them are taken.

References
----------
R. Whitell, "Deep Learning for Music Recommendation", thesis, 2019, section 4.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ostinato.architectures._blocks import initialise
from ostinato.errors import OstinatoError


class Network(nn.Module):
    """Dense layers with ReLU and dropout over concatenated logits.

    Parameters
    ----------
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

    length: Literal["free", "fixed"] = "fixed"

    def __init__(
        self,
        inputs: Mapping[str, int],
        n_classes: int,
        *,
        hidden: tuple[int, ...] = (256, 128),
        dropout: float = 0.5,
        l2: float = 0.002,
    ) -> None:
        super().__init__()
        if len(inputs) < 2:
            raise OstinatoError(
                f"timefreq: needs two members or more, {len(inputs)} were given; list them under members in params.yaml"
            )
        self.width, self.l2 = sum(inputs.values()), l2
        widths = (self.width, *hidden)
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], n_classes)
        initialise(self)

    def embed(self, logits: Tensor) -> Tensor:
        """Give the last hidden layer, (batch, width), of the members' logits, (batch, sum of logits)."""
        if logits.ndim != 2 or logits.shape[1] != self.width:
            raise OstinatoError(f"timefreq: needs (batch, {self.width}) logits; it was given {tuple(logits.shape)}")
        for layer in self.dense:
            logits = self.dropout(torch.relu(layer(logits)))
        return logits

    def forward(self, logits: Tensor) -> Tensor:
        """Give logits, (batch, n_classes), of the members' logits, (batch, sum of logits)."""
        return self.head(self.embed(logits))

    def penalty(self) -> Tensor:
        """Give what the loss adds for large kernels: `l2` times the sum of their squares."""
        return self.l2 * torch.stack([p.square().sum() for p in self.dense.parameters() if p.ndim > 1]).sum()


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Ask for dropout and the learning rate; the widths are the paper's."""
    return {
        "network": {"dropout": trial.suggest_float("dropout", 0.2, 0.6)},
        "train": {"lr": trial.suggest_float("lr", 3e-4, 1e-2, log=True)},
    }
