"""LargeRNN: three LSTM layers over frames, each wider than the one before.

Published for MFCC and chroma, and for vectors of artists instead of classes; the
thesis' repository reshapes its inputs like those of the RNN, as does ``layout="reshape"``.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 13.
"""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, check_choice, get_single_input
from ostinato.layers.init import initialise
from ostinato.layers.recurrent import LAYOUTS, LSTMs, steps
from ostinato.layers.search_space import suggest


class Network(Reader):
    """LSTM layers whose last state is classified.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    units : tuple of int
        Of each layer.
    layout : {"transpose", "reshape"}
        A step is a frame, or as many consecutive numbers as a frame has.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        units: tuple[int, ...] = (256, 512, 1024),
        layout: Literal["transpose", "reshape"] = "transpose",
    ) -> None:
        super().__init__("large_rnn", get_single_input(inputs, "large_rnn"))
        self.layout = check_choice("large_rnn", "layout", layout, LAYOUTS)
        self.recurrent = LSTMs(self.shape[0] * self.shape[1], units)
        self.head = nn.Linear(units[-1], n_classes)
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """Return the last state, (batch, units), from (batch, channels, bins, frames)."""
        return self.recurrent(steps(x, self.layout))


search_space = suggest(lr=(1e-4, 1e-2))
"""Learning rate and batch size; the layers are the paper's."""
