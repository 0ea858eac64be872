"""TimeFreqAVG: the mean of the members' scores, without parameters.

Published for a Time and a Freq network; accepts any two members or more.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019,
section "Ensembles".
"""

from collections.abc import Mapping
from math import log
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.checks import check_choice
from ostinato.layers.logit_heads import OverLogits

MEMBERS = {"time": ("time", None), "freq": ("freq", None)}
"""Published members: candidate, architecture and feature; None is any one feature, the same for all."""
KINDS = ("single", "multi", "embedding")


class Network(OverLogits):
    """The logits whose scores are the mean of the members' scores.

    Parameters
    ----------
    inputs : mapping of str to int
        Number of logits of each member, which must be that of the classes.
    n_classes : int
    kind : {"single", "multi", "embedding"}
        Of the task: scores are the softmax or sigmoid of the logits, or their direction.

    Raises
    ------
    OstinatoError
        If a member has another number of logits.
    """

    def __init__(self, inputs: Mapping[str, int], n_classes: int, *, kind: str = "single") -> None:
        super().__init__("timefreq_avg", inputs)
        self.kind = check_choice("timefreq_avg", "kind", kind, KINDS)
        for member, width in inputs.items():
            if width != n_classes:
                raise OstinatoError(f"timefreq_avg: needs {n_classes} logits of each member; {member} has {width}")
        self.n_members = len(inputs)
        self.head = nn.Identity()

    def encode(self, logits: Tensor) -> Tensor:
        """Average the scores of (batch, members * n_classes), and return the logits of the mean."""
        stacked = logits.unflatten(-1, (self.n_members, -1))
        if self.kind == "embedding":
            return F.normalize(stacked, dim=-1).mean(1)
        if self.kind == "multi":
            return F.logsigmoid(stacked).logsumexp(1) - F.logsigmoid(-stacked).logsumexp(1)
        return stacked.log_softmax(-1).logsumexp(1) - log(self.n_members)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest nothing."""
    return {"network": {}, "train": {}}
