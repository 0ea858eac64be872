"""Lyrics: an embedding of words and three LSTM layers.

Published with 497,948 word ids: 0 for padding, one for each of 497,946 words, and one
for all others.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 14.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from ostinato.layers.checks import Shape
from ostinato.layers.init import initialise
from ostinato.layers.recurrent import LSTMs
from ostinato.layers.search_space import suggest
from ostinato.layers.text import WordReader


class Network(WordReader):
    """Words as vectors, LSTM layers, and a dense layer over the last state.

    Parameters
    ----------
    inputs : mapping of str to (1, numbers, words)
        Exactly one: the number of word ids, and words of a chunk, which is padded
        with 0 on the left.
    n_classes : int
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
        width: int = 200,
        units: tuple[int, ...] = (256, 512, 1024),
    ) -> None:
        super().__init__("lyrics", inputs, width)
        self.recurrent = LSTMs(width, units)
        self.head = nn.Linear(units[-1], n_classes)
        initialise(self)
        nn.init.uniform_(self.words.weight, -0.05, 0.05)

    def read(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Return the last state, (batch, units), from words' vectors, (batch, words, width)."""
        return self.recurrent(vectors)


search_space = suggest(lr=(1e-4, 1e-2))
"""Learning rate and batch size; the layers are the paper's."""
