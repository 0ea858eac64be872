"""PyTorch networks as ONNX files, and their comparison with the originals."""

import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.export import graphs
from ostinato.export.graphs import KEY, OUTPUTS, Arrays, Shape, largest_difference
from ostinato.layers.stack import Stack

BATCHES = (2, 5)
EXTRA_FRAMES = 10
MIN_FRAMES = 7
MAX_FRAMES = 2**20
NAME_SUFFIX = "_of_the_network"


@dataclass(frozen=True)
class Reading:
    """An input of a network.

    Parameters
    ----------
    shape : tuple of int
        Channels, bins and frames of a chunk; for words: 1, number of ids, and tokens.
    free : bool
        Whether the number of frames is free.
    min_frames : int
    chunk : int
        Frames per chunk, if the network splits its input itself.
    words : bool
        Whether the input is word ids, (batch, tokens).
    """

    shape: Shape
    free: bool
    min_frames: int
    chunk: int = 1
    words: bool = False

    @property
    def axis(self) -> int:
        """Axis of the frames in a batch."""
        return 1 if self.words else 3

    def sizes(self, batch: int, frames: int) -> tuple[int, ...]:
        """Return the shape of a batch."""
        return (batch, frames) if self.words else (batch, *self.shape[:2], frames)

    @property
    def lengths(self) -> tuple[int, int]:
        """Two numbers of frames to test, the first short and odd; equal if the length is fixed."""
        if not self.free:
            return self.shape[2], self.shape[2]
        short = max(self.min_frames, MIN_FRAMES, 2 * self.chunk)
        short += 1 - short % 2
        return short, short + max(EXTRA_FRAMES, self.chunk) + 1


class _Both(nn.Module):
    """A network that returns logits and embedding."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.head: Any = network.network.head if isinstance(network, Stack) else network.head

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.network.embed(*inputs)  # type: ignore[operator]
        space = getattr(self.network, "space_width", None)
        return self.head(embedding), embedding if space is None else embedding[:, :space]


def readings(network: nn.Module, inputs: Mapping[str, Shape], words: Collection[str] = ()) -> dict[str, Reading]:
    """Describe the inputs of a network.

    Parameters
    ----------
    network : nn.Module
        Its ``length`` and ``min_frames`` may be mappings if it has several inputs.
    inputs : mapping of str to (channels, bins, frames)
        For a `Stack`, by member.
    words : collection of str
        Inputs that are word ids.

    Returns
    -------
    dict of str to Reading
    """
    readers: dict[str, Any] = dict.fromkeys(inputs, network)
    if isinstance(network, Stack):
        readers = dict(network.members.items())
    result = {}
    for (name, shape), reader in zip(inputs.items(), readers.values(), strict=True):
        length, min_frames = (_of(value, name) for value in (reader.length, reader.min_frames))
        result[name] = Reading(shape, length == "free", min_frames, getattr(reader, "chunk", 1), name in words)
    return result


def convert(
    network: nn.Module, inputs: Mapping[str, Shape], *, opset: int, words: Collection[str] = ()
) -> onnx.ModelProto:
    """Convert a network to ONNX; the number of chunks is free, and that of frames if the network allows it.

    Parameters
    ----------
    network : nn.Module
        With ``embed``, ``head``, ``length`` and ``min_frames``, or a `Stack`, whose
        inputs are each member's chunks of one track.
    inputs : mapping of str to (channels, bins, frames)
        In the network's order.
    opset : int
    words : collection of str
        Inputs that are word ids.

    Returns
    -------
    onnx.ModelProto
        With the lowest IR version for the opset.

    Raises
    ------
    OstinatoError
        If torch cannot write that opset; it supports 18 and later.
    """
    specs = readings(network, inputs, words)
    batches = {name: f"{name}_chunks" if isinstance(network, Stack) else "batch" for name in inputs}
    axes = {name: torch.export.Dim(axis, min=1) for name, axis in batches.items()}
    if not isinstance(network, Stack):
        axes = dict.fromkeys(inputs, next(iter(axes.values())))
    shapes: list[dict[int, Any]] = []
    for name, spec in specs.items():
        frames = torch.export.Dim(f"{name}_frames", min=spec.min_frames, max=MAX_FRAMES)
        shapes.append({0: axes[name], spec.axis: frames} if spec.free else {0: axes[name]})
    examples = tuple(torch.from_numpy(x) for x in sample(specs, BATCHES[0] + 1, 0).values())
    with _quiet():
        program = torch.onnx.export(
            _Both(network).eval(),
            examples,
            dynamo=True,
            dynamic_shapes=(tuple(shapes),),
            input_names=list(inputs),
            output_names=[f"{name}{NAME_SUFFIX}" for name in OUTPUTS],
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise OstinatoError("torch.onnx.export returned nothing; report this with the version of torch")
    model = graphs.set_versions(program.model_proto, opset)
    _name_outputs(model)
    _strip(model)
    return model


def sample(specs: Mapping[str, Reading], batch: int, index: int) -> dict[str, np.ndarray]:
    """Draw random standardised inputs.

    Parameters
    ----------
    specs : mapping of str to Reading
    batch : int
        Number of chunks of each input.
    index : {0, 1}
        Of the two lengths.

    Returns
    -------
    dict of str to np.ndarray [shape=(batch, channels, bins, frames), dtype=float32]
        Word ids are (batch, tokens), int64.
    """
    rng = np.random.default_rng((batch, index))

    def draw(spec: Reading) -> np.ndarray:
        sizes = spec.sizes(batch, spec.lengths[index])
        return rng.integers(0, spec.shape[1], sizes) if spec.words else rng.standard_normal(sizes, np.float32)

    return {name: draw(spec) for name, spec in specs.items()}


def parity(content: bytes, network: nn.Module, inputs: Mapping[str, Shape], words: Collection[str] = ()) -> float:
    """Compare an ONNX file with the network, at two batch sizes and, if free, two lengths.

    Parameters
    ----------
    content : bytes
    network : nn.Module
    inputs : mapping of str to (channels, bins, frames)
    words : collection of str
        Inputs that are word ids.

    Returns
    -------
    float
        The largest difference of a logit or an element of the embedding, relative to
        the largest such value if that is above 1; infinite if one is NaN.
    """
    specs, both = readings(network, inputs, words), _Both(network).eval()

    def original(arrays: Arrays) -> list[np.ndarray]:
        with torch.inference_mode():
            return [y.numpy() for y in both(*(torch.from_numpy(x) for x in arrays.values()))]

    trials = [sample(specs, batch, index) for batch in (1, *BATCHES) for index in (0, 1)]
    return largest_difference(content, original, trials)


def _of(value: Any, name: str) -> Any:
    """Return an input's own value if a network has one per input."""
    return value[name] if isinstance(value, Mapping) else value


def _name_outputs(model: onnx.ModelProto) -> None:
    """Rename the outputs, and any other values that have their names."""
    graph = model.graph
    names = {f"{name}{NAME_SUFFIX}": name for name in OUTPUTS} | {name: f"{name}{NAME_SUFFIX}" for name in OUTPUTS}
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(end, end) for end in ends]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)


def _strip(model: onnx.ModelProto) -> None:
    """Remove traces of the machine, the code's path and the exporter's version from a graph."""
    model.doc_string, model.producer_name, model.producer_version = "", KEY, ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name, graph.doc_string = "network", ""
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's messages except errors."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript.version_converter")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
