"""RNN-LSTM: two LSTM layers over frames, and one dense layer.

For 13 MFCC of tenths of a clip, 130 frames each; the paper and the repository that it
builds on agree. PyTorch's LSTM has a second bias vector, so there are 512 parameters
more than in Keras.

References
----------
Paper 001 of docs/recipes.md, section 7.4.
V. Velardo, "Deep learning (for audio) with Python", 2020, lesson 19.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, get_single_input
from ostinato.layers.init import initialise
from ostinato.layers.recurrent import LSTMs, steps
from ostinato.layers.search_space import suggest


class Network(Reader):
    """LSTM layers, a dense layer over the last state, dropout.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    units : tuple of int
        Of each LSTM layer.
    hidden : int
        Of the dense layer.
    dropout : float
        Dropout rate of the dense layer.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        units: tuple[int, ...] = (64, 64),
        hidden: int = 64,
        dropout: float = 0.3,
    ) -> None:
        super().__init__("rnn_lstm", get_single_input(inputs, "rnn_lstm"))
        self.recurrent = LSTMs(self.shape[0] * self.shape[1], units)
        self.dense = nn.Sequential(nn.Linear(units[-1], hidden), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(hidden, n_classes)
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """Return the dense layer, (batch, hidden), from (batch, channels, bins, frames)."""
        return self.dense(self.recurrent(steps(x)))


search_space = suggest(lr=(1e-4, 1e-2), dropout=(0.1, 0.6))
"""Dropout, learning rate and batch size; the layers are the paper's."""
