"""Running statistics of batch normalisation: the mean over training batches with the current weights.

The exponential mean that layers track during training reflects outdated weights and, in
the first hundred steps, mostly its initial value. Over six layers the errors multiply,
and validation no longer measures the network.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Any

import pytorch_lightning as L
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ostinato.training.data.batches import BatchOrder, TrackDataModule

MAX_BATCHES = 200


def find_layers(network: nn.Module) -> list[_BatchNorm]:
    """List the batch normalisation layers with trained running statistics.

    Parameters
    ----------
    network : nn.Module
        Frozen layers, in evaluation mode, are skipped.

    Returns
    -------
    list of _BatchNorm
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    return [layer for layer in layers if layer.track_running_stats and layer.training]


def update_statistics(
    network: nn.Module, batches: Iterable[tuple[Tensor, ...]], context: AbstractContextManager[Any] | None = None
) -> None:
    """Set the running statistics to the mean over batches.

    Like `torch.optim.swa_utils.update_bn`, but without dropout: the statistics are those
    of the network in use.

    Parameters
    ----------
    network : nn.Module
        In training mode, except frozen layers.
    batches : iterable of tuple of Tensor
        Inputs of the network.
    context : context manager, optional
        Context of the forward passes, such as a precision's.
    """
    layers = find_layers(network)
    modes = {module: module.training for module in network.modules()}
    momenta = {layer: layer.momentum for layer in layers}
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad(), context or nullcontext():
        for inputs in batches:
            network(*inputs)
    for layer, momentum in momenta.items():
        layer.momentum = momentum
    for module, mode in modes.items():
        module.training = mode


class BatchNormStatistics(Callback):
    """Update the running statistics at the end of an epoch, before validation and checkpointing.

    The pass uses the chunks drawn for the epoch, at most 200 batches, without
    augmentation. Several devices share them and average the results.
    """

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Run the pass after the last batch of an epoch."""
        if not trainer.is_last_batch or not (layers := find_layers(module.network)):
            return
        update_statistics(module.network, self._batches(trainer), trainer.precision_plugin.forward_context())
        if trainer.world_size > 1:
            for layer in layers:
                for name in ("running_mean", "running_var"):
                    setattr(layer, name, trainer.strategy.reduce(getattr(layer, name), reduce_op="mean"))

    @staticmethod
    def _batches(trainer: L.Trainer) -> Iterable[tuple[Tensor, ...]]:
        data: TrackDataModule = trainer.datamodule  # type: ignore[attr-defined]
        training = copy(data.training)
        training.source = getattr(training.source, "features", training.source)  # for waveforms the cached feature
        n_batches = min(training.n_batches, MAX_BATCHES)
        order = BatchOrder(n_batches, trainer.global_rank, trainer.world_size)
        order.set_epoch(trainer.current_epoch)
        for index in order:
            inputs, _ = trainer.strategy.batch_to_device(training[index])
            yield inputs
