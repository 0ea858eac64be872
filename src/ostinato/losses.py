"""What training lessens, by kind of task; a network gives logits and knows none of it."""

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor


def loss(kind: Literal["single", "multi"]) -> Callable[[Tensor, Tensor], Tensor]:
    """Choose the loss of a task.

    Parameters
    ----------
    kind : {"single", "multi"}
        Exactly one class a track: cross-entropy of the softmax. Any number:
        binary cross-entropy of the sigmoid, the mean over classes.

    Returns
    -------
    callable
        Of logits and target, both (batch, n_classes); the target is one-hot,
        multi-hot or a share of each class. Gives a scalar.

    Examples
    --------
    >>> import torch
    >>> round(float(loss("single")(torch.zeros(1, 4), torch.tensor([[0.0, 0, 1, 0]]))), 4)
    1.3863
    """
    return F.cross_entropy if kind == "single" else F.binary_cross_entropy_with_logits
