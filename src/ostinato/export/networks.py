"""Networks of torch as ONNX files, and whether they still agree."""

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
LONGER = 10
SHORTEST = 7
LONGEST = 2**20
LAST = "_of_the_network"


@dataclass(frozen=True)
class Reading:
    """How a network reads one of its inputs.

    Parameters
    ----------
    shape : tuple of int
        Channels, bins and frames of a chunk; of words: 1, the number of ids, and tokens.
    free : bool
        Whether other numbers of frames are taken.
    min_frames : int
    chunk : int
        Frames that the network reads at once, where it parts them itself.
    words : bool
        Whether it is ids of words, (batch, tokens).
    """

    shape: Shape
    free: bool
    min_frames: int
    chunk: int = 1
    words: bool = False

    @property
    def axis(self) -> int:
        """Which axis of a batch the frames lie along."""
        return 1 if self.words else 3

    def sizes(self, batch: int, frames: int) -> tuple[int, ...]:
        """Return the shape of a batch."""
        return (batch, frames) if self.words else (batch, *self.shape[:2], frames)

    @property
    def lengths(self) -> tuple[int, int]:
        """Two numbers of frames to try, the first short and odd; equal if the length is fixed."""
        if not self.free:
            return self.shape[2], self.shape[2]
        short = max(self.min_frames, SHORTEST, 2 * self.chunk)
        short += 1 - short % 2
        return short, short + max(LONGER, self.chunk) + 1


class _Both(nn.Module):
    """A network that gives logits and embedding at once."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.head: Any = network.network.head if isinstance(network, Stack) else network.head

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.network.embed(*inputs)  # type: ignore[operator]
        space = getattr(self.network, "space_width", None)
        return self.head(embedding), embedding if space is None else embedding[:, :space]


def readings(network: nn.Module, inputs: Mapping[str, Shape], words: Collection[str] = ()) -> dict[str, Reading]:
    """Return how a network reads its inputs.

    Parameters
    ----------
    network : nn.Module
        Its ``length`` and ``min_frames`` may be mappings where it reads several inputs.
    inputs : mapping of str to (channels, bins, frames)
        Of a `Stack` by member.
    words : collection of str
        The inputs that are ids of words.

    Returns
    -------
    dict of str to Reading
    """
    readers: dict[str, Any] = dict.fromkeys(inputs, network)
    if isinstance(network, Stack):
        readers = dict(network.members.items())
    found = {}
    for (name, shape), reader in zip(inputs.items(), readers.values(), strict=True):
        length, least = (_of(value, name) for value in (reader.length, reader.min_frames))
        found[name] = Reading(shape, length == "free", least, getattr(reader, "chunk", 1), name in words)
    return found


def convert(
    network: nn.Module, inputs: Mapping[str, Shape], *, opset: int, words: Collection[str] = ()
) -> onnx.ModelProto:
    """Convert a network to ONNX; numbers of chunks stay free, and of frames where the network takes any.

    Parameters
    ----------
    network : nn.Module
        With ``embed``, ``head``, ``length`` and ``min_frames``, or a `Stack`, whose
        inputs are each member's chunks of one track.
    inputs : mapping of str to (channels, bins, frames)
        In the order the network takes them.
    opset : int
    words : collection of str
        The inputs that are ids of words.

    Returns
    -------
    onnx.ModelProto
        With the least IR version that the opset needs.

    Raises
    ------
    OstinatoError
        If the file cannot be written in that opset: torch writes 18 and later ones.
    """
    read = readings(network, inputs, words)
    batches = {name: f"{name}_chunks" if isinstance(network, Stack) else "batch" for name in inputs}
    axes = {name: torch.export.Dim(axis, min=1) for name, axis in batches.items()}
    if not isinstance(network, Stack):
        axes = dict.fromkeys(inputs, next(iter(axes.values())))
    shapes: list[dict[int, Any]] = []
    for name, reading in read.items():
        frames = torch.export.Dim(f"{name}_frames", min=reading.min_frames, max=LONGEST)
        shapes.append({0: axes[name], reading.axis: frames} if reading.free else {0: axes[name]})
    examples = tuple(torch.from_numpy(x) for x in sample(read, BATCHES[0] + 1, 0).values())
    with _quiet():
        program = torch.onnx.export(
            _Both(network).eval(),
            examples,
            dynamo=True,
            dynamic_shapes=(tuple(shapes),),
            input_names=list(inputs),
            output_names=[f"{name}{LAST}" for name in OUTPUTS],
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise OstinatoError("the exporter of torch gave nothing; report this with the version of torch")
    model = graphs.set_versions(program.model_proto, opset)
    _name_outputs(model)
    _strip(model)
    return model


def sample(read: Mapping[str, Reading], batch: int, which: int) -> dict[str, np.ndarray]:
    """Draw inputs, as if standardised.

    Parameters
    ----------
    read : mapping of str to Reading
    batch : int
        Chunks of each input.
    which : {0, 1}
        Which of a reading's two lengths.

    Returns
    -------
    dict of str to np.ndarray [shape=(batch, channels, bins, frames), dtype=float32]
        Ids of words are (batch, tokens), int64.
    """
    rng = np.random.default_rng((batch, which))

    def draw(reading: Reading) -> np.ndarray:
        sizes = reading.sizes(batch, reading.lengths[which])
        return rng.integers(0, reading.shape[1], sizes) if reading.words else rng.standard_normal(sizes, np.float32)

    return {name: draw(reading) for name, reading in read.items()}


def parity(content: bytes, network: nn.Module, inputs: Mapping[str, Shape], words: Collection[str] = ()) -> float:
    """Compare an ONNX file with the network, at two batches and, where they are free, two lengths.

    Parameters
    ----------
    content : bytes
    network : nn.Module
    inputs : mapping of str to (channels, bins, frames)
    words : collection of str
        The inputs that are ids of words.

    Returns
    -------
    float
        The largest difference of a logit or a number of the embedding, as a share
        of the largest such number where that is over 1; infinite if one is NaN.
    """
    read, both = readings(network, inputs, words), _Both(network).eval()

    def original(arrays: Arrays) -> list[np.ndarray]:
        with torch.inference_mode():
            return [y.numpy() for y in both(*(torch.from_numpy(x) for x in arrays.values()))]

    trials = [sample(read, batch, which) for batch in (1, *BATCHES) for which in (0, 1)]
    return largest_difference(content, original, trials)


def _of(value: Any, name: str) -> Any:
    """Take an input's own value where a network gives several."""
    return value[name] if isinstance(value, Mapping) else value


def _name_outputs(model: onnx.ModelProto) -> None:
    """Call the outputs as they shall be called, and what the exporter called so something else."""
    graph = model.graph
    names = {f"{name}{LAST}": name for name in OUTPUTS} | {name: f"{name}{LAST}" for name in OUTPUTS}
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(end, end) for end in ends]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)


def _strip(model: onnx.ModelProto) -> None:
    """Take out of a graph what tells of the machine, the code's place and the exporter's version."""
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
    """Silence what the exporter says of itself; errors still pass."""
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
