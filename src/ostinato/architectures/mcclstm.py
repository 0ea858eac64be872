"""MCCLSTM: tempo, pitch and bass channels of each chunk, and an LSTM over the chunks.

The paper concatenates the channels (section 2.2) and suggests to weight them: gated or
with attention they become vectors of one width that are averaged with weights; bilinear,
vectors that are multiplied.

References
----------
N. Chen, S. Wang, "High-level music descriptor extraction algorithm based on combination of multi-channel CNNs and
LSTM", ISMIR 2017.
J. Arevalo et al., "Gated multimodal units for information fusion", ICLR workshop 2017.
J.-H. Kim et al., "Hadamard product for low-rank bilinear pooling", ICLR 2017.
"""

from collections.abc import Mapping
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.layers.checks import Shape, check_choice
from ostinato.layers.multichannel import Concatenated, MultiChannel

FUSIONS = ("concat", "gated", "attention", "bilinear")


class Fusion(nn.Module):
    """Channels as vectors of one width, in a weighted sum or product.

    Parameters
    ----------
    widths : tuple of int
        Of the channels.
    how : {"gated", "attention", "bilinear"}
        Weights per element from all channels, weights per channel that sum to one, or
        the product followed by a dense layer.
    width : int
    dropout : float
    """

    def __init__(self, widths: tuple[int, ...], how: str, width: int, dropout: float) -> None:
        super().__init__()
        self.width, self.how, self.dropout = width, how, nn.Dropout(dropout)
        self.same = nn.ModuleList(nn.Linear(w, width) for w in widths)
        shapes = {"gated": (sum(widths), width * len(widths)), "attention": (width, 1), "bilinear": (width, width)}
        self.weigh = nn.Linear(*shapes[how], bias=how != "attention")

    def forward(self, parts: list[Tensor]) -> Tensor:
        """Return (chunks, width) from the channels' vectors."""
        parts = [self.dropout(part) for part in parts]
        vectors = [torch.tanh(layer(part)) for layer, part in zip(self.same, parts, strict=True)]
        if self.how == "bilinear":
            return torch.relu(self.weigh(reduce(torch.mul, vectors)))
        stacked = torch.stack(vectors, 1)
        if self.how == "attention":
            return (self.weigh(stacked).softmax(1) * stacked).sum(1)
        shares = torch.sigmoid(self.weigh(torch.cat(parts, -1))).unflatten(-1, (len(parts), self.width))
        return (shares * stacked).sum(1)


class Network(MultiChannel):
    """Kernels along time, along frequency, and small ones, over each chunk, then an LSTM.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one, cut into chunks of 80 frames; published are 40 mel bands.
    n_classes : int
    dense : int
        Width of the combined channels.
    units : int
        Of the LSTM.
    fusion : {"concat", "gated", "attention", "bilinear"}
    dropout : float
        Dropout rate at the input of each dense layer.
    initial : {"glorot", "gaussian"}
        The paper says Gaussian of variance 1 (section 3), which saturates.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        dense: int = 400,
        units: int = 200,
        fusion: str = "concat",
        dropout: float = 0.5,
        initial: str = "glorot",
    ) -> None:
        fusion = check_choice("mcclstm", "fusion", fusion, FUSIONS)
        concat = partial(Concatenated, dense=dense, dropout=dropout)
        super().__init__(
            "mcclstm",
            inputs,
            n_classes,
            channels=("tempo", "pitch", "bass"),
            units=units,
            dropout=dropout,
            initial=initial,
            fusion=concat if fusion == "concat" else partial(Fusion, how=fusion, width=dense, dropout=dropout),
        )


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest the fusion, dropout and the learning rate."""
    return {
        "network": {
            "fusion": trial.suggest_categorical("fusion", FUSIONS),
            "dropout": trial.suggest_float("dropout", 0.1, 0.6),
        },
        "train": {"lr": trial.suggest_float("lr", 1e-4, 1e-2, log=True)},
    }
