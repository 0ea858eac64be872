"""What training lessens, by kind of task; a network gives logits and knows none of it."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from ostinato.scores import Kind


def loss(kind: Kind) -> Callable[[Tensor, Tensor], Tensor]:
    """Choose the loss of a task.

    Parameters
    ----------
    kind : {"single", "multi", "embedding"}
        Exactly one class a track: cross-entropy of the softmax. Any number:
        binary cross-entropy of the sigmoid, the mean over classes. A direction:
        the negative cosine.

    Returns
    -------
    callable
        Of logits and target, both (batch, n_classes); the target is one-hot,
        multi-hot, a share of each class, or a vector. Gives a scalar.

    Examples
    --------
    >>> import torch
    >>> round(float(loss("single")(torch.zeros(1, 4), torch.tensor([[0.0, 0, 1, 0]]))), 4)
    1.3863
    """
    if kind == "embedding":
        return _negative_cosine
    return F.cross_entropy if kind == "single" else F.binary_cross_entropy_with_logits


def _negative_cosine(logits: Tensor, target: Tensor) -> Tensor:
    return -F.cosine_similarity(logits, target, dim=1).mean()
