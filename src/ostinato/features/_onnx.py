"""An encoder's ONNX file: which axes its input has, which tensor is the embedding, and how patches are run.

Patches are run one by one, or by as many as the file insists on: ONNX Runtime rounds a patch otherwise in another
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
"""Of the metadata of a file, where `ostinato import-weights` says what it is."""
LISTED = 12
"""Tensors that a message names at most."""
LARGEST = 65504
"""Of half precision, in which the cache keeps rows."""


class Shape(NamedTuple):
    """What a file's input is: its name, its sizes (a name, or None, where one is free), and what each axis counts."""

    name: str
    sizes: tuple[Size, ...]
    axes: tuple[str, ...]

    def size(self, axis: str) -> int | None:
        """Return the size of an axis that is fixed."""
        size = self.sizes[self.axes.index(axis)] if axis in self.axes else None
        return size if isinstance(size, int) else None


class Encoder:
    """An ONNX file ready to be run.

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
        If the file is absent or another one, is no ONNX, or has no such tensor.
    """

    def __init__(self, model: str, sha256: str | None, output: str | None) -> None:
        self.model = model
        content = read(model, sha256)
        self._session = _open(model, _add_output(model, content, output))
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ParamsError(
                f"{model}: has {len(inputs)} inputs ({', '.join(i.name for i in inputs)}); an encoder has one, "
                "of sound: make the others constants of the file"
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
            What becomes of axes between the batch and the last.
        first : int
            Which patch of the track the first one is, for messages.

        Returns
        -------
        np.ndarray [shape=(n_patches, d), dtype=float32]

        Raises
        ------
        DataError
            If an embedding is not finite, or beyond half precision.
        """
        n = shape.size("batch") or 1
        rows = [self._run(patches[i : i + n], n, shape, pooling) for i in range(0, len(patches), n)]
        embedding = np.concatenate(rows)
        faults = {"NaN or infinite": ~np.isfinite(embedding), f"over {LARGEST}": np.abs(embedding) > LARGEST}
        for fault, wrong in faults.items():
            if wrong.any():
                raise DataError(
                    f"{self.model}: {self.output} of patch {first + int(np.argwhere(wrong)[0][0])} is {fault}; "
                    "see whether the front end is that of its training, or name another output"
                )
        return embedding

    def _run(self, patches: Sequence[np.ndarray], n: int, shape: Shape, pooling: Pooling) -> np.ndarray:
        """Run so many patches at once, zeros standing for those that lack; one vector a patch."""
        batch = np.zeros((n, *patches[0].shape), np.float32)
        batch[: len(patches)] = patches
        present: list[str] = [axis for axis in ("batch", "time", "mel", "samples") if axis in {*shape.axes, "batch"}]
        order = [axis for axis in shape.axes if axis != "channel"]
        batch = batch if "batch" in shape.axes else batch[0]
        present = present if "batch" in shape.axes else present[1:]
        batch = batch.transpose([present.index(axis) for axis in order])
        for place, axis in enumerate(shape.axes):
            if axis == "channel":
                batch = np.repeat(np.expand_dims(batch, place), shape.size("channel") or 1, place)
        (raw,) = self._session.run([self.output], {self.input: np.ascontiguousarray(batch)})
        vectors = np.asarray(raw, np.float32)
        vectors = vectors if "batch" in shape.axes else vectors[np.newaxis]
        return _pool(vectors, pooling)[: len(patches)]

    def _only_output(self) -> str:
        outputs = self._session.get_outputs()
        if len(outputs) > 1:
            names = ", ".join(f"{o.name} {_format(o.shape)}" for o in outputs)
            raise ParamsError(
                f"{self.model}: has {len(outputs)} outputs; say which is the embedding by output: {names}"
            )
        return str(outputs[0].name)


@lru_cache(maxsize=4)
def load(model: str, sha256: str | None, output: str | None) -> Encoder:
    """Open an encoder once a process; see `Encoder`."""
    return Encoder(model, sha256, output)


def read(model: str, sha256: str | None) -> bytes:
    """Read a file and see whether it is the one that was meant.

    Raises
    ------
    ParamsError
        If it is not there, or is another one.
    """
    if not Path(model).is_file():
        raise ParamsError(f"model: {model}: is not there; `ostinato import-weights` writes one")
    content = Path(model).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        means = f"its SHA-256 is {digest}"
        raise ParamsError(
            f"{model}: needs sha256 beside it: {means}"
            if sha256 is None
            else f"{model}: is not the file that was meant: {means}, sha256 says {sha256}; put that file back, "
            "or write the hash of this one"
        )
    return content


def read_description(model: str) -> dict[str, Any]:
    """Read what a file says of itself under the key ``encoder`` of its metadata; nothing if it has none."""
    import onnx

    if not Path(model).is_file():
        return {}
    try:
        properties = {prop.key: prop.value for prop in onnx.load(model, load_external_data=False).metadata_props}
        description: dict[str, Any] = json.loads(properties.get(KEY, "{}"))
    except Exception as error:  # whatever the library makes of a damaged file, it is the file
        raise ParamsError(f"{model}: is no ONNX file that can be read ({str(error).splitlines()[0]})") from error
    return description


def expose(model: str, sha256: str | None, output: str) -> bytes:
    """Return a file among whose outputs a tensor is; see `Encoder`."""
    return _add_output(model, read(model, sha256), output)


def match_output(model: str, name: str, width: int | None) -> str | None:
    """Find the tensor that a description calls by the name it had before it became ONNX.

    Parameters
    ----------
    model : str
    name : str
    width : int or None
        Of its vectors.

    Returns
    -------
    str or None
        The tensor of that name, else the only output of that width; None if there is none such.
    """
    import onnx

    try:
        graph = onnx.load(model, load_external_data=False).graph
    except Exception as error:
        raise ParamsError(f"{model}: is no ONNX file that can be read ({str(error).splitlines()[0]})") from error
    if name in {output for node in graph.node for output in node.output}:
        return name
    wide = [v.name for v in graph.output if [d.dim_value for d in v.type.tensor_type.shape.dim][-1:] == [width]]
    return wide[0] if len(wide) == 1 else None


def find_shape(
    encoder: Encoder, axes: Sequence[str] | None, n_mels: int, length: int | None, batch: int | None
) -> Shape:
    """Find out what each axis of the input counts.

    Parameters
    ----------
    encoder : Encoder
    axes : sequence of str, optional
        Names out of `AXES`; default: taken from the sizes.
    n_mels : int
    length : int, optional
        Frames or samples of a patch.
    batch : int, optional
        Patches that the file takes at once, if that is fixed.

    Returns
    -------
    Shape

    Raises
    ------
    ParamsError
        If the sizes fit no front end, or contradict what is said of them.
    """
    sizes = encoder.sizes
    names = tuple(axes) if axes else _guess(sizes, n_mels, length)
    has = f"{encoder.model}: its input {encoder.input} has the axes {_format(sizes)}"
    if names is None:
        raise ParamsError(
            f"{has}, which fit no front end: none is n_mels ({n_mels}) beside a patch of {length or 'any'} frames, and "
            f"it is no waveform; describe them by n_mels, patch_length and axes, such as axes: [batch, time, mel]"
        )
    if len(names) != len(sizes) or len(set(names)) < len(names) or set(names) - set(AXES):
        raise ParamsError(f"{has}, axes says {_format(names)}; name each of them once, out of {', '.join(AXES)}")
    shape = Shape(encoder.input, sizes, names)
    unit = "samples" if "samples" in names else "time"
    if not ({"samples"} <= set(names) or {"time", "mel"} <= set(names)):
        raise ParamsError(f"{has}, axes says {_format(names)}; a patch has samples, or time and mel")
    for axis, key, wanted in (("mel", "n_mels", n_mels), (unit, "patch_length", length), ("batch", "batch", batch)):
        size = shape.size(axis)
        if wanted is not None and size is not None and size != wanted:
            raise ParamsError(f"{has}: {axis} is fixed at {size}, {key} says {wanted}; set {key}: {size}")
    return shape


def _guess(sizes: Sequence[Size], n_mels: int, length: int | None) -> tuple[str, ...] | None:
    """Name axes by their sizes; None if that is not clear."""
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
    rest = [i for i in range(len(sizes)) if i not in parts]
    if len(rest) > 2:
        return None
    return tuple(parts.get(i, "batch" if i == 0 else "channel") for i in range(len(sizes)))


def _pool(raw: np.ndarray, pooling: Pooling) -> np.ndarray:
    """Make one vector a patch; the last axis is the vector's."""
    if pooling == "flatten":
        return raw.reshape(len(raw), -1)
    wide = [i for i in range(1, raw.ndim) if raw.shape[i] > 1]
    raw = raw.reshape(len(raw), *(raw.shape[i] for i in wide)) if wide else raw.reshape(len(raw), 1)
    between = tuple(range(1, raw.ndim - 1))
    return raw.max(axis=between) if pooling == "max" else raw.mean(axis=between, dtype=np.float32) if between else raw


def _open(model: str, content: bytes) -> Any:
    """Open a file on one thread of the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever the library makes of a damaged file, it is the file
        raise ParamsError(f"{model}: is no ONNX file that can be run ({str(error).splitlines()[0]})") from error


def _add_output(model: str, content: bytes, output: str | None) -> bytes:
    """Make a tensor inside a graph one of its outputs; the file as it is if it is one."""
    if output is None:
        return content
    import onnx

    try:
        graph = onnx.load_from_string(content)
    except Exception as error:
        raise ParamsError(f"{model}: is no ONNX file that can be read ({str(error).splitlines()[0]})") from error
    if output in {value.name for value in graph.graph.output}:
        return content
    if output not in {name for node in graph.graph.node for name in node.output}:
        raise ParamsError(f"{model}: has no tensor {output!r}; {_list_candidates(graph)}")
    graph.graph.output.append(onnx.ValueInfoProto(name=output))
    return graph.SerializeToString(deterministic=True)


def _list_candidates(graph: Any) -> str:
    """Name the tensors that may be an embedding, those nearest to the end first, with their shapes."""
    import onnx

    values = {v.name: v for v in onnx.shape_inference.infer_shapes(graph).graph.value_info}
    values |= {v.name: v for v in graph.graph.output}
    shapes: Mapping[str, list[Size]] = {
        name: [d.dim_value or d.dim_param or None for d in v.type.tensor_type.shape.dim] for name, v in values.items()
    }
    tensors = [name for node in graph.graph.node for name in node.output if name in shapes]
    vectors = [name for name in reversed(tensors) if _width(shapes[name]) > 1]
    names = ", ".join(f"{name} {_format(shapes[name])}" for name in vectors[:LISTED])
    return f"vectors of a patch are {names}" if names else "and no tensor of one vector a patch"


def _width(sizes: Sequence[Size]) -> int:
    """Return how long a tensor's vector of a patch is; 0 if it is not one."""
    rest = sizes[1:]
    if not rest or not all(isinstance(size, int) for size in rest):
        return 0
    return max(rest) if math.prod(rest) == max(rest) else 0  # type: ignore[type-var,arg-type,return-value]


def _format(sizes: Sequence[Size]) -> str:
    return f"({', '.join('?' if size is None else str(size) for size in sizes)})"
