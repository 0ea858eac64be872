"""MLP: three dense layers over all numbers of a chunk.

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
        Whose widths.
    hidden : tuple of int, optional
        Other widths.
    dropout : float
        Share of a hidden layer that training leaves out. The paper drops neurons
        without naming the share; the repository drops 0.3.
    l2 : float
        What `penalty` takes of the squares of the hidden kernels. The paper has no
        such penalty; the repository takes 0.001.
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
        """Return the last hidden layer, (batch, width), of (batch, channels, bins, frames)."""
        return self.dense(x.transpose(-2, -1).flatten(1))

    def penalty(self) -> Tensor:
        """Return what the loss adds for large kernels: `l2` times the sum of their squares."""
        return self.l2 * squares(self.dense.layers)


search_space = suggest(lr=(1e-4, 1e-2), dropout=(0.0, 0.6))
"""Ask for dropout, the learning rate and the tracks a batch; the layers are the paper's."""
