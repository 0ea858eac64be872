"""Networks by name: what they may be told, and making them."""

import inspect
from collections.abc import Mapping
from typing import Any

from ostinato.core import registry

KIND = "kind"


def options(plugin: Any) -> list[str]:
    """Name what a network may be told, beside its inputs and classes.

    Parameters
    ----------
    plugin : module
        A file of `ostinato.architectures`.

    Returns
    -------
    list of str
    """
    signature = inspect.signature(plugin.Network)
    return [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and p.name != KIND]


def make(name: str, inputs: Mapping[str, Any], n_classes: int, departures: Mapping[str, Any], kind: str) -> Any:
    """Make a network.

    Parameters
    ----------
    name : str
        Of the architecture.
    inputs : mapping
        Shape of each input, or number of logits of each member.
    n_classes : int
    departures : mapping
        From the network's signature.
    kind : str
        Of the task, for the networks that ask for it.

    Returns
    -------
    torch.nn.Module
    """
    network = registry.load("ostinato.architectures", name).Network
    told = {KIND: kind} if KIND in inspect.signature(network).parameters else {}
    return network(inputs, n_classes, **departures, **told)
