"""Transfer: begin with the weights of another training, with a new head; leave the first layers as they are."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ostinato.core.params.training import Train
from ostinato.errors import DataError, ParamsError
from ostinato.training.data.sources import Evaluation, Source
from ostinato.training.predict import TRACKS_PER_BATCH

HEAD = "head."
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def load_pretrained(network: nn.Module, options: Train, source: Source, train: np.ndarray, name: str) -> None:
    """Load and freeze what a candidate asks for; nothing happens if it asks for nothing.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    options : Train
    source : Source
    train : np.ndarray
        Positions of the training tracks, which give the statistics that the file lacks.
    name : str
        Of the candidate, for messages.

    Raises
    ------
    DataError
        If the file is absent, another one than was asked for, or does not fit the network.
    ParamsError
        If there are not so many layers to freeze.
    """
    if options.weights is None:
        if options.freeze:
            raise ParamsError(f"{name}: train: freeze needs weights: a file of another training")
        return
    file = Path(options.weights)
    if options.weights_sha256 is not None:
        _refuse_another(file, options.weights_sha256, name)
    if load(network, file, name):
        calibrate(network, source, train)
    freeze(network, options.freeze, name)


def _refuse_another(file: Path, wanted: str, name: str) -> None:
    """Compare a file with its hash in params.yaml, which is what DVC sees of it."""
    if not file.exists():
        return
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != wanted.lower():
        raise DataError(
            f"{name}: train: weights: {file} has the SHA-256 {found}, asked for is {wanted}; "
            f"set weights_sha256: {found} to begin with this file, and the candidate is trained again"
        )


def load(network: nn.Module, file: Path, name: str) -> bool:
    """Load all weights but the head's.

    Parameters
    ----------
    network : nn.Module
    file : Path
        As training or `ostinato.training.import_keras` writes it.
    name : str
        Of the candidate, for messages.

    Returns
    -------
    bool
        Whether the file lacks running statistics that the network has.

    Raises
    ------
    DataError
        If the file is absent or does not fit the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not file.exists():
        raise DataError(f"{name}: train: weights: {file} is not there")
    try:
        given = {key: w for key, w in load_file(file).items() if not key.startswith(HEAD)}
    except SafetensorError as error:
        raise DataError(f"{name}: train: weights: {file} is no safetensors file ({error})") from error
    own = {key: w for key, w in network.state_dict().items() if not key.startswith(HEAD)}
    lacking = [key for key in own if key not in given]
    wrong = [*_differences(given, own), *(f"it lacks {k}" for k in lacking if k.rsplit(".", 1)[-1] not in STATISTICS)]
    if wrong:
        raise DataError(f"{name}: train: weights: {file} does not fit the network: {'; '.join(wrong[:5])}")
    network.load_state_dict(given, strict=False)
    return any(key.endswith(STATISTICS[:2]) for key in lacking)


def _differences(given: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    """Return what of a file has no place in a network."""
    said = []
    for key, weight in given.items():
        if key not in own:
            said.append(f"the network has no {key}")
        elif weight.shape != own[key].shape:
            said.append(f"{key} has shape {tuple(weight.shape)}, needed is {tuple(own[key].shape)}")
    return said


def calibrate(network: nn.Module, source: Source, train: np.ndarray) -> None:
    """Take the running statistics of batch normalisation from all chunks of the training tracks.

    Parameters
    ----------
    network : nn.Module
        Its other layers stay in evaluation mode meanwhile.
    source : Source
    train : np.ndarray
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    batches = Evaluation(source, train, TRACKS_PER_BATCH)
    with torch.no_grad():
        for number in range(len(batches)):
            network(*batches[number][0])
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.train()


def freeze(network: nn.Module, n_layers: int, name: str) -> None:
    """Keep the first layers, statistics and all, as they are.

    Parameters
    ----------
    network : nn.Module
    n_layers : int
        How many entries of the network's ``layers``.
    name : str
        Of the candidate, for messages.

    Raises
    ------
    ParamsError
        If the network has fewer.
    """
    if not n_layers:
        return
    layers = getattr(network, "layers", None)
    n_known = len(layers) if isinstance(layers, nn.Sequential) else 0
    if n_layers > n_known:
        raise ParamsError(
            f"{name}: train: freeze: {n_layers} layers were asked for, the network has {n_known} in a row"
        )
    for layer in list(network.get_submodule("layers").children())[:n_layers]:
        layer.eval().requires_grad_(False)
