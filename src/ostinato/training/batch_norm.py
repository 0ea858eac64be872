"""Running statistics of batch normalisation: the mean over a pass of training batches with the weights as they are.

The exponential mean that layers keep while they learn is of weights that are gone, and
in the first hundred steps mostly of its own initial value; six layers deep the errors
multiply, and what validation then measures is not the network.
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
    """List the batch normalisation layers whose running statistics are learned.

    Parameters
    ----------
    network : nn.Module
        Frozen layers are in evaluation mode, and left out.

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

    Dropout is off, unlike in `torch.optim.swa_utils.update_bn`, which else does the
    same: the statistics are of the network that will be asked.

    Parameters
    ----------
    network : nn.Module
        In training mode, but for layers that are frozen.
    batches : iterable of tuple of Tensor
        Inputs.
    context : context manager, optional
        That the passes run in, such as a precision's.
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
    """Update the running statistics at the end of an epoch, before it is validated and its weights are kept.

    The pass is over the chunks of the epoch as they were drawn for it, at most 200
    batches, without augmentation. Several devices share them and take the mean.
    """

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Make the pass after the last batch of an epoch."""
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
        training.source = getattr(training.source, "features", training.source)  # of waveforms the cached feature
        n_batches = min(training.n_batches, MAX_BATCHES)
        order = BatchOrder(n_batches, trainer.global_rank, trainer.world_size)
        order.set_epoch(trainer.current_epoch)
        for where in order:
            inputs, _ = trainer.strategy.batch_to_device(training[where])
            yield inputs
