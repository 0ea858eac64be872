"""Networks over words: an input of word ids, and a vector for each."""

from collections.abc import Mapping

from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.base import Reader
from ostinato.layers.checks import Shape, get_single_input


class WordReader(Reader):
    """A network that reads word ids, with 0 for padding.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    inputs : mapping of str to (1, numbers, words)
        Exactly one: the number of ids, and words of a chunk.
    width : int
        Of a word's vector.

    Raises
    ------
    OstinatoError
        If the input has another shape, or fewer than two ids.
    """

    def __init__(self, name: str, inputs: Mapping[str, Shape], width: int) -> None:
        super().__init__(name, get_single_input(inputs, name))
        channels, numbers, _ = self.shape
        if channels != 1 or numbers < 2:
            raise OstinatoError(f"{name}: needs words, shape (1, 2 ids or more, words), got {self.shape}")
        self.words = nn.Embedding(numbers, width)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] < 1 or x.is_floating_point():
            raise OstinatoError(
                f"{self.name}: needs (batch, 1 word or more) of integers, got {tuple(x.shape)}, "
                f"{str(x.dtype).removeprefix('torch.')}"
            )

    def encode(self, x: Tensor) -> Tensor:
        """Return (batch, width) from (batch, words)."""
        return self.read(self.words(x), x != 0)

    def read(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, width) from words' vectors, (batch, words, width), and a mask of words, (batch, words)."""
        raise NotImplementedError
