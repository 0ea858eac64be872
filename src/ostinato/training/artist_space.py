"""An artist space: a table of vectors in which related artists have similar directions.

Two artists are related with the probability sigmoid(a * cosine + b), where a and b are
trained. An example is an artist with all its relations and as many random artists,
which may be related, too. Three phases of decreasing learning rate and batch size each
start from the best weights of the previous one and end when the training loss stops
falling.

Only the rows of a batch are updated (sparse Adam), so that an epoch takes time in
proportion to the relations; the paper's Adam updates every row at every step, which
grows with the square of the artists.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019,
section "Training artist embeddings" and figure 18.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import EarlyStopping
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ostinato.core.params.schema import Phase
from ostinato.core.params.training import Train
from ostinato.core.task import Task
from ostinato.errors import GraphError
from ostinato.training.callbacks import Progress, ResumableCheckpoint
from ostinato.training.data.batches import BatchOrder
from ostinato.training.module import Module
from ostinato.training.network import make_trainer, quiet
from ostinato.training.settings import derive

RELATION = Task("tags", ("related",))
"""The module treats a relation as a binary label of two artists."""
INIT_RANGE = 0.05
"""Coordinates are initialised uniformly from -0.05 to 0.05, as in Keras."""


class Table(nn.Module):
    """Vectors of all artists, and the line from cosine to logit.

    Parameters
    ----------
    n_artists, dimension : int
    """

    def __init__(self, n_artists: int, dimension: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(n_artists, dimension, sparse=True)
        self.line = nn.Embedding(1, 2, sparse=True)  # a and b; an embedding, as sparse Adam needs
        nn.init.uniform_(self.vectors.weight, -INIT_RANGE, INIT_RANGE)
        with torch.no_grad():
            self.line.weight.copy_(torch.tensor([[1.0, 0.0]]))

    def forward(self, artists: Tensor, owner: Tensor, others: Tensor) -> Tensor:
        """Return logits of pairs.

        Parameters
        ----------
        artists : Tensor [shape=(batch,)]
        owner : Tensor [shape=(n_pairs,)]
            Index into `artists` of each pair.
        others : Tensor [shape=(n_pairs,)]

        Returns
        -------
        Tensor [shape=(n_pairs, 1)]
        """
        a, b = F.normalize(self.vectors(artists), dim=1), F.normalize(self.vectors(others), dim=1)
        slope, offset = self.line(torch.zeros(1, dtype=torch.int64, device=artists.device))[0]
        return (slope * (a[owner] * b).sum(dim=1) + offset)[:, None]


class Pairs(Dataset[tuple[Any, ...]]):
    """Batches of artists with their relations and as many random artists, by seed, epoch and batch number.

    Parameters
    ----------
    links : csr_array [shape=(n, n)]
    batch_size : int
        Number of artists.
    seed : int
    """

    def __init__(self, links: csr_array, batch_size: int, seed: int) -> None:
        self.links, self.seed = links, seed
        self.artists = np.flatnonzero(np.diff(links.indptr))
        self.n_batches = -(-len(self.artists) // batch_size)
        self._drawn: tuple[int, list[np.ndarray]] | None = None

    def __getitem__(self, index: tuple[int, int]) -> tuple[Any, ...]:
        epoch, number = index
        if self._drawn is None or self._drawn[0] != epoch:
            order = np.random.default_rng(derive(self.seed, epoch)).permutation(self.artists)
            self._drawn = epoch, np.array_split(order, self.n_batches)
        artists = self._drawn[1][number]
        first, last = self.links.indptr[artists], self.links.indptr[artists + 1]
        owner = np.repeat(np.arange(len(artists)), last - first)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
        related = self.links.indices[first[owner] + within].astype(np.int64)
        random = np.random.default_rng(derive(self.seed, epoch, number)).integers(0, self.links.shape[0], len(related))
        pairs = (artists.astype(np.int64), np.tile(owner, 2), np.concatenate([related, random]))
        target = np.repeat(np.array([[1], [0]], np.float32), len(related), axis=0)
        return tuple(map(torch.from_numpy, pairs)), torch.from_numpy(target)


def fit_space(
    links: csr_array, *, dimension: int, phases: Sequence[Phase], max_epochs: int, seed: int, label: str = "artists"
) -> tuple[np.ndarray, list[Mapping[str, float]]]:
    """Train the vectors of artists.

    Parameters
    ----------
    links : csr_array [shape=(n, n)]
        Symmetric; see `ostinato.curation.artist_graph.Relations`.
    dimension : int
    phases : sequence of Phase
        Learning rate, artists per batch, and patience in epochs.
    max_epochs : int
        Of each phase.
    seed : int
    label : str
        Label of the progress bar.

    Returns
    -------
    vectors : np.ndarray [shape=(n, dimension), dtype=float32]
        Not normalised; vectors of isolated artists are random.
    curve : list of mapping
        ``{"phase", "epoch", "train_loss"}``.

    Raises
    ------
    GraphError
        If there is no relation.
    """
    if not links.nnz:
        raise GraphError("no two artists are related; give a table of relations")
    torch.manual_seed(derive(seed, "table"))
    table, curve = Table(links.shape[0], dimension), list[Mapping[str, float]]()
    for number, phase in enumerate(phases):
        checkpoint = _fit_phase(table, links, phase, max_epochs, derive(seed, number), f"{label} phase {number + 1}")
        table.load_state_dict(checkpoint.weights)
        curve += [{"phase": number + 1, **row} for row in checkpoint.curve]
    return table.vectors.weight.detach().cpu().numpy(), curve


def _fit_phase(
    table: Table, links: csr_array, phase: Phase, max_epochs: int, seed: int, label: str
) -> ResumableCheckpoint:
    options = Train(
        max_epochs=max_epochs,
        lr=phase.lr,
        optimizer="sparse_adam",
        monitor="train_loss",
        precision="32-true",
        devices=1,
    )
    data = Pairs(links, phase.batch_size, seed)
    module = Module(table, RELATION, options, np.zeros((0, 1), np.float32), np.zeros(0, np.int64), seed)
    checkpoint = ResumableCheckpoint(None, validated=True)
    stop = EarlyStopping("monitor", patience=phase.patience, check_finite=True, check_on_train_epoch_end=True)
    with quiet():
        trainer = make_trainer(options, [stop, Progress(label), checkpoint], None, validated=False)
        trainer.fit(module, train_dataloaders=DataLoader(data, batch_size=None, sampler=BatchOrder(data.n_batches)))
    return checkpoint
