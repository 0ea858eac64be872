"""R2: tempo and pitch channels of a chunk, joined by a dense layer.

A track's scores are the mean of its chunks' scores.

References
----------
N. Chen, S. Wang, "High-level music descriptor extraction algorithm based on combination of multi-channel CNNs and
LSTM", ISMIR 2017, section 3.
"""

from collections.abc import Mapping
from typing import Any

from ostinato.architectures._blocks import Shape
from ostinato.architectures._blocks.channels import MultiChannel


class Network(MultiChannel):
    """Kernels along time and along frequency over one chunk.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one, a chunk; published are 40 mel bands and 80 frames.
    n_classes : int
    dense : int
        Width of the dense layer over a chunk's channels.
    dropout : float
        Share of the input of each dense layer that training leaves out.
    initial : {"glorot", "gaussian"}
        The paper says Gaussian of variance 1, which saturates.
    """

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        n_classes: int,
        *,
        dense: int = 200,
        dropout: float = 0.5,
        initial: str = "glorot",
    ) -> None:
        super().__init__(
            "r2",
            inputs,
            n_classes,
            channels=("tempo", "pitch"),
            dense=dense,
            dropout=dropout,
            initial=initial,
        )


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Ask for dropout and the learning rate; the layers are the paper's."""
    return {
        "network": {"dropout": trial.suggest_float("dropout", 0.1, 0.6)},
        "train": {"lr": trial.suggest_float("lr", 3e-5, 3e-3, log=True)},
    }
