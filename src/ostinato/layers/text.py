"""Networks over words: an input of numbers of words, and a vector for each."""

from collections.abc import Mapping

from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, get_single_input


class WordReader(Reader):
    """A network that reads numbers of words, 0 where there is none.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    inputs : mapping of str to (1, numbers, words)
        Exactly one: how many numbers there are, and words of a chunk.
    width : int
        Of a word's vector.

    Raises
    ------
    OstinatoError
        If the input is no such row, or has fewer than two numbers.
    """

    def __init__(self, name: str, inputs: Mapping[str, Shape], width: int) -> None:
        super().__init__(name, get_single_input(inputs, name))
        channels, numbers, _ = self.shape
        if channels != 1 or numbers < 2:
            raise OstinatoError(f"{name}: needs words, shape (1, 2 numbers or more, words); it was given {self.shape}")
        self.words = nn.Embedding(numbers, width)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] < 1 or x.is_floating_point():
            raise OstinatoError(
                f"{self.name}: needs (batch, 1 word or more) of whole numbers; it was given {tuple(x.shape)}, "
                f"{str(x.dtype).removeprefix('torch.')}"
            )

    def encode(self, x: Tensor) -> Tensor:
        """Return (batch, width) of (batch, words)."""
        return self.read(self.words(x), x != 0)

    def read(self, vectors: Tensor, there: Tensor) -> Tensor:
        """Return (batch, width) of words' vectors, (batch, words, width), and of where there is a word."""
        raise NotImplementedError
