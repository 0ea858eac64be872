"""CNN: three convolutions with pooling, and one dense layer.

For 13 MFCC of tenths of a clip, 130 frames each. The paper pools by 3 x 3 with
stride 3 and padding, for which 13 coefficients suffice only if the convolutions are
padded too. The repository it builds on, the form "repository", halves the map three
times behind convolutions without padding.

References
----------
Paper 001 of docs/recipes.md, section 7.5 and table 1.
V. Velardo, "Deep learning (for audio) with Python", 2020, lesson 16.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, check_choice, get_single_input
from ostinato.layers.conv import Conv, MaxPool, Pair, min_input, normalisation
from ostinato.layers.init import initialise
from ostinato.layers.search_space import suggest

FORMS = ("paper", "repository")
KERNELS = (3, 3, 2)


def unit(channels: int, filters: int, kernel: int, pool: Pair, form: str) -> nn.Sequential:
    """Make a convolution, ReLU, pooling by a window and a stride, and normalisation."""
    conv = Conv(channels, filters, (kernel, kernel), padding="same" if form == "paper" else "valid", bias=True)
    window, stride = pool
    pooling = MaxPool((window, window), (stride, stride))
    return nn.Sequential(conv, nn.ReLU(), pooling, normalisation(filters))


class Network(Reader):
    """Convolutions over frames and bins, then dense layers over the last map.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one.
    n_classes : int
    form : {"paper", "repository"}
        Source of the pooling.
    filters, units : int
        Of each convolution and of the dense layer.
    dropout : float
        Dropout rate of the dense layer.

    Raises
    ------
    OstinatoError
        If the input is too small.
    """

    length = "fixed"

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        form: str = "paper",
        filters: int = 32,
        units: int = 64,
        dropout: float = 0.3,
    ) -> None:
        super().__init__("cnn", get_single_input(inputs, "cnn"))
        form = check_choice("cnn", "form", form, FORMS)
        channels, bins, frames = self.shape
        pools = ((3, 3),) * 3 if form == "paper" else ((3, 2), (3, 2), (2, 2))
        units_in = (channels, filters, filters)
        self.layers = nn.Sequential(
            *(unit(a, filters, k, pool, form) for a, k, pool in zip(units_in, KERNELS, pools, strict=True))
        )
        least = min_input(self.layers, 1, -1)
        if min(bins, frames) < least:
            raise OstinatoError(
                f"cnn: needs at least {least} bins and {least} frames, got {bins} and {frames}; "
                "set network: {form: paper}"
            )
        rows, columns = ((self._output_size(size, pools, form)) for size in (frames, bins))
        self.dense = nn.Sequential(nn.Linear(filters * rows * columns, units), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(units, n_classes)
        initialise(self)

    @staticmethod
    def _output_size(size: int, pools: tuple[Pair, ...], form: str) -> int:
        """Return the output size of all layers."""
        for kernel, (_, stride) in zip(KERNELS, pools, strict=True):
            size = -(-(size - (0 if form == "paper" else kernel - 1)) // stride)
        return size

    def encode(self, x: Tensor) -> Tensor:
        """Return the dense layer, (batch, units), from (batch, channels, bins, frames)."""
        return self.dense(self.layers(x.transpose(-2, -1)).flatten(1))


search_space = suggest(lr=(1e-4, 1e-2), dropout=(0.1, 0.6))
"""Ask for dropout, the learning rate and the tracks a batch; the layers are the paper's."""
