"""R1: an LSTM over the chunks of a track, as they are.

The paper compares LSTM of 100 and of 200 units; each step is a whole chunk.

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
    """An LSTM over flat chunks.

    Parameters
    ----------
    inputs : mapping of str to (channels, bins, frames)
        Exactly one, cut into chunks of 80 frames; published are 40 mel bands.
    n_classes : int
    units : int
        Of the LSTM.
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
        units: int = 100,
        dropout: float = 0.5,
        initial: str = "glorot",
    ) -> None:
        super().__init__(
            "r1",
            inputs,
            n_classes,
            units=units,
            dropout=dropout,
            initial=initial,
        )


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Ask for dropout and the learning rate; the layers are the paper's."""
    return {
        "network": {"dropout": trial.suggest_float("dropout", 0.1, 0.6)},
        "train": {"lr": trial.suggest_float("lr", 3e-5, 3e-3, log=True)},
    }
