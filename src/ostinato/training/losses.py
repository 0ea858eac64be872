"""Loss functions by kind of task."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.core.scores import Kind

EPSILON = 1e-8
CONTRASTS = ("infonce", "triplet")
"""Contrastive losses."""


def loss(kind: Kind) -> Callable[[Tensor, Tensor], Tensor]:
    """Choose the loss of a task.

    Parameters
    ----------
    kind : {"single", "multi", "embedding"}
        One class per track: cross-entropy of the softmax. Any number: mean binary
        cross-entropy of the sigmoid over classes. A direction: negative cosine.

    Returns
    -------
    callable
        Of logits and target, both (batch, n_classes); the target is one-hot,
        multi-hot, a share of each class, or a vector. Returns a scalar.

    Examples
    --------
    >>> import torch
    >>> round(float(loss("single")(torch.zeros(1, 4), torch.tensor([[0.0, 0, 1, 0]]))), 4)
    1.3863
    """
    if kind == "embedding":
        return _negative_cosine
    return F.cross_entropy if kind == "single" else F.binary_cross_entropy_with_logits


def compute_chance(train: Tensor, validation: Tensor, kind: Kind) -> float:
    """Compute the loss of a constant prediction: the class frequencies, or the mean direction.

    Parameters
    ----------
    train : Tensor [shape=(n_train, n_classes)]
        Targets that determine the prediction, with add-one smoothing.
    validation : Tensor [shape=(n_validation, n_classes)]
        Targets to evaluate it on.
    kind : {"single", "multi", "embedding"}

    Returns
    -------
    float

    Examples
    --------
    >>> import torch
    >>> round(compute_chance(torch.eye(4), torch.eye(4)[:2], "single"), 4)
    1.3863
    """
    train, validation = train.double(), validation.double()
    if kind == "embedding":
        prediction = train.mean(0)
    elif kind == "single":
        prediction = ((train.sum(0) + 1) / (train.sum() + train.shape[1])).log()
    else:
        prediction = ((train.sum(0) + 1) / (len(train) + 2)).logit()
    return float(loss(kind)(prediction.expand_as(validation), validation))


def focal(logits: Tensor, target: Tensor, kind: str, *, gamma: float, weights: Tensor | None = None) -> Tensor:
    """Compute the focal loss, which reduces the weight of well-classified examples.

    Parameters
    ----------
    logits, target : Tensor [shape=(batch, n_classes)]
    kind : {"single", "multi"}
    gamma : float
        Exponent of 1 minus the score of the true class; 0 is the plain loss.
    weights : Tensor [shape=(n_classes,)], optional
        Weights of classes; with several labels, of those present.

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
    >>> bool(focal(sure, target, "single", gamma=2) / focal(unsure, target, "single", gamma=2) < plain / 50)
    True
    """
    weights = torch.ones_like(logits[0]) if weights is None else weights
    if kind == "single":
        log = logits.log_softmax(1)
        return -(weights * target * (1 - log.exp()) ** gamma * log).sum(1).mean()
    log_present, log_absent = F.logsigmoid(logits), F.logsigmoid(-logits)
    positive = weights * target * log_absent.exp() ** gamma * log_present
    return -(positive + (1 - target) * log_present.exp() ** gamma * log_absent).mean()


def asymmetric(logits: Tensor, target: Tensor, *, gamma: float, clip: float, weights: Tensor | None = None) -> Tensor:
    """Compute the asymmetric loss: absent tags count less the lower their scores, and not at all up to `clip`.

    Parameters
    ----------
    logits, target : Tensor [shape=(batch, n_classes)]
        For several labels.
    gamma : float
        Exponent of an absent tag's score.
    clip : float
        Subtracted from that score.
    weights : Tensor [shape=(n_classes,)], optional
        Weights of present tags.

    Returns
    -------
    Tensor
        A scalar.

    References
    ----------
    T. Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021.

    Examples
    --------
    >>> asymmetric(torch.tensor([[-4.0, -5.0]]), torch.zeros(1, 2), gamma=4, clip=0.05).item() == 0
    True
    """
    weights = torch.ones_like(logits[0]) if weights is None else weights
    shifted = (logits.sigmoid() - clip).clamp(min=0)
    absent = shifted**gamma * (1 - shifted).clamp(min=EPSILON).log()
    return -(weights * target * F.logsigmoid(logits) + (1 - target) * absent).mean()


def alike(target: Tensor, kind: str) -> Tensor:
    """Return which tracks of a batch are positives: same class, a common tag, or the same artist's direction.

    Parameters
    ----------
    target : Tensor [shape=(batch, n_classes)]
    kind : {"single", "multi", "embedding"}

    Returns
    -------
    Tensor [shape=(batch, batch), dtype=bool]
        The diagonal is False.

    Examples
    --------
    >>> alike(torch.tensor([[1.0, 1], [0, 1], [1, 0]]), "multi").long().tolist()
    [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    """
    if kind == "embedding":
        return find_alike(F.normalize(target, dim=1), torch.arange(len(target), device=target.device))
    return (target @ target.T > 0) & ~torch.eye(len(target), dtype=torch.bool, device=target.device)


def find_alike(directions: Tensor, rows: Tensor) -> Tensor:
    """Return which tracks have the same direction as some of them.

    Parameters
    ----------
    directions : Tensor [shape=(n_tracks, d)]
        Unit vectors.
    rows : Tensor [shape=(n_rows,)]
        Positions of these.

    Returns
    -------
    Tensor [shape=(n_rows, n_tracks), dtype=bool]
        No track belongs to itself.
    """
    together = directions[rows] @ directions.T > 1 - 1e-5
    together[torch.arange(len(rows), device=rows.device), rows] = False
    return together


def infonce(vectors: Tensor, together: Tensor, *, temperature: float) -> Tensor:
    """Compute InfoNCE with multiple positives per track.

    Parameters
    ----------
    vectors : Tensor [shape=(batch, d)]
        Of any norm but 0; cosines are compared.
    together : Tensor [shape=(batch, batch), dtype=bool]
        As from `alike`; tracks without positives serve as negatives only.
    temperature : float
        Divisor of the cosines.

    Returns
    -------
    Tensor
        A scalar; 0 without positives.

    References
    ----------
    A. van den Oord et al., "Representation learning with contrastive predictive coding", 2018.
    P. Khosla et al., "Supervised contrastive learning", NeurIPS 2020.

    Examples
    --------
    >>> pair = torch.tensor([[0, 1], [1, 0]]).bool()
    >>> infonce(torch.eye(2), pair, temperature=0.1).item() == 0  # there are no negatives
    True
    """
    units = F.normalize(vectors, dim=1)
    diagonal = torch.eye(len(units), dtype=torch.bool, device=units.device)
    similarity = (units @ units.T / temperature).masked_fill(diagonal, float("-inf"))
    losses = (similarity.logsumexp(dim=1, keepdim=True) - similarity).masked_fill(~together, 0.0)
    valid = together.any(dim=1)
    return ((losses.sum(dim=1) / together.sum(dim=1).clamp(min=1)) * valid).sum() / valid.sum().clamp(min=1)


def triplet(vectors: Tensor, together: Tensor, *, margin: float) -> Tensor:
    """Compute the triplet loss with the hardest positive and negative of each track.

    Parameters
    ----------
    vectors : Tensor [shape=(batch, d)]
        Of any norm but 0; the distance is 1 minus the cosine.
    together : Tensor [shape=(batch, batch), dtype=bool]
    margin : float
        Minimum difference between the distances.

    Returns
    -------
    Tensor
        A scalar; 0 if no track has both a positive and a negative.

    References
    ----------
    A. Hermans, L. Beyer, B. Leibe, "In defense of the triplet loss for person re-identification", 2017.

    Examples
    --------
    >>> x, together = torch.eye(3)[[0, 0, 1]], torch.zeros(3, 3).bool()
    >>> together[0, 1] = together[1, 0] = True
    >>> triplet(x, together, margin=0.2).item(), round(triplet(x, together, margin=1.5).item(), 4)
    (0.0, 0.5)
    """
    units = F.normalize(vectors, dim=1)
    distance = 1 - units @ units.T
    negatives = ~together & ~torch.eye(len(units), dtype=torch.bool, device=units.device)
    positive = distance.masked_fill(~together, float("-inf")).amax(dim=1)
    negative = distance.masked_fill(~negatives, float("inf")).amin(dim=1)
    valid = together.any(dim=1) & negatives.any(dim=1)
    violation = F.relu(torch.where(valid, margin + positive - negative, torch.zeros_like(negative)))
    return violation.sum() / valid.sum().clamp(min=1)


def _negative_cosine(logits: Tensor, target: Tensor) -> Tensor:
    return -F.cosine_similarity(logits, target, dim=1).mean()
