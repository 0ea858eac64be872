"""Weights that others have published, as a file that training can begin with.

Known is the ConvNet of `ostinato.architectures.choi` as Keras 1 saved it. Under
Theano a convolution turned its kernels round, so they are turned here; under
TensorFlow they stand as they are, and the names end in ``:0``. Running statistics
that were never used, means of 0 and deviations of 1, are left out: whoever needs them
takes them from data of their own.
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
"""Of all arrays of a file together; the published ones take less than 1 MB."""
MEND = "take the file as its authors publish it"
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
"""What Keras 1 calls a deviation is a variance."""


def import_keras(source: Path, target: Path) -> dict[str, tuple[int, ...]]:
    """Write the weights of a Keras file as safetensors.

    Parameters
    ----------
    source : Path
        HDF5, as the authors publish it.
    target : Path
        What shall stand at the end.

    Returns
    -------
    dict of str to tuple of int
        The shape of each array that was written.

    Raises
    ------
    DataError
        If the file is no HDF5, is damaged, takes arrays from other files, or lacks an array; or if one has
        another shape or type, or is not finite.
    """
    from safetensors.numpy import save_file

    found = convert(_read(source), source)
    with atomic_write(target) as partial:
        save_file(found, partial)
    return {name: array.shape for name, array in found.items()}


def convert(arrays: Mapping[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    """Name and turn arrays as the network has them.

    Parameters
    ----------
    arrays : mapping of str to np.ndarray
        By group and name, such as ``"dense_1/dense_1_W"``.
    source : Path
        Where they come from, for messages.

    Returns
    -------
    dict of str to np.ndarray
    """
    theano = not any(name.endswith(":0") for name in arrays)
    known = {name.removesuffix(":0"): array for name, array in arrays.items()}
    n_blocks = sum(name.startswith(f"{BLOCKS}/convolution2d_") and name.endswith("_W") for name in known)
    if not n_blocks:
        raise DataError(f"{source}: has no group {BLOCKS} with convolutions; take a weights_layer4_*.hdf5")
    made: dict[str, np.ndarray] = {}
    for block in range(n_blocks):
        for theirs, mine in PARTS.items():
            array = _find_weight(
                known, f"{BLOCKS}/{theirs.format(block + 1)}", source, 4 if theirs.endswith("_W") else 1
            )
            turned = theano and array.ndim == 4
            made[mine.format(block)] = array[:, :, ::-1, ::-1] if turned else array
        made |= dict(_statistics(known, block, source))
    if f"{HEAD}/{HEAD}_W" in known:
        made["head.weight"] = _find_weight(known, f"{HEAD}/{HEAD}_W", source, 2).T
        made["head.bias"] = _find_weight(known, f"{HEAD}/{HEAD}_b", source, 1)
    return {name: np.ascontiguousarray(array, np.float32) for name, array in made.items()}


def _statistics(known: Mapping[str, np.ndarray], block: int, source: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a block's running statistics if they are any."""
    names = {f"{BLOCKS}/{theirs.format(block + 1)}": rest for theirs, rest in STATISTICS.items()}
    given = [
        (mine, _find_weight(known, name, source, 1), idle) for name, (mine, idle) in names.items() if name in known
    ]
    if len(given) == len(names) and not all(np.all(array == idle) for _, array, idle in given):
        yield from ((mine.format(block), array) for mine, array, _ in given)


def _find_weight(known: Mapping[str, np.ndarray], name: str, source: Path, n_axes: int) -> np.ndarray:
    """Return an array of finite numbers with so many axes."""
    if name not in known:
        raise DataError(f"{source}: lacks {name}; {MEND}")
    array = known[name]
    if array.dtype.kind not in "fiu" or array.ndim != n_axes:
        raise DataError(f"{source}: {name} is no array of numbers with {n_axes} axes; {MEND}")
    if not np.isfinite(array).all():
        raise DataError(f"{source}: {name} holds numbers that are not finite; {MEND}")
    return array


def _read(source: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an HDF5 file."""
    import h5py

    arrays: dict[str, np.ndarray] = {}

    def keep(name: str, found: Any) -> None:
        if not isinstance(found, h5py.Dataset):
            return
        if found.external or found.is_virtual:
            raise DataError(f"{source}: {name} lies in another file, which is not read; {MEND}")
        if sum(array.nbytes for array in arrays.values()) + found.nbytes > MAX_BYTES:
            raise DataError(f"{source}: announces more than {MAX_BYTES:,} bytes of arrays; {MEND}")
        arrays[name] = found[()]

    try:
        with h5py.File(source) as file:
            file.visititems(keep)
    except DataError:
        raise
    except Exception as error:  # whatever the library makes of a damaged file, it is the file
        raise DataError(f"{source}: is no HDF5 file that can be read ({error}); {MEND}") from error
    return arrays
