"""Transfer learning: start from the weights of another training with a new head, and freeze the first layers."""

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
    """Load and freeze weights as set by a candidate, if any.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    options : Train
    source : Source
    train : np.ndarray
        Indices of the training tracks, for statistics missing from the file.
    name : str
        Of the candidate, for messages.

    Raises
    ------
    DataError
        If the file is missing, has another hash, or does not match the network.
    ParamsError
        If the network has fewer layers to freeze.
    """
    if options.weights is None:
        if options.freeze:
            raise ParamsError(f"{name}: train: freeze needs weights: a file of another training")
        return
    file = Path(options.weights)
    if options.weights_sha256 is not None:
        _check_hash(file, options.weights_sha256, name)
    if load(network, file, name):
        calibrate(network, source, train)
    freeze(network, options.freeze, name)


def _check_hash(file: Path, expected: str, name: str) -> None:
    """Compare a file with its hash in params.yaml, which DVC tracks."""
    if not file.exists():
        return
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != expected.lower():
        raise DataError(
            f"{name}: train: weights: {file} has the SHA-256 {digest}, expected {expected}; "
            f"set weights_sha256: {digest} to use this file; the candidate is then trained again"
        )


def load(network: nn.Module, file: Path, name: str) -> bool:
    """Load all weights except the head's.

    Parameters
    ----------
    network : nn.Module
    file : Path
        As written by training or `ostinato.training.import_keras`.
    name : str
        Of the candidate, for messages.

    Returns
    -------
    bool
        Whether the file lacks running statistics of the network.

    Raises
    ------
    DataError
        If the file is missing or does not match the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not file.exists():
        raise DataError(f"{name}: train: weights: {file} is not there")
    try:
        weights = {key: w for key, w in load_file(file).items() if not key.startswith(HEAD)}
    except SafetensorError as error:
        raise DataError(f"{name}: train: weights: {file} is not a safetensors file ({error})") from error
    expected = {key: w for key, w in network.state_dict().items() if not key.startswith(HEAD)}
    missing = [key for key in expected if key not in weights]
    problems = _differences(weights, expected)
    problems += [f"it lacks {key}" for key in missing if key.rsplit(".", 1)[-1] not in STATISTICS]
    if problems:
        raise DataError(f"{name}: train: weights: {file} does not match the network: {'; '.join(problems[:5])}")
    network.load_state_dict(weights, strict=False)
    return any(key.endswith(STATISTICS[:2]) for key in missing)


def _differences(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """List the differences between the weights of a file and a network."""
    differences = []
    for key, weight in weights.items():
        if key not in expected:
            differences.append(f"the network has no {key}")
        elif weight.shape != expected[key].shape:
            differences.append(f"{key} has shape {tuple(weight.shape)}, expected {tuple(expected[key].shape)}")
    return differences


def calibrate(network: nn.Module, source: Source, train: np.ndarray) -> None:
    """Compute the running statistics of batch normalisation over all chunks of the training tracks.

    Parameters
    ----------
    network : nn.Module
        Its other layers are in evaluation mode meanwhile.
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
    """Freeze the first layers, including their statistics.

    Parameters
    ----------
    network : nn.Module
    n_layers : int
        Number of entries of the network's ``layers``.
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
    n_available = len(layers) if isinstance(layers, nn.Sequential) else 0
    if n_layers > n_available:
        raise ParamsError(f"{name}: train: freeze: {n_layers} layers, but the network has {n_available} in sequence")
    for layer in list(network.get_submodule("layers").children())[:n_layers]:
        layer.eval().requires_grad_(False)
