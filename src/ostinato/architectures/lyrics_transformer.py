"""A small transformer over words, an alternative to the LSTM layers of `lyrics`.

Padding is masked; an additional first token is classified.

References
----------
A. Vaswani et al., "Attention is all you need", NeurIPS 2017.
R. Xiong et al., "On layer normalization in the transformer architecture", ICML 2020.
"""

from collections.abc import Mapping
from math import log
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.checks import Shape
from ostinato.layers.init import initialise
from ostinato.layers.text import WordReader

LONGEST_WAVE = 10_000.0


def positions(n: int, width: int, like: Tensor) -> Tensor:
    """Return sinusoidal position embeddings, (n, width), with dtype and device of `like`."""
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-log(LONGEST_WAVE) / width))
    angles = torch.arange(n, device=like.device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1).to(like.dtype)


class Attention(nn.Module):
    """Attention to all words, then two dense layers, both with residual connections.

    Parameters
    ----------
    width, heads : int
    dropout : float
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.read, self.write = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, tokens, width); `mask`, (batch, tokens), is true for words."""
        parts = self.read(self.norms[0](x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        x = x + self.dropout(self.write(output.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.dense(self.norms[1](x)))

    def products(self, x: Tensor) -> int:
        """Count the multiplications of the attention matrices for an output of this layer."""
        return 2 * x.shape[0] * x.shape[1] ** 2 * x.shape[2]


class Network(WordReader):
    """Words as vectors, layers of attention, and a dense layer over the first token.

    Parameters
    ----------
    inputs : mapping of str to (1, numbers, words)
        Exactly one: the number of word ids, and words of a chunk, which is padded
        with 0 on the left.
    n_classes : int
    width : int
        Of a word's vector; a multiple of twice the heads.
    heads, n_layers : int
    dropout : float
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        width: int = 128,
        heads: int = 4,
        n_layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__("lyrics_transformer", inputs, width)
        if width % (2 * heads):
            raise OstinatoError(f"lyrics_transformer: width must be a multiple of {2 * heads}; it is {width}")
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.layers = nn.ModuleList(Attention(width, heads, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_classes)
        initialise(self)
        nn.init.normal_(self.words.weight, std=width**-0.5)

    def read(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Return the first token, (batch, width), from words' vectors, (batch, words, width)."""
        batch, n, width = vectors.shape
        mask = F.pad(mask, (1, 0), value=True)
        states = torch.cat([self.first.expand(batch, 1, -1), vectors + positions(n, width, vectors)], 1)
        for layer in self.layers:
            states = layer(states, mask)
        return self.norm(states[:, 0])


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest the number of layers, dropout and the learning rate."""
    return {
        "network": {
            "n_layers": trial.suggest_int("n_layers", 1, 4),
            "dropout": trial.suggest_float("dropout", 0.0, 0.4),
        },
        "train": {"lr": trial.suggest_float("lr", 1e-4, 1e-2, log=True)},
    }
