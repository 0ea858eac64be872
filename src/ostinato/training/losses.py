"""Loss functions by kind of task."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.core.scores import Kind

LEAST = 1e-8
CONTRASTS = ("infonce", "triplet")
"""What brings tracks that have something in common together, and others apart."""


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


def compute_chance(train: Tensor, validation: Tensor, kind: Kind) -> float:
    """Compute the loss of one answer for all tracks: how often each class occurs, or the mean direction.

    Parameters
    ----------
    train : Tensor [shape=(n_train, n_classes)]
        Targets that the answer is made of; each class counts once more, so that none is impossible.
    validation : Tensor [shape=(n_validation, n_classes)]
        Targets that it is judged on.
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
        answer = train.mean(0)
    elif kind == "single":
        answer = ((train.sum(0) + 1) / (train.sum() + train.shape[1])).log()
    else:
        answer = ((train.sum(0) + 1) / (len(train) + 2)).logit()
    return float(loss(kind)(answer.expand_as(validation), validation))


def focal(logits: Tensor, target: Tensor, kind: str, *, gamma: float, weights: Tensor | None = None) -> Tensor:
    """Let what is nearly right count less.

    Parameters
    ----------
    logits, target : Tensor [shape=(batch, n_classes)]
    kind : {"single", "multi"}
    gamma : float
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
    >>> bool(focal(sure, target, "single", gamma=2) / focal(unsure, target, "single", gamma=2) < plain / 50)
    True
    """
    weights = torch.ones_like(logits[0]) if weights is None else weights
    if kind == "single":
        log = logits.log_softmax(1)
        return -(weights * target * (1 - log.exp()) ** gamma * log).sum(1).mean()
    there, absent = F.logsigmoid(logits), F.logsigmoid(-logits)
    present = weights * target * absent.exp() ** gamma * there
    return -(present + (1 - target) * there.exp() ** gamma * absent).mean()


def asymmetric(logits: Tensor, target: Tensor, *, gamma: float, clip: float, weights: Tensor | None = None) -> Tensor:
    """Let absent tags that are nearly right count less, and those below a bound not at all.

    Parameters
    ----------
    logits, target : Tensor [shape=(batch, n_classes)]
        Of several labels.
    gamma : float
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
    >>> asymmetric(torch.tensor([[-4.0, -5.0]]), torch.zeros(1, 2), gamma=4, clip=0.05).item() == 0
    True
    """
    weights = torch.ones_like(logits[0]) if weights is None else weights
    shifted = (logits.sigmoid() - clip).clamp(min=0)
    absent = shifted**gamma * (1 - shifted).clamp(min=LEAST).log()
    return -(weights * target * F.logsigmoid(logits) + (1 - target) * absent).mean()


def alike(target: Tensor, kind: str) -> Tensor:
    """Return which tracks of a batch belong together: same class, a common tag, or the same artist's direction.

    Parameters
    ----------
    target : Tensor [shape=(batch, n_classes)]
    kind : {"single", "multi", "embedding"}

    Returns
    -------
    Tensor [shape=(batch, batch), dtype=bool]
        No track belongs to itself.

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
    """Let a track know its own among all others of the batch: InfoNCE with several that are right.

    Parameters
    ----------
    vectors : Tensor [shape=(batch, d)]
        Of any length but 0; cosines are compared.
    together : Tensor [shape=(batch, batch), dtype=bool]
        As `alike` gives; a track that belongs to none is only compared with.
    temperature : float
        That the cosines are divided by.

    Returns
    -------
    Tensor
        A scalar; 0 where no two belong together.

    References
    ----------
    A. van den Oord et al., "Representation learning with contrastive predictive coding", 2018.
    P. Khosla et al., "Supervised contrastive learning", NeurIPS 2020.

    Examples
    --------
    >>> pair = torch.tensor([[0, 1], [1, 0]]).bool()
    >>> infonce(torch.eye(2), pair, temperature=0.1).item() == 0  # no third to be taken for
    True
    """
    units = F.normalize(vectors, dim=1)
    itself = torch.eye(len(units), dtype=torch.bool, device=units.device)
    similarity = (units @ units.T / temperature).masked_fill(itself, float("-inf"))
    missed = (similarity.logsumexp(dim=1, keepdim=True) - similarity).masked_fill(~together, 0.0)
    has = together.any(dim=1)
    return ((missed.sum(dim=1) / together.sum(dim=1).clamp(min=1)) * has).sum() / has.sum().clamp(min=1)


def triplet(vectors: Tensor, together: Tensor, *, margin: float) -> Tensor:
    """Let a track's farthest companion be nearer than its nearest stranger, by a distance.

    Parameters
    ----------
    vectors : Tensor [shape=(batch, d)]
        Of any length but 0; the distance is 1 less the cosine.
    together : Tensor [shape=(batch, batch), dtype=bool]
    apart : float
        By how much.

    Returns
    -------
    Tensor
        A scalar; 0 where no track has both a companion and a stranger.

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
    strange = ~together & ~torch.eye(len(units), dtype=torch.bool, device=units.device)
    farthest = distance.masked_fill(~together, float("-inf")).amax(dim=1)
    nearest = distance.masked_fill(~strange, float("inf")).amin(dim=1)
    has = together.any(dim=1) & strange.any(dim=1)
    short = F.relu(torch.where(has, margin + farthest - nearest, torch.zeros_like(nearest)))
    return short.sum() / has.sum().clamp(min=1)


def _negative_cosine(logits: Tensor, target: Tensor) -> Tensor:
    return -F.cosine_similarity(logits, target, dim=1).mean()
