"""Networks on other networks' logits, including those: one graph from chunks to a track's logits."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.core.scores import EPSILON, Kind
from ostinato.errors import OstinatoError


def pool(logits: Tensor, kind: Kind) -> Tensor:
    """Pool the logits of chunks to those of the track, whose scores are the mean score.

    Parameters
    ----------
    logits : Tensor [shape=(n_chunks, n_classes)]
    kind : {"single", "multi", "embedding"}
        Whether a track has exactly one class, any number, or a direction.

    Returns
    -------
    Tensor [shape=(1, n_classes)]
    """

    def log_mean(scores: Tensor) -> Tensor:
        return scores.mean(0, keepdim=True).clamp(min=EPSILON).log()

    if kind == "embedding":
        return F.normalize(logits, dim=-1).mean(0, keepdim=True)
    if kind == "single":
        return log_mean(logits.softmax(-1))
    return log_mean(logits.sigmoid()) - log_mean((-logits).sigmoid())


class Stack(nn.Module):
    """Frozen members, pooling over their chunks, and the network on their logits.

    Parameters
    ----------
    members : mapping of str to nn.Module
        Trained networks by candidate name, in the order of the head's inputs.
    network : nn.Module
        Its input is the members' concatenated logits, (batch, sum of logits).
    kind : {"single", "multi", "embedding"}
        Of the task; it decides how chunks are pooled.
    reads : mapping of str to int, optional
        All inputs of the network in order, with their widths: the members, and others
        such as the year or networks on lyrics. Here a track is only audio, so the
        others are unknown: NaN. Default: the members.

    Raises
    ------
    OstinatoError
        If there are no members.
    """

    unknown: Tensor

    def __init__(
        self, members: Mapping[str, nn.Module], network: nn.Module, kind: Kind, reads: Mapping[str, int] | None = None
    ) -> None:
        super().__init__()
        if not members:
            raise OstinatoError("a stack needs members; list them under members: in params.yaml")
        self.members = nn.ModuleDict(members).eval().requires_grad_(False)
        self.network, self.kind = network, kind
        self.reads = reads or dict.fromkeys(members, 0)
        widest = max((width for name, width in self.reads.items() if name not in members), default=0)
        self.register_buffer("unknown", torch.full((1, widest), torch.nan), persistent=False)

    def train(self, mode: bool = True) -> "Stack":
        """Set the head's mode; the members stay in evaluation mode."""
        super().train(mode)
        self.members.eval()
        return self

    def member_logits(self, *chunks: Tensor) -> Tensor:
        """Return the network's input, (1, width), from each member's (n_chunks, channels, bins, frames)."""
        pooled = {m: pool(net(x), self.kind) for (m, net), x in zip(self.members.items(), chunks, strict=True)}
        return torch.cat([pooled.get(name, self.unknown[:, :width]) for name, width in self.reads.items()], -1)

    def embed(self, *chunks: Tensor) -> Tensor:
        """Return the head's last hidden layer, (1, width), from one track's chunks."""
        return self.network.embed(self.member_logits(*chunks))  # type: ignore[operator]

    def forward(self, *chunks: Tensor) -> Tensor:
        """Return one track's logits, (1, n_classes), from its chunks."""
        return self.network.head(self.embed(*chunks))  # type: ignore[operator]
