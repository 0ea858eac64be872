"""The one LightningModule: any network, either kind of labels, validation by whole tracks."""

from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
import torchmetrics.functional.classification as tm
from torch import Tensor, nn

from ostinato.core.params.training import Train
from ostinato.core.scores import Kind
from ostinato.core.task import Task
from ostinato.errors import ParamsError
from ostinato.training import losses
from ostinato.training.settings import derive

OPTIMIZERS: dict[str, Any] = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "sparse_adam": torch.optim.SparseAdam,
}
FUSED = ("adam", "sgd", "adagrad")
"""On a CPU these update all weights in one call; elsewhere torch chooses."""
WEIGHTS = {"single": "weight", "multi": "pos_weight"}
SPARSE = ("sparse_adam",)
"""These update only the rows of a table that a batch touched, and know no decay."""
ROWS = 1024
"""Tracks that are compared with all others at once."""
MONITORS = ("val_loss", "val_score", "train_loss")


class Module(L.LightningModule):
    """A network in training.

    Each epoch starts from a seed of its own, so that dropout, masks and mixup of
    a run that was resumed are those of a run left alone.

    Parameters
    ----------
    network : nn.Module
    task : Task
    options : Train
    target : np.ndarray [shape=(n_tracks, n_classes)]
        Of all tracks; validation looks its tracks up here.
    train : np.ndarray
        Positions of the training tracks, whose classes are counted for weights.
    seed : int
    front_end : nn.Module, optional
        What makes a network's input of a training batch, given a generator of its own for each batch.

    Raises
    ------
    ParamsError
        If the optimiser or the monitored quantity is not known, or the loss is none of the task's.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        options: Train,
        target: np.ndarray,
        train: np.ndarray,
        seed: int,
        front_end: nn.Module | None = None,
    ) -> None:
        super().__init__()
        for key, value, known in (("optimizer", options.optimizer, OPTIMIZERS), ("monitor", options.monitor, MONITORS)):
            if value not in known:
                raise ParamsError(f"train: {key} {value!r} is not known; there are {', '.join(known)}")
        if options.loss == "asymmetric" and task.kind != "multi":
            raise ParamsError(f"train: loss asymmetric is for tags; {task.name} has one label, take focal")
        classed = options.loss in ("focal", "asymmetric")
        if task.kind == "embedding" and (options.class_weights or options.label_smoothing or classed):
            raise ParamsError(f"train: {task.name} has no classes; take class_weights, label_smoothing and loss out")
        if options.loss in losses.CONTRASTS and (options.mixup > 0 or options.batch_size < 2):
            raise ParamsError(f"train: loss {options.loss} compares tracks; set mixup: 0 and batch_size above 1")
        self.network, self.task, self.options, self.seed = network, task, options, seed
        self.front_end = front_end
        self.target = torch.from_numpy(target)
        weights = compute_class_weights(target[train], task.kind) if options.class_weights == "balanced" else None
        self.register_buffer("class_weights", weights, persistent=False)
        self._sum, self._n_batches = torch.zeros(()), 0
        self._collected: list[tuple[Tensor, Tensor]] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the candidate's optimizer; `schedule.Schedule` sets its learning rate before each epoch."""
        options = self.options
        fused = {"fused": True} if options.optimizer in FUSED and not torch.cuda.is_available() else {}
        decay = {} if options.optimizer in SPARSE else {"weight_decay": options.weight_decay}
        make = OPTIMIZERS[options.optimizer]
        return make(self.network.parameters(), lr=options.lr, **decay, **fused)

    def on_train_epoch_start(self) -> None:
        """Seed the random numbers of this epoch."""
        torch.manual_seed(derive(self.seed, "epoch", self.current_epoch, self.global_rank))
        self._sum, self._n_batches = torch.zeros((), device=self.device), 0

    def training_step(self, batch: tuple[tuple[Tensor, ...], Tensor], number: int) -> Tensor:
        """Return the loss of a batch, plus the penalty of the network if it has one."""
        inputs, target = batch
        if self.front_end is not None:
            seed = derive(self.seed, "augment", self.current_epoch, self.global_rank, number)
            inputs = (self.front_end(*inputs, torch.Generator().manual_seed(seed)),)
        if self.options.spec_augment:
            share, n_masks = self.options.mask_share, self.options.n_masks
            inputs = tuple(spec_augment(x, share, n_masks) if is_map(x) else x for x in inputs)
        if self.options.mixup > 0:
            inputs, target = mixup(inputs, target, self.options.mixup)
        loss = self.contrastive_loss(inputs, target) if self.contrastive else self.loss(self.network(*inputs), target)
        self._sum += loss.detach()
        self._n_batches += 1
        penalty: Any = getattr(self.network, "penalty", None)
        return loss if penalty is None else loss + penalty()

    @property
    def contrastive(self) -> bool:
        """Whether the loss compares tracks with each other."""
        return self.options.loss in losses.CONTRASTS

    def contrastive_loss(self, inputs: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Return the loss of comparing the tracks of a batch.

        In an embedding task the output vectors are compared. In others the last hidden layer is
        compared, and the head is trained on detached embeddings.
        """
        hidden: Tensor = self.network.embed(*inputs)  # type: ignore[operator]
        if self.task.kind == "embedding":
            return self.contrast(self.network.head(hidden), target)  # type: ignore[operator]
        return self.contrast(hidden, target) + self.loss(self.network.head(hidden.detach()), target)  # type: ignore[operator]

    def contrast(self, vectors: Tensor, target: Tensor) -> Tensor:
        """Return the contrastive loss of vectors; those with the same target belong together."""
        together = losses.alike(target, self.task.kind)
        if self.options.loss == "triplet":
            return losses.triplet(vectors.float(), together, margin=self.options.margin)
        return losses.infonce(vectors.float(), together, temperature=self.options.temperature)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of the task's kind."""
        smoothing, kind = self.options.label_smoothing, self.task.kind
        target = target * (1 - smoothing) + smoothing / (target.shape[1] if kind == "single" else 2)
        logits, weights = logits.float(), self.class_weights
        if self.options.loss == "focal":
            return losses.focal(logits, target, kind, gamma=self.options.gamma, weights=weights)
        if self.options.loss == "asymmetric":
            gamma, clip = self.options.gamma, self.options.clip
            return losses.asymmetric(logits, target, weights=weights, gamma=gamma, clip=clip)
        keywords = {} if weights is None else {WEIGHTS[kind]: weights}
        criterion: Any = losses.loss(kind)
        return criterion(logits, target, **keywords)

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch, and monitor it where nothing is validated."""
        loss = self._sum / max(self._n_batches, 1)
        self.log("train_loss", loss, sync_dist=True)
        if self.options.monitor == "train_loss":
            self.log("monitor", loss, sync_dist=True)

    def validation_step(self, batch: tuple[tuple[Tensor, ...], Tensor], _: int) -> None:
        """Keep the logits of a batch of chunks beside the tracks they come from."""
        inputs, owner = batch
        self._collected.append((self.network(*inputs).float().cpu(), owner.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log loss, score and what is monitored, of tracks: the mean score of their chunks."""
        logits, owner = (torch.cat(parts) for parts in zip(*self._collected, strict=True))
        self._collected.clear()
        tracks, n_chunks = torch.unique(owner, return_counts=True)
        by_track = logits[owner.argsort(stable=True)].split(n_chunks.tolist())
        pooled = torch.from_numpy(np.stack([self.task.pool(chunks.double().numpy()) for chunks in by_track]))
        target = self.target[tracks]
        loss, score = losses.loss(self.task.kind)(pooled, target.double()), _score(pooled, target, self.task.kind)
        if self.contrastive and self.task.kind == "embedding":
            loss, score = self.contrast(pooled, target.float()).double(), score_nearest(pooled, target.float())
        by_loss = self.options.monitor == "val_loss" or self.task.kind == "embedding"
        monitored = loss if by_loss else 1 - score + loss / (1 + loss) / (2 * len(tracks))
        values = {"val_loss": loss, "val_score": score}
        if self.options.monitor != "train_loss":
            values["monitor"] = monitored
        self.log_dict(values, sync_dist=True)


def compute_class_weights(target: np.ndarray, kind: str) -> Tensor:
    """Weigh classes by how seldom they are.

    Parameters
    ----------
    target : np.ndarray [shape=(n_tracks, n_classes)]
    kind : {"single", "multi"}

    Returns
    -------
    Tensor [shape=(n_classes,)]
        Single labels: tracks over classes times tracks of the class. Several
        labels: tracks without the label over tracks with it.

    Examples
    --------
    >>> compute_class_weights(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]), "single")
    tensor([0.6667, 2.0000])
    """
    with_it = np.maximum(target.sum(axis=0), 1)
    n_tracks, n_classes = target.shape
    weights = n_tracks / (n_classes * with_it) if kind == "single" else np.maximum(n_tracks - with_it, 1) / with_it
    return torch.from_numpy(weights.astype(np.float32))


def mixup(inputs: tuple[Tensor, ...], target: Tensor, alpha: float) -> tuple[tuple[Tensor, ...], Tensor]:
    """Blend each example with another one, by a share drawn from Beta(alpha, alpha).

    Raises
    ------
    ParamsError
        If an input is numbers of words, which nothing lies between.

    References
    ----------
    H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018.
    """
    if not all(x.is_floating_point() for x in inputs):
        raise ParamsError("train: mixup cannot blend words; set mixup: 0 for candidates that read lyrics")
    share = torch.distributions.Beta(alpha, alpha).sample().to(target.device)
    other = torch.randperm(len(target)).to(target.device)
    return tuple(share * x + (1 - share) * x[other] for x in inputs), share * target + (1 - share) * target[other]


def is_map(x: Tensor) -> bool:
    """Return whether an input is a feature of audio: one channel of bins and several frames."""
    return x.ndim == 4 and x.shape[1] == 1 and x.shape[3] > 1 and x.is_floating_point()


def spec_augment(x: Tensor, share: float = 0.125, n_masks: int = 1) -> Tensor:
    """Blank stripes of bins and of frames of each example, (batch, channels, bins, frames).

    Parameters
    ----------
    x : Tensor [shape=(batch, channels, bins, frames)]
    share : float
        Of the bins or frames that a stripe covers at most, rounded up. A stripe's width is
        uniform; on average it covers half of this share, however few bins there are.
    n_masks : int
        Stripes along either axis.

    References
    ----------
    D. S. Park et al., "SpecAugment", Interspeech 2019.
    """
    from torchaudio.functional import mask_along_axis_iid

    for axis in (2, 3) * n_masks:
        whole, rest = divmod(x.shape[axis] * share, 1)
        widest = int(whole) + int(torch.rand(()) < rest)
        x = mask_along_axis_iid(x, widest + 1, mask_value=0.0, axis=axis)  # its bound is exclusive
    return x


def score_nearest(vectors: Tensor, target: Tensor) -> Tensor:
    """Return the share of tracks whose nearest other one, by cosine, is of the same artist.

    Parameters
    ----------
    vectors : Tensor [shape=(n_tracks, d)]
    target : Tensor [shape=(n_tracks, d)]
        Directions of their artists.

    Returns
    -------
    Tensor
        A scalar, of the tracks that have such another one; 0 where none has.
    """
    units, directions = (torch.nn.functional.normalize(x, dim=1) for x in (vectors, target))
    right, has = [], []
    for rows in torch.arange(len(units)).split(ROWS):
        together = losses.find_alike(directions, rows)
        similarity = units[rows] @ units.T
        similarity[torch.arange(len(rows)), rows] = float("-inf")
        right.append(together.gather(1, similarity.argmax(dim=1, keepdim=True))[:, 0])
        has.append(together.any(dim=1))
    correct = torch.cat(right)[torch.cat(has)]
    return correct.double().mean() if len(correct) else torch.zeros((), dtype=torch.float64)


def _score(logits: Tensor, target: Tensor, kind: Kind) -> Tensor:
    """Return the share of right tracks, for tags the mean average precision of those that occur, or the cosine."""
    if kind == "embedding":
        return -losses.loss(kind)(logits, target.double())
    if kind == "single":
        return (logits.argmax(1) == target.argmax(1)).double().mean()
    occurs = target.any(0)
    if not occurs.any():
        return torch.zeros((), dtype=torch.float64)
    n_labels = int(occurs.sum())
    if n_labels == 1:
        return tm.binary_average_precision(logits[:, occurs][:, 0], target[:, occurs][:, 0].long()).double()
    return tm.multilabel_average_precision(logits[:, occurs], target[:, occurs].long(), n_labels).double()
