"""Networks, one per file: the file name is the architecture's name.

Conventions
-----------
A file has a class ``Network`` and a function ``search_space``.

``Network(inputs, n_classes, *, ...)`` takes a mapping of input names to
``(channels, bins, frames)``; a network on other candidates' logits takes a mapping of
member names to numbers of logits instead, followed by numeric features, such as
``year``, with their width; NaN is unknown. It is called with one array per input, in
that order, (batch, channels, bins, frames). A cover is (3, height, width), from 0 to
1; numbers of the tracks table are (1, width, 1); words of lyrics have the shape (1,
number of ids, tokens) and are passed as (batch, tokens), int64, with 0 as padding on
the left. The defaults are the paper's values; ``None`` means the paper's choice for
an input of that size. Invalid inputs raise an `OstinatoError` that says what is
needed.

``embed(*inputs)`` returns the vector before the last layer, ``forward(*inputs)``
equals ``head(embed(*inputs))`` and returns logits. ``length`` is ``"free"`` if any
number of frames from ``min_frames`` on is valid, else ``"fixed"``; if inputs differ in
that, both are mappings by input. A network that splits its input itself has the
number of frames as ``chunk``. One with an additional loss has ``penalty()``; one that
needs the type of its task has an argument ``kind``.

``search_space(trial)`` takes an Optuna trial (or the like) and returns ``{"network":
{...}, "train": {...}}``, overrides of the signature and of the section ``train``.
"""

from collections.abc import Iterable
from typing import Any

STATISTICS = ("running_mean", "running_var")


def count(network: Any) -> dict[str, int]:
    """Count the parameters of a network as the papers do.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    dict
        ``trainable``: all parameters, even if frozen; ``total``: those and the running
        statistics of batch normalisation.
    """
    trainable = _size(network.parameters())
    statistics = _size(b for name, b in network.named_buffers() if name.rsplit(".", 1)[-1] in STATISTICS)
    return {"trainable": trainable, "total": trainable + statistics}


def _size(tensors: Iterable[Any]) -> int:
    return sum(t.numel() for t in tensors)
