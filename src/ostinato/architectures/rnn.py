"""RNN: three gated recurrent layers over frames.

The published figures come from inputs that were reshaped instead of transposed,
so that a step held consecutive frames of one coefficient; ``layout="reshape"``
does the same, the default reads a frame a step.

References
----------
R. Whitell, "Deep Learning for Music Recommendation", thesis, 2019, figure 16.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ostinato.architectures._blocks import Shape, initialise, single
from ostinato.errors import OstinatoError

LAYOUTS = ("transpose", "reshape")


class Network(nn.Module):
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
        What a step is: a frame, or as many consecutive numbers as a frame has.
    """

    length: Literal["free", "fixed"] = "free"
    min_frames = 1

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        units: int = 256,
        n_layers: int = 3,
        layout: Literal["transpose", "reshape"] = "transpose",
    ) -> None:
        super().__init__()
        self.shape = single(inputs, "rnn")
        if layout not in LAYOUTS:
            raise OstinatoError(f"rnn: layout {layout!r} is not known; there are {', '.join(LAYOUTS)}")
        self.layout = layout
        self.recurrent = nn.GRU(self.shape[0] * self.shape[1], units, n_layers, batch_first=True)
        self.head = nn.Linear(units, n_classes)
        initialise(self)

    def _steps(self, x: Tensor) -> Tensor:
        """Make (batch, frames, channels * bins) of (batch, channels, bins, frames)."""
        if self.layout == "reshape":
            return x.reshape(x.shape[0], x.shape[3], self.recurrent.input_size)
        return x.flatten(1, 2).transpose(1, 2)

    def embed(self, x: Tensor) -> Tensor:
        """Give the last state, (batch, units), of (batch, channels, bins, frames)."""
        channels, bins, _ = self.shape
        if not torch.onnx.is_in_onnx_export() and (tuple(x.shape[1:3]) != (channels, bins) or x.shape[3] < 1):
            raise OstinatoError(
                f"rnn: needs (batch, {channels}, {bins}, 1 frame or more); it was given {tuple(x.shape)}"
            )
        states, _ = self.recurrent(self._steps(x))
        return states[:, -1]

    def forward(self, x: Tensor) -> Tensor:
        """Give logits, (batch, n_classes), of (batch, channels, bins, frames)."""
        return self.head(self.embed(x))


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Ask for the learning rate; the layers are the paper's."""
    return {"network": {}, "train": {"lr": trial.suggest_float("lr", 3e-4, 1e-2, log=True)}}
