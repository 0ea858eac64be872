"""R1: an LSTM over the chunks of a track.

Each step is a whole chunk. The paper's LSTM has 100 units for two channels and 200 for
three (section 3); it does not give those of R1, here 100.

References
----------
N. Chen, S. Wang, "High-level music descriptor extraction algorithm based on combination of multi-channel CNNs and
LSTM", ISMIR 2017, section 3.2.1.
"""

from collections.abc import Mapping

from ostinato.layers.checks import Shape
from ostinato.layers.multichannel import MultiChannel
from ostinato.layers.search_space import suggest


class Network(MultiChannel):
    """An LSTM over flat chunks.

    The arguments are those of `MultiChannel`.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        units: int = 100,
        dropout: float = 0.5,
        initial: str = "glorot",
    ) -> None:
        super().__init__("r1", inputs, n_classes, units=units, dropout=dropout, initial=initial)


search_space = suggest(lr=(1e-4, 1e-2), dropout=(0.1, 0.6))
"""Dropout, learning rate and batch size; the layers are the paper's."""
