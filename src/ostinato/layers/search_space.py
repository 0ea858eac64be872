"""The usual search space: learning rate, batch size, and optionally dropout."""

from collections.abc import Callable
from typing import Any, TypeAlias

Bounds: TypeAlias = tuple[float, float]
Space: TypeAlias = Callable[[Any], dict[str, dict[str, Any]]]


BATCH_SIZES = (8, 32)
"""Tracks per batch, around the default of 16."""


def suggest(lr: Bounds, dropout: Bounds | None = None) -> Space:
    """Make the search space of a network whose layers are the paper's.

    Parameters
    ----------
    lr, dropout : tuple of float
        Lowest and highest; the learning rate is sampled on a log scale.

    Returns
    -------
    callable
        ``search_space``, see `ostinato.architectures`.
    """

    def search_space(trial: Any) -> dict[str, dict[str, Any]]:
        network = {} if dropout is None else {"dropout": trial.suggest_float("dropout", *dropout)}
        batch_size = trial.suggest_int("batch_size", *BATCH_SIZES, log=True)
        return {"network": network, "train": {"lr": trial.suggest_float("lr", *lr, log=True), "batch_size": batch_size}}

    return search_space
