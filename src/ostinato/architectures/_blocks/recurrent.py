"""What the recurrent networks share: what a step is, and layers of several widths."""

from torch import Tensor, nn

LAYOUTS = ("transpose", "reshape")


def steps(x: Tensor, layout: str = "transpose") -> Tensor:
    """Make steps of a map.

    Parameters
    ----------
    x : Tensor [shape=(batch, channels, bins, frames)]
    layout : {"transpose", "reshape"}
        A step is a frame; or, as in the published figures, as many consecutive
        numbers of the map as a frame has.

    Returns
    -------
    Tensor [shape=(batch, frames, channels * bins)]
    """
    if layout == "reshape":
        return x.reshape(x.shape[0], x.shape[3], -1)
    return x.flatten(1, 2).transpose(1, 2)


class LSTMs(nn.Module):
    """LSTM layers one after another, each of its own width.

    Parameters
    ----------
    width : int
        Of a step.
    units : tuple of int
        Of each layer.
    """

    def __init__(self, width: int, units: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.LSTM(a, b, batch_first=True) for a, b in zip((width, *units[:-1]), units, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give the last state of the last layer, (batch, units), of (batch, steps, width)."""
        for layer in self.layers:
            x, _ = layer(x)
        return x[:, -1]
