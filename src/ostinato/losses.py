"""What training lessens, by kind of task; a network gives logits and knows none of it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.scores import Kind

LEAST = 1e-8


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


def focal(logits: Tensor, target: Tensor, kind: str, *, focus: float, weights: Tensor | None = None) -> Tensor:
    """Let what is nearly right count less.

    Parameters
    ----------
    logits, target : Tensor [shape=(batch, n_classes)]
    kind : {"single", "multi"}
    focus : float
        The exponent of one less the score of what is true; 0 is the plain loss.
    weights : Tensor [shape=(n_classes,)], optional
        Of classes; of several labels, of those that are there.

    Returns
    -------
    Tensor
        A scalar.

    References
    ----------
    T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.

    Examples
    --------
    >>> sure, unsure, target = torch.tensor([[3.0, 0]]), torch.tensor([[0.0, 0]]), torch.tensor([[1.0, 0]])
    >>> plain = loss("single")(sure, target) / loss("single")(unsure, target)
    >>> bool(focal(sure, target, "single", focus=2) / focal(unsure, target, "single", focus=2) < plain / 50)
    True
    """
    weights = torch.ones_like(logits[0]) if weights is None else weights
    if kind == "single":
        log = logits.log_softmax(1)
        return -(weights * target * (1 - log.exp()) ** focus * log).sum(1).mean()
    there, absent = F.logsigmoid(logits), F.logsigmoid(-logits)
    present = weights * target * absent.exp() ** focus * there
    return -(present + (1 - target) * there.exp() ** focus * absent).mean()


def asymmetric(logits: Tensor, target: Tensor, *, focus: float, margin: float, weights: Tensor | None = None) -> Tensor:
    """Let absent tags that are nearly right count less, and those below a margin not at all.

    Parameters
    ----------
    logits, target : Tensor [shape=(batch, n_classes)]
        Of several labels.
    focus : float
        The exponent of an absent tag's score.
    margin : float
        Taken off that score.
    weights : Tensor [shape=(n_classes,)], optional
        Of tags that are there.

    Returns
    -------
    Tensor
        A scalar.

    References
    ----------
    T. Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021.

    Examples
    --------
    >>> asymmetric(torch.tensor([[-4.0, -5.0]]), torch.zeros(1, 2), focus=4, margin=0.05).item() == 0
    True
    """
    weights = torch.ones_like(logits[0]) if weights is None else weights
    shifted = (logits.sigmoid() - margin).clamp(min=0)
    absent = shifted**focus * (1 - shifted).clamp(min=LEAST).log()
    return -(weights * target * F.logsigmoid(logits) + (1 - target) * absent).mean()


def _negative_cosine(logits: Tensor, target: Tensor) -> Tensor:
    return -F.cosine_similarity(logits, target, dim=1).mean()
