"""RNN: three gated recurrent layers over frames.

The thesis' results come from inputs that its repository reshapes instead of transposing,
so that a step has consecutive frames of one coefficient; ``layout="reshape"`` does the
same; by default, a step is a frame.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 12.
"""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, check_choice, get_single_input
from ostinato.layers.init import initialise
from ostinato.layers.recurrent import GRU, LAYOUTS, steps
from ostinato.layers.search_space import suggest


class Network(Reader):
    """Stacked GRU layers whose last state is classified.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    units : int
        Of each layer.
    n_layers : int
    layout : {"transpose", "reshape"}
        A step is a frame, or as many consecutive numbers as a frame has.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        units: int = 256,
        n_layers: int = 3,
        layout: Literal["transpose", "reshape"] = "transpose",
    ) -> None:
        super().__init__("rnn", get_single_input(inputs, "rnn"))
        self.layout = check_choice("rnn", "layout", layout, LAYOUTS)
        self.recurrent = GRU(self.shape[0] * self.shape[1], units, n_layers)
        self.head = nn.Linear(units, n_classes)
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """Return the last state, (batch, units), from (batch, channels, bins, frames)."""
        return self.recurrent(steps(x, self.layout))[:, -1]


search_space = suggest(lr=(3e-4, 1e-2))
"""Learning rate and batch size; the layers are the paper's."""
