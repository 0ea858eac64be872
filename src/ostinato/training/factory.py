"""Create networks by name, and list their options."""

import inspect
from collections.abc import Mapping
from typing import Any

from ostinato.core import registry

KIND = "kind"


def options(plugin: Any) -> list[str]:
    """List the options of a network, beside its inputs and classes.

    Parameters
    ----------
    plugin : module
        A module of `ostinato.architectures`.

    Returns
    -------
    list of str
    """
    signature = inspect.signature(plugin.Network)
    return [p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and p.name != KIND]


def make(name: str, inputs: Mapping[str, Any], n_classes: int, options: Mapping[str, Any], kind: str) -> Any:
    """Create a network.

    Parameters
    ----------
    name : str
        Name of the architecture.
    inputs : mapping
        Shape of each input, or number of logits of each member.
    n_classes : int
    options : mapping
        Arguments that differ from the network's defaults.
    kind : str
        Kind of the task, for networks with such an argument.

    Returns
    -------
    torch.nn.Module
    """
    network = registry.load("ostinato.architectures", name).Network
    extra = {KIND: kind} if KIND in inspect.signature(network).parameters else {}
    return network(inputs, n_classes, **options, **extra)
