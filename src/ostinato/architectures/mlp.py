"""MLP: three dense layers over a flattened chunk.

For 13 MFCC of tenths of a clip, 130 frames each. The paper's last hidden layer has
128 numbers; that of the repository it builds on, the form "repository", has 64.

References
----------
Paper 001 of docs/recipes.md, section 7.3.
V. Velardo, "Deep learning (for audio) with Python", 2020, lessons 13 and 14.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, check_choice, get_single_input
from ostinato.layers.init import initialise
from ostinato.layers.logit_heads import Dense, squares
from ostinato.layers.search_space import suggest

FORMS = {"paper": (512, 256, 128), "repository": (512, 256, 64)}


class Network(Reader):
    """Dense layers with ReLU.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    form : {"paper", "repository"}
        Source of the widths.
    hidden : tuple of int, optional
        Other widths.
    dropout : float
        Dropout rate of hidden layers. The paper does not give its rate; the repository
        uses 0.3.
    l2 : float
        Weight of the hidden kernels' squares in `penalty`. The paper has no such
        penalty; the repository uses 0.001.
    """

    length = "fixed"

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        form: str = "paper",
        hidden: tuple[int, ...] | None = None,
        dropout: float = 0.0,
        l2: float = 0.0,
    ) -> None:
        super().__init__("mlp", get_single_input(inputs, "mlp"))
        channels, bins, frames = self.shape
        widths = (channels * bins * frames, *(hidden or FORMS[check_choice("mlp", "form", form, FORMS)]))
        self.dense, self.l2 = Dense(widths, dropout), l2
        self.head = nn.Linear(widths[-1], n_classes)
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """Return the last hidden layer, (batch, width), from (batch, channels, bins, frames)."""
        return self.dense(x.transpose(-2, -1).flatten(1))

    def penalty(self) -> Tensor:
        """Return the L2 penalty of the kernels for the loss."""
        return self.l2 * squares(self.dense.layers)


search_space = suggest(lr=(1e-4, 1e-2), dropout=(0.0, 0.6))
"""Dropout, learning rate and batch size; the layers are the paper's."""
