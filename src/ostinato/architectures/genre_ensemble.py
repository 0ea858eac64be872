"""GenreEnsemble: dense layers over the logits of networks on several features.

Published with Time and Freq on halved STFT, mel and CQT, and RNN on chroma and
MFCC; accepts any two members or more.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 16.
"""

from collections.abc import Mapping

from ostinato.layers.logit_heads import DenseOverLogits
from ostinato.layers.search_space import suggest

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
"""Published members: candidate, architecture and feature."""


class Network(DenseOverLogits):
    """Three dense layers with ReLU and dropout over concatenated logits.

    The arguments are those of `DenseOverLogits`.
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


search_space = suggest(lr=(3e-5, 3e-3), dropout=(0.2, 0.6))
"""Dropout, learning rate (published: 0.0001) and batch size; the widths are the paper's."""
