"""What the networks over words share: numbers of words out of an input of the usual shape."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ostinato.architectures._blocks import Shape, single
from ostinato.errors import OstinatoError


def one_row(inputs: Mapping[str, Shape], name: str) -> Shape:
    """Take the shape of the only input, a row of words.

    Raises
    ------
    OstinatoError
        If it is not (1, 1, words).
    """
    shape = single(inputs, name)
    if shape[:2] != (1, 1):
        raise OstinatoError(f"{name}: needs numbers of words, shape (1, 1, words); it was given {shape}")
    return shape


def numbers(x: Tensor, vocabulary: int) -> Tensor:
    """Give the numbers of the words.

    Parameters
    ----------
    x : Tensor [shape=(batch, 1, 1, words)]
        Of any type; 0 stands where there is no word.
    vocabulary : int
        How many numbers there are. The last one is that of every word which is
        not in the vocabulary.

    Returns
    -------
    Tensor [shape=(batch, words), dtype=int64]
    """
    ids = x[:, 0, 0].long()
    return torch.where((ids >= 0) & (ids < vocabulary), ids, vocabulary - 1)
