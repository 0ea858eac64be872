"""Networks, one per file: the file name is the architecture's name.

Conventions
-----------
A file holds a class ``Network`` and a function ``search_space``.

``Network(inputs, n_classes, *, ...)`` takes a mapping of input names to
``(channels, bins, frames)``; a network that reads other candidates' logits takes
a mapping of member names to numbers of logits instead, then of features of numbers,
such as ``year``, to how many these are; NaN is not known. It is called with an array
an input, in that order, (batch, channels, bins, frames). A cover is (3, height,
width), from 0 to 1; numbers of the tracks table are (1, how many, 1); words of
lyrics are announced as (1, number of ids, tokens) and come as (batch, tokens),
int64, 0 being padding on the left. The signature holds the
paper's values; ``None`` means the paper's choice for an input of that size.
What cannot be taken is refused with an `OstinatoError` that says what is needed.

``embed(*inputs)`` gives the vector before the last layer, ``forward(*inputs)``
equals ``head(embed(*inputs))`` and gives logits, never activated.
``length`` is ``"free"`` if other numbers of frames than the declared one are
taken, from ``min_frames`` on, else ``"fixed"``; where inputs differ in that, both
are mappings by input. A network that parts its input itself says by how many frames,
``chunk``. One whose loss has a part of its own offers it as ``penalty()``; one that
must know what its logits mean has an argument ``kind``, which the task gives.

``search_space(trial)`` asks an Optuna trial (or anything alike) and gives
``{"network": {...}, "train": {...}}``, departures from the signature and from the
``train`` section.
"""

from collections.abc import Iterable
from typing import Any

STATISTICS = ("running_mean", "running_var")


def count(network: Any) -> dict[str, int]:
    """Count the numbers of a network as the papers do.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    dict
        ``trainable``: numbers that a gradient moves were the network thawed;
        ``total``: those and the running statistics of batch normalisation.
    """
    trainable = _size(network.parameters())
    statistics = _size(b for name, b in network.named_buffers() if name.rsplit(".", 1)[-1] in STATISTICS)
    return {"trainable": trainable, "total": trainable + statistics}


def _size(tensors: Iterable[Any]) -> int:
    return sum(t.numel() for t in tensors)
