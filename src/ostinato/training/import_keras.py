"""Import published weights as a file that training can start from.

Supported is the ConvNet of `ostinato.architectures.choi` as saved by Keras 1. Theano
flips the kernels of convolutions, so they are flipped here; TensorFlow does not, and its
names end in ``:0``. Unused running statistics, means of 0 and deviations of 1, are
dropped and have to be computed from data.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.errors import DataError
from ostinato.io.files import atomic_write

BLOCKS = "ConvBNEluDr"
HEAD = "dense_1"
MAX_BYTES = 256 * 2**20
"""Maximum size of all arrays of a file; the published ones take less than 1 MB."""
HINT = "use the file published by its authors"
PARTS = {
    "convolution2d_{}_W": "layers.{}.conv.weight",
    "convolution2d_{}_b": "layers.{}.conv.bias",
    "batchnormalization_{}_gamma": "layers.{}.norm.weight",
    "batchnormalization_{}_beta": "layers.{}.norm.bias",
}
STATISTICS = {
    "batchnormalization_{}_running_mean": ("layers.{}.norm.running_mean", 0.0),
    "batchnormalization_{}_running_std": ("layers.{}.norm.running_var", 1.0),
}
"""Keras 1 calls the variance a standard deviation."""


def import_keras(source: Path, target: Path) -> dict[str, tuple[int, ...]]:
    """Write the weights of a Keras file as safetensors.

    Parameters
    ----------
    source : Path
        HDF5, as published by the authors.
    target : Path
        Safetensors file to write.

    Returns
    -------
    dict of str to tuple of int
        Shape of each written array.

    Raises
    ------
    DataError
        If the file is not HDF5, is damaged, refers to other files, or lacks an array, or if an array has the
        wrong shape or type, or is not finite.
    """
    from safetensors.numpy import save_file

    weights = convert(_read(source), source)
    with atomic_write(target) as partial:
        save_file(weights, partial)
    return {name: array.shape for name, array in weights.items()}


def convert(arrays: Mapping[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    """Rename and flip arrays for the network.

    Parameters
    ----------
    arrays : mapping of str to np.ndarray
        By group and name, such as ``"dense_1/dense_1_W"``.
    source : Path
        Source file, for messages.

    Returns
    -------
    dict of str to np.ndarray
    """
    theano = not any(name.endswith(":0") for name in arrays)
    by_name = {name.removesuffix(":0"): array for name, array in arrays.items()}
    n_blocks = sum(name.startswith(f"{BLOCKS}/convolution2d_") and name.endswith("_W") for name in by_name)
    if not n_blocks:
        raise DataError(f"{source}: has no group {BLOCKS} with convolutions; take a weights_layer4_*.hdf5")
    weights: dict[str, np.ndarray] = {}
    for block in range(n_blocks):
        for template, key in PARTS.items():
            name, n_axes = f"{BLOCKS}/{template.format(block + 1)}", 4 if template.endswith("_W") else 1
            array = _find_weight(by_name, name, source, n_axes)
            flip = theano and array.ndim == 4
            weights[key.format(block)] = array[:, :, ::-1, ::-1] if flip else array
        weights |= dict(_statistics(by_name, block, source))
    if f"{HEAD}/{HEAD}_W" in by_name:
        weights["head.weight"] = _find_weight(by_name, f"{HEAD}/{HEAD}_W", source, 2).T
        weights["head.bias"] = _find_weight(by_name, f"{HEAD}/{HEAD}_b", source, 1)
    return {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}


def _statistics(by_name: Mapping[str, np.ndarray], block: int, source: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a block's running statistics, if they were used."""
    names = {f"{BLOCKS}/{template.format(block + 1)}": rest for template, rest in STATISTICS.items()}
    statistics = [
        (key, _find_weight(by_name, name, source, 1), idle) for name, (key, idle) in names.items() if name in by_name
    ]
    if len(statistics) == len(names) and not all(np.all(array == idle) for _, array, idle in statistics):
        yield from ((key.format(block), array) for key, array, _ in statistics)


def _find_weight(by_name: Mapping[str, np.ndarray], name: str, source: Path, n_axes: int) -> np.ndarray:
    """Return an array, after checking its type, number of axes and finiteness."""
    if name not in by_name:
        raise DataError(f"{source}: lacks {name}; {HINT}")
    array = by_name[name]
    if array.dtype.kind not in "fiu" or array.ndim != n_axes:
        raise DataError(f"{source}: {name} is not an array of numbers with {n_axes} axes; {HINT}")
    if not np.isfinite(array).all():
        raise DataError(f"{source}: {name} has values that are not finite; {HINT}")
    return array


def _read(source: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an HDF5 file."""
    import h5py

    arrays: dict[str, np.ndarray] = {}

    def keep(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.external or item.is_virtual:
            raise DataError(f"{source}: {name} is in another file, which is not supported; {HINT}")
        if sum(array.nbytes for array in arrays.values()) + item.nbytes > MAX_BYTES:
            raise DataError(f"{source}: declares more than {MAX_BYTES:,} bytes of arrays; {HINT}")
        arrays[name] = item[()]

    try:
        with h5py.File(source) as file:
            file.visititems(keep)
    except DataError:
        raise
    except Exception as error:  # any error of the library means a damaged file
        raise DataError(f"{source}: is not a readable HDF5 file ({error}); {HINT}") from error
    return arrays
