"""Lyrics: an embedding of words and three LSTM layers.

The default vocabulary is the published one: 497,946 words, 0 where there is none,
and one number for all rare words.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, section 5.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ostinato.architectures._blocks import Reader, Shape, initialise
from ostinato.architectures._blocks.recurrent import LSTMs
from ostinato.architectures._blocks.tokens import numbers, one_row


class Network(Reader):
    """Words as vectors, LSTM layers, and a dense layer over the last state.

    Parameters
    ----------
    inputs : mapping of str to (1, 1, words)
        Exactly one; words come as numbers, filled up with 0 on the left.
    n_classes : int
    vocabulary : int
        How many numbers there are; the last one is that of all words beyond.
    width : int
        Of a word's vector.
    units : tuple of int
        Of each layer.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        vocabulary: int = 497_948,
        width: int = 200,
        units: tuple[int, ...] = (256, 512, 1024),
    ) -> None:
        super().__init__("lyrics", one_row(inputs, "lyrics"))
        self.words = nn.Embedding(vocabulary, width)
        self.recurrent = LSTMs(width, units)
        self.head = nn.Linear(units[-1], n_classes)
        initialise(self)
        nn.init.uniform_(self.words.weight, -0.05, 0.05)

    def encode(self, x: Tensor) -> Tensor:
        """Give the last state, (batch, units), of (batch, 1, 1, words)."""
        return self.recurrent(self.words(numbers(x, self.words.num_embeddings)))


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Ask for the learning rate; the layers are the paper's."""
    return {"network": {}, "train": {"lr": trial.suggest_float("lr", 3e-5, 3e-3, log=True)}}
