"""An encoder's ONNX file: its input axes, its embedding tensor, and running patches.

Patches are run one by one, or in the batch size that the file requires: ONNX Runtime rounds differently in another
batch, and on one thread a larger batch is no faster.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ostinato.errors import DataError, ParamsError

Size: TypeAlias = "int | str | None"
Pooling: TypeAlias = Literal["mean", "max", "flatten"]
AXES = ("batch", "channel", "time", "mel", "samples")
KEY = "encoder"
"""Metadata key in which `ostinato import-weights` describes the file."""
MAX_LISTED = 12
"""Maximal number of tensors in a message."""
MAX_FLOAT16 = 65504
"""Of half precision, the dtype of the cache."""


class Shape(NamedTuple):
    """A file's input: its name, its sizes (a name or None if free), and the meaning of each axis."""

    name: str
    sizes: tuple[Size, ...]
    axes: tuple[str, ...]

    def size(self, axis: str) -> int | None:
        """Return the size of an axis; None if it is free."""
        size = self.sizes[self.axes.index(axis)] if axis in self.axes else None
        return size if isinstance(size, int) else None


class Encoder:
    """An ONNX file opened for inference.

    Parameters
    ----------
    model : str
        Path of the file.
    sha256 : str
        Of the file, in hexadecimal.
    output : str or None
        The tensor that is the embedding; None: the only output.

    Raises
    ------
    ParamsError
        If the file is missing or another one, is not ONNX, or has no such tensor.
    """

    def __init__(self, model: str, sha256: str | None, output: str | None) -> None:
        self.model = model
        content = read(model, sha256)
        self._session = _open(model, _add_output(model, content, output))
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ParamsError(
                f"{model}: has {len(inputs)} inputs ({', '.join(i.name for i in inputs)}); an encoder has one, "
                "the audio: make the others constants of the file"
            )
        self.input, self.sizes = inputs[0].name, tuple(inputs[0].shape)
        self.output = output or self._only_output()

    def embed(self, patches: Sequence[np.ndarray], shape: Shape, pooling: Pooling, *, first: int = 0) -> np.ndarray:
        """Run patches.

        Parameters
        ----------
        patches : sequence of np.ndarray [shape=(time, mel) or (samples,)]
        shape : Shape
        pooling : {"mean", "max", "flatten"}
            How axes between the batch and the last are reduced.
        first : int
            Index of the first patch in the track, for messages.

        Returns
        -------
        np.ndarray [shape=(n_patches, d), dtype=float32]

        Raises
        ------
        DataError
            If an embedding is not finite, or too large for half precision.
        """
        n = shape.size("batch") or 1
        rows = [self._run(patches[i : i + n], n, shape, pooling) for i in range(0, len(patches), n)]
        embedding = np.concatenate(rows)
        faults = {"NaN or infinite": ~np.isfinite(embedding), f"over {MAX_FLOAT16}": np.abs(embedding) > MAX_FLOAT16}
        for fault, mask in faults.items():
            if mask.any():
                raise DataError(
                    f"{self.model}: {self.output} of patch {first + int(np.argwhere(mask)[0][0])} is {fault}; "
                    "check that the front end is the one it was trained with, or set another output"
                )
        return embedding

    def _run(self, patches: Sequence[np.ndarray], n: int, shape: Shape, pooling: Pooling) -> np.ndarray:
        """Run a batch of n patches, padded with zeros; return one vector per patch."""
        batch = np.zeros((n, *patches[0].shape), np.float32)
        batch[: len(patches)] = patches
        present: list[str] = [axis for axis in ("batch", "time", "mel", "samples") if axis in {*shape.axes, "batch"}]
        order = [axis for axis in shape.axes if axis != "channel"]
        batch = batch if "batch" in shape.axes else batch[0]
        present = present if "batch" in shape.axes else present[1:]
        batch = batch.transpose([present.index(axis) for axis in order])
        for position, axis in enumerate(shape.axes):
            if axis == "channel":
                batch = np.repeat(np.expand_dims(batch, position), shape.size("channel") or 1, position)
        (raw,) = self._session.run([self.output], {self.input: np.ascontiguousarray(batch)})
        vectors = np.asarray(raw, np.float32)
        vectors = vectors if "batch" in shape.axes else vectors[np.newaxis]
        return _pool(vectors, pooling)[: len(patches)]

    def _only_output(self) -> str:
        outputs = self._session.get_outputs()
        if len(outputs) > 1:
            names = ", ".join(f"{o.name} {_format(o.shape)}" for o in outputs)
            raise ParamsError(f"{self.model}: has {len(outputs)} outputs; set output to the embedding: {names}")
        return str(outputs[0].name)


@lru_cache(maxsize=4)
def load(model: str, sha256: str | None, output: str | None) -> Encoder:
    """Open an encoder once per process; see `Encoder`."""
    return Encoder(model, sha256, output)


def read(model: str, sha256: str | None) -> bytes:
    """Read a file and check its hash.

    Raises
    ------
    ParamsError
        If it does not exist, or is another one.
    """
    if not Path(model).is_file():
        raise ParamsError(f"model: {model}: does not exist; `ostinato import-weights` writes one")
    content = Path(model).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        actual = f"its SHA-256 is {digest}"
        raise ParamsError(
            f"{model}: set sha256 too: {actual}"
            if sha256 is None
            else f"{model}: is not the file of params.yaml: {actual}, sha256 is {sha256}; restore that file, "
            "or set the hash of this one"
        )
    return content


def read_description(model: str) -> dict[str, Any]:
    """Read the key ``encoder`` of a file's metadata; empty if it has none."""
    if not Path(model).is_file():
        return {}
    properties = {prop.key: prop.value for prop in _load_graph(model).metadata_props}
    try:
        description: dict[str, Any] = json.loads(properties.get(KEY, "{}"))
    except ValueError as error:
        raise ParamsError(f"{model}: its metadata {KEY} is not JSON ({error})") from error
    return description


def _load_graph(model: str) -> Any:
    """Load a file without running it.

    Raises
    ------
    ParamsError
        If it is damaged, or does not hold its weights: a hash of the file would not be of them.
    """
    import onnx
    from onnx.external_data_helper import uses_external_data

    try:
        content = onnx.load(model, load_external_data=False)
    except Exception as error:  # a damaged file raises anything
        raise ParamsError(f"{model}: is not a readable ONNX file ({str(error).splitlines()[0]})") from error
    for tensor in content.graph.initializer:
        if uses_external_data(tensor):
            other = next(entry.value for entry in tensor.external_data if entry.key == "location")
            raise ParamsError(
                f"{model}: its weights are in another file, {other}; save both as one: "
                f"onnx.save(onnx.load({Path(model).name!r}), 'one.onnx')"
            )
    return content


def expose(model: str, sha256: str | None, output: str) -> bytes:
    """Return a file with a tensor among its outputs; see `Encoder`."""
    return _add_output(model, read(model, sha256), output)


def match_output(model: str, name: str, width: int | None) -> str | None:
    """Find the tensor of a description that uses the names from before the export to ONNX.

    Parameters
    ----------
    model : str
    name : str
    width : int or None
        Length of its vectors.

    Returns
    -------
    str or None
        The tensor of that name, else the only output of that width, else None.
    """
    graph = _load_graph(model).graph
    if name in {output for node in graph.node for output in node.output}:
        return name
    wide = [v.name for v in graph.output if [d.dim_value for d in v.type.tensor_type.shape.dim][-1:] == [width]]
    return wide[0] if len(wide) == 1 else None


def find_shape(
    encoder: Encoder, axes: Sequence[str] | None, n_mels: int, length: int | None, batch: int | None
) -> Shape:
    """Determine the meaning of each input axis.

    Parameters
    ----------
    encoder : Encoder
    axes : sequence of str, optional
        Names from `AXES`; default: guessed from the sizes.
    n_mels : int
    length : int, optional
        Frames or samples of a patch.
    batch : int, optional
        Batch size, if the file fixes it.

    Returns
    -------
    Shape

    Raises
    ------
    ParamsError
        If the sizes fit no front end, or contradict the parameters.
    """
    sizes = encoder.sizes
    names = tuple(axes) if axes else _guess(sizes, n_mels, length)
    prefix = f"{encoder.model}: its input {encoder.input} has the axes {_format(sizes)}"
    if names is None:
        raise ParamsError(
            f"{prefix}, which fit no front end: none is n_mels ({n_mels}) next to a patch of {length or 'any'} frames, "
            f"and it is not a waveform; set n_mels, patch_length and axes, such as axes: [batch, time, mel]"
        )
    if len(names) != len(sizes) or len(set(names)) < len(names) or set(names) - set(AXES):
        raise ParamsError(f"{prefix}, axes is {_format(names)}; name each of them once, from {', '.join(AXES)}")
    shape = Shape(encoder.input, sizes, names)
    unit = "samples" if "samples" in names else "time"
    if not ({"samples"} <= set(names) or {"time", "mel"} <= set(names)):
        raise ParamsError(f"{prefix}, axes is {_format(names)}; a patch has samples, or time and mel")
    for axis, key, value in (("mel", "n_mels", n_mels), (unit, "patch_length", length), ("batch", "batch", batch)):
        size = shape.size(axis)
        if value is not None and size is not None and size != value:
            raise ParamsError(f"{prefix}: {axis} is fixed at {size}, {key} is {value}; set {key}: {size}")
    return shape


def _guess(sizes: Sequence[Size], n_mels: int, length: int | None) -> tuple[str, ...] | None:
    """Guess the axes from their sizes; None if that is ambiguous."""
    wide = [i for i in range(len(sizes)) if sizes[i] != 1 and not (i == 0 and len(sizes) > 1)]
    if len(sizes) == 1:
        return ("samples",)
    if len(wide) == 1 and sizes[wide[0]] != n_mels:
        parts = {wide[0]: "samples"}
    elif len(wide) == 2:
        mels = [i for i in wide if sizes[i] == n_mels]
        others = [i for i in wide if sizes[i] != n_mels]
        if len(mels) != 1 or (length is not None and isinstance(sizes[others[0]], int) and sizes[others[0]] != length):
            return None
        parts = {mels[0]: "mel", others[0]: "time"}
    else:
        return None
    remaining = [i for i in range(len(sizes)) if i not in parts]
    if len(remaining) > 2:
        return None
    return tuple(parts.get(i, "batch" if i == 0 else "channel") for i in range(len(sizes)))


def _pool(raw: np.ndarray, pooling: Pooling) -> np.ndarray:
    """Pool to one vector per patch; the last axis is the vector's."""
    if pooling == "flatten":
        return raw.reshape(len(raw), -1)
    wide = [i for i in range(1, raw.ndim) if raw.shape[i] > 1]
    raw = raw.reshape(len(raw), *(raw.shape[i] for i in wide)) if wide else raw.reshape(len(raw), 1)
    inner = tuple(range(1, raw.ndim - 1))
    return raw.max(axis=inner) if pooling == "max" else raw.mean(axis=inner, dtype=np.float32) if inner else raw


def _open(model: str, content: bytes) -> Any:
    """Open a file on one thread of the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a damaged file raises anything
        raise ParamsError(f"{model}: is not a runnable ONNX file ({str(error).splitlines()[0]})") from error


def _add_output(model: str, content: bytes, output: str | None) -> bytes:
    """Add a tensor of a graph to its outputs, unless it is one."""
    if output is None:
        return content
    import onnx

    try:
        graph = onnx.load_from_string(content)
    except Exception as error:
        raise ParamsError(f"{model}: is not a readable ONNX file ({str(error).splitlines()[0]})") from error
    if output in {value.name for value in graph.graph.output}:
        return content
    if output not in {name for node in graph.graph.node for name in node.output}:
        raise ParamsError(f"{model}: has no tensor {output!r}; {_list_candidates(graph)}")
    graph.graph.output.append(onnx.ValueInfoProto(name=output))
    return graph.SerializeToString(deterministic=True)


def _list_candidates(graph: Any) -> str:
    """List the tensors that may be an embedding, last first, with their shapes."""
    import onnx

    values = {v.name: v for v in onnx.shape_inference.infer_shapes(graph).graph.value_info}
    values |= {v.name: v for v in graph.graph.output}
    shapes: Mapping[str, list[Size]] = {
        name: [d.dim_value or d.dim_param or None for d in v.type.tensor_type.shape.dim] for name, v in values.items()
    }
    tensors = [name for node in graph.graph.node for name in node.output if name in shapes]
    vectors = [name for name in reversed(tensors) if _width(shapes[name]) > 1]
    names = ", ".join(f"{name} {_format(shapes[name])}" for name in vectors[:MAX_LISTED])
    return f"tensors with one vector per patch are {names}" if names else "and no tensor with one vector per patch"


def _width(sizes: Sequence[Size]) -> int:
    """Return the length of a tensor's vector per patch; 0 if it is not one."""
    inner = sizes[1:]
    if not inner or not all(isinstance(size, int) for size in inner):
        return 0
    return max(inner) if math.prod(inner) == max(inner) else 0  # type: ignore[type-var,arg-type,return-value]


def _format(sizes: Sequence[Size]) -> str:
    return f"({', '.join('?' if size is None else str(size) for size in sizes)})"
