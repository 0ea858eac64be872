"""R3: tempo, pitch and bass channels of a chunk, combined by a dense layer.

A track's scores are the mean of its chunks' scores.

References
----------
N. Chen, S. Wang, "High-level music descriptor extraction algorithm based on combination of multi-channel CNNs and
LSTM", ISMIR 2017, section 3.
"""

from collections.abc import Mapping

from ostinato.layers.checks import Shape
from ostinato.layers.multichannel import MultiChannel
from ostinato.layers.search_space import suggest


class Network(MultiChannel):
    """Kernels along time, along frequency, and small ones, over one chunk.

    The arguments are those of `MultiChannel`.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        dense: int = 400,
        dropout: float = 0.5,
        initial: str = "glorot",
    ) -> None:
        super().__init__(
            "r3", inputs, n_classes, channels=("tempo", "pitch", "bass"), dense=dense, dropout=dropout, initial=initial
        )


search_space = suggest(lr=(1e-4, 1e-2), dropout=(0.1, 0.6))
"""Dropout, learning rate and batch size; the layers are the paper's."""
