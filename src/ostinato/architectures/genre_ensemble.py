"""GenreEnsemble: dense layers over the logits of networks on several features.

Published with Time and Freq on halved STFT, mel and CQT, and RNN on chroma and
MFCC; any two members or more are taken.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 16.
"""

from collections.abc import Mapping
from typing import Any

from ostinato.architectures._blocks.dense import DenseOverLogits

MEMBERS = {
    "time_stft_halved": ("time", "stft_halved"),
    "freq_stft_halved": ("freq", "stft_halved"),
    "time_mel": ("time", "mel"),
    "freq_mel": ("freq", "mel"),
    "time_cqt": ("time", "cqt"),
    "freq_cqt": ("freq", "cqt"),
    "rnn_chroma": ("rnn", "chroma"),
    "rnn_mfcc": ("rnn", "mfcc"),
}
"""As published: candidate, its architecture, and its feature."""


class Network(DenseOverLogits):
    """Three dense layers with ReLU and dropout over concatenated logits.

    Parameters
    ----------
    inputs : mapping of str to int
        Number of logits of each member.
    n_classes : int
    hidden : tuple of int
        Widths of the hidden layers.
    dropout : float
        Share of a hidden layer that training leaves out.
    l2 : float
        What `penalty` takes of the squares of the hidden kernels.
    """

    def __init__(
        self,
        inputs: Mapping[str, int],
        n_classes: int,
        *,
        hidden: tuple[int, ...] = (1024, 512, 256),
        dropout: float = 0.5,
        l2: float = 0.002,
    ) -> None:
        super().__init__("genre_ensemble", inputs, n_classes, hidden=hidden, dropout=dropout, l2=l2)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Ask for dropout and the learning rate, about the published 0.0001; the widths are the paper's."""
    return {
        "network": {"dropout": trial.suggest_float("dropout", 0.2, 0.6)},
        "train": {"lr": trial.suggest_float("lr", 3e-5, 3e-3, log=True)},
    }
