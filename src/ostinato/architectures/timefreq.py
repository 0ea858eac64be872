"""TimeFreq: dense layers over the logits of a Time and a Freq network.

The members are trained before and frozen; only this network learns, from their
concatenated logits. It accepts any number of any members.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 15.
"""

from collections.abc import Mapping

from ostinato.layers.logit_heads import DenseOverLogits
from ostinato.layers.search_space import suggest

MEMBERS = {"time": ("time", None), "freq": ("freq", None)}
"""Published members: candidate, architecture and feature; None is any one feature, the same for all."""


class Network(DenseOverLogits):
    """Two dense layers with ReLU and dropout over concatenated logits.

    The arguments are those of `DenseOverLogits`.
    """

    def __init__(
        self,
        inputs: Mapping[str, int],
        n_classes: int,
        *,
        hidden: tuple[int, ...] = (256, 128),
        dropout: float = 0.5,
        l2: float = 0.002,
    ) -> None:
        super().__init__("timefreq", inputs, n_classes, hidden=hidden, dropout=dropout, l2=l2)


search_space = suggest(lr=(3e-4, 1e-2), dropout=(0.2, 0.6))
"""Dropout, learning rate and batch size; the widths are the paper's."""
