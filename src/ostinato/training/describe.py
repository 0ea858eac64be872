"""Description of an architecture: layers, parameters, cost and receptive field, without computation."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato import features
from ostinato.architectures import count
from ostinato.audio.context import AudioContext
from ostinato.core import registry
from ostinato.core.counts import format_count
from ostinato.core.params.kinds import SAMPLES
from ostinato.errors import OstinatoError
from ostinato.layers.logit_heads import OverLogits
from ostinato.layers.stack import Stack
from ostinato.layers.text import WordReader

PACKAGE = "ostinato.architectures"
REFERENCES = "\n\nReferences\n----------\n"
REFERENCE = re.compile(r"(?<=\.)\n")
"""Separator of references."""
FRAMES = {"mfcc13": 130, "mel40": 80, "mel96": 1360}
CLIP_FRAMES = 643
"""Frames per input in the papers; 29.9 s for all other kinds."""
SHAPES = {"cover": (3, 640, 640), "lyrics": (1, 497_948, 643)}
SAMPLE_RATE = 22050
WORDS = "lyrics"
LONG_FRAMES = 1360


@dataclass(frozen=True)
class Layer:
    """One layer in the forward pass of a clip.

    Parameters
    ----------
    name : str
        Path in the network.
    kind : str
    shape : tuple of int
        Output shape for one clip, without the batch.
    trainable, total : int
        Trainable parameters; those and running statistics.
    multiply_adds : int
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    trainable: int
    total: int
    multiply_adds: int


@dataclass(frozen=True)
class Description:
    """A network for inputs of given shapes.

    Parameters
    ----------
    architecture : str
    inputs : mapping of str to tuple of int
    n_classes : int
    layers : tuple of Layer
        In the order of the forward pass.
    trainable, total : int
        As counted in the papers: the total includes running statistics, and members of a stack.
    multiply_adds : int
        For one clip, of convolutions, matrix products and recurrent layers.
    receptive_field : mapping of str to tuple of int
        Bins and frames of each input that one value of the last map depends on.
    """

    architecture: str
    inputs: Mapping[str, tuple[int, ...]]
    n_classes: int
    layers: tuple[Layer, ...]
    trainable: int
    total: int
    multiply_adds: int
    receptive_field: Mapping[str, tuple[int, int]]

    @property
    def table(self) -> dict[str, Any]:
        """The description as plain values."""
        return asdict(self)

    @property
    def text(self) -> str:
        """The description as text."""
        head = ("layer", "kind", "gives", "trainable", "total", "multiply-adds")
        rows = [
            (x.name, x.kind, _by(x.shape), *_join_numbers(x.trainable, x.total, x.multiply_adds)) for x in self.layers
        ]
        rows.append(("", "", "", *_join_numbers(self.trainable, self.total, self.multiply_adds)))
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        lines = [f"{self.architecture}: {format_count(self.n_classes, 'class')} of " + self._reads]
        for row in (head, *rows):
            cells = [f"{cell:{'<' if i < 3 else '>'}{widths[i]}}" for i, cell in enumerate(row)]
            lines.append("  ".join(cells).rstrip())
        for name, seen in self.receptive_field.items():
            lines.append(f"receptive field in {name}: {seen[0]} bins x {seen[1]} frames")
        return "\n".join(lines)

    @property
    def _reads(self) -> str:
        return ", ".join(f"{name} {_by(shape)}" for name, shape in self.inputs.items())


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _join_numbers(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in numbers)


def describe(
    name: str, inputs: Mapping[str, Any], n_classes: int, options: Mapping[str, Any] | None = None
) -> Description:
    """Describe a network without allocating its parameters.

    Parameters
    ----------
    name : str
        A file of `ostinato.architectures`.
    inputs : mapping of str to (channels, bins, frames)
        In the network's order. For a network over logits with published members
        (`MEMBERS` in its module), their inputs by feature, or the single input of all;
        for other such networks the width of each member.
    n_classes : int
    options : mapping, optional
        Arguments that differ from the network's defaults.

    Returns
    -------
    Description

    Raises
    ------
    OstinatoError
        If there is no such architecture, or it does not accept the inputs or options.
    """
    with torch.device("meta"), torch.no_grad():
        network, shapes = _build(name, inputs, n_classes, options or {})
        layers = tuple(_layers(network.eval(), [_example(network, i, s) for i, s in shapes.items()]))
    n_parameters = count(network)
    return Description(
        name,
        shapes,
        n_classes,
        layers,
        n_parameters["trainable"],
        n_parameters["total"],
        sum(layer.multiply_adds for layer in layers),
        _receptive(network, shapes),
    )


def _build(
    name: str, inputs: Mapping[str, Any], n_classes: int, options: Mapping[str, Any]
) -> tuple[nn.Module, dict[str, tuple[int, ...]]]:
    """Build the network, with its published members if any, and return it with the shape of each input."""
    plugin = registry.load(PACKAGE, name)
    allowed = [p.name for p in inspect.signature(plugin.Network).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if unknown := [key for key in options if key not in allowed]:
        raise OstinatoError(f"{name}: has no {unknown[0]!r}; it has {', '.join(allowed) or 'no keys'}")
    published: Mapping[str, tuple[str, str | None]] | None = getattr(plugin, "MEMBERS", None)
    if published is None or any(isinstance(shape, int) for shape in inputs.values()):
        return plugin.Network(inputs, n_classes, **options), {
            key: tuple(shape) if not isinstance(shape, int) else (shape,) for key, shape in inputs.items()
        }
    shapes, members = {}, {}
    for member, (architecture, feature) in published.items():
        shapes[member] = _read_by(member, feature, inputs)
        members[member] = registry.load(PACKAGE, architecture).Network({member: shapes[member]}, n_classes)
    head = plugin.Network(dict.fromkeys(members, n_classes), n_classes, **options)
    return Stack(members, head, "single"), shapes


def _read_by(member: str, feature: str | None, inputs: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the input shape of a published member."""
    if feature is None and len(inputs) == 1:
        return tuple(next(iter(inputs.values())))
    if feature is None or feature not in inputs:
        expected = "exactly one feature" if feature is None else f"the feature {feature}"
        raise OstinatoError(f"its member {member} reads {expected}; got {', '.join(inputs) or 'none'}")
    return tuple(inputs[feature])


def _example(network: nn.Module, name: str, shape: tuple[int, ...]) -> Tensor:
    """Return an empty clip."""
    reader = network.members[name] if isinstance(network, Stack) else network
    if isinstance(reader, WordReader):
        return torch.empty(1, shape[2], dtype=torch.int64)
    return torch.empty(1, *shape)


def _layers(network: nn.Module, clip: Sequence[Tensor]) -> Iterator[Layer]:
    """Pass a clip through a network and record each layer."""
    layers: list[Layer] = []
    names = {module: name for name, module in network.named_modules()}

    def note(module: nn.Module, given: tuple[Tensor, ...], made: Any) -> None:
        out = made[0] if isinstance(made, tuple) else made
        counted = count(module) if not list(module.children()) else {"trainable": 0, "total": 0}
        shape = tuple(out.shape[1:])
        layers.append(
            Layer(names[module], type(module).__name__, shape, **counted, multiply_adds=_products(module, given, out))
        )

    hooked = [m for m in network.modules() if not list(m.children()) or hasattr(m, "products")]
    with _hooks(hooked, note):
        if isinstance(network, OverLogits):
            clip = [torch.cat(list(clip), -1)]
        network(*clip)
    yield from layers


@contextmanager
def _hooks(modules: Sequence[nn.Module], note: Any) -> Iterator[None]:
    handles = [module.register_forward_hook(note) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _products(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> int:
    """Count the multiplications of a layer."""
    own: Any = getattr(module, "products", None)
    if own is not None:
        return int(own(*inputs[:1]))
    if isinstance(module, nn.Conv2d):
        return out.numel() * prod(module.weight.shape[1:])
    if isinstance(module, nn.Linear):
        return out.numel() * module.in_features
    if isinstance(module, nn.RNNBase):
        steps = prod(inputs[0].shape[:2])
        return steps * sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
    return 0


def _receptive(network: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, int]]:
    """Return the receptive fields; by default a network sees the whole input."""
    result = {}
    for name, shape in shapes.items():
        reader: Any = network.members[name] if isinstance(network, Stack) else network
        if len(shape) == 3:
            receptive_field = getattr(reader, "receptive_field", shape[1:])
            result[name] = receptive_field[name] if isinstance(receptive_field, Mapping) else tuple(receptive_field)
    return result


def shape_of(kind: str, frames: int | None = None) -> tuple[int, int, int] | None:
    """Return the shape of a kind of feature, as in the papers.

    Parameters
    ----------
    kind : str
        A module of `ostinato.features`; its bins are computed from a second of noise.
    frames : int, optional
        For kinds computed from audio; default: as in the papers.

    Returns
    -------
    tuple of (channels, bins, frames) or None
        None for samples, encoders, and kinds other than audio, lyrics and covers.
    """
    plugin = registry.load("ostinato.features", kind)
    if plugin.SOURCE != "audio" or kind == SAMPLES or features.needs_file(kind):
        return SHAPES.get(kind)
    noise = np.random.default_rng(0).normal(size=SAMPLE_RATE).astype(np.float32)
    rows = plugin.compute(AudioContext(noise, SAMPLE_RATE), **features.parameters(kind, {}, SAMPLE_RATE))
    return 1, rows.shape[1], frames or FRAMES.get(kind, CLIP_FRAMES)


def read(name: str, entries: Sequence[str], n_classes: int, frames: int | None) -> dict[str, Any]:
    """Parse the inputs given to a command.

    Parameters
    ----------
    name : str
        Name of the architecture.
    entries : sequence of str
        Kinds of features such as ``"mel"``, also separated by commas; a shape may follow
        after a colon, ``"cover:3x32x32"``, or the width of a member, ``"time_mel:16"``,
        which defaults to the number of classes.
    n_classes : int
    frames : int, optional

    Returns
    -------
    dict
        As for `describe`.

    Raises
    ------
    OstinatoError
        If a kind is unknown or not supported by the network, or a shape is invalid.
    """
    plugin = registry.load(PACKAGE, name)
    over = issubclass(plugin.Network, OverLogits)
    widths: Mapping[str, int] = getattr(plugin, "SCALARS", {})
    kinds = [kind for kind in registry.names("ostinato.features") if kind != SAMPLES and not features.needs_file(kind)]
    inputs: dict[str, Any] = {}
    for text in (part for entry in entries for part in entry.split(",")):
        kind, colon, shape = text.partition(":")
        if colon:
            inputs[kind] = _shape(text, shape, widths=over)
        elif over and not hasattr(plugin, "MEMBERS"):
            inputs[kind] = widths.get(kind, n_classes)
        else:
            shape_of_kind = shape_of(kind, frames) if kind in kinds else None
            if shape_of_kind is None:
                raise OstinatoError(
                    f"there is no feature {kind!r}; there are {', '.join(kinds)}; or give {kind}:1x96x643"
                )
            if issubclass(plugin.Network, WordReader) != (kind == WORDS):
                takes = f"only reads words: give --feature {WORDS}" if kind != WORDS else "does not read words"
                raise OstinatoError(f"{name}: {takes}")
            inputs[kind] = shape_of_kind
    return inputs


def departures(entries: Sequence[str]) -> dict[str, Any]:
    """Parse ``key=value``; values are JSON or plain text.

    Examples
    --------
    >>> departures(["fusion=gated", "dense=50", "pools=[[2, 2]]"])
    {'fusion': 'gated', 'dense': 50, 'pools': [[2, 2]]}
    """
    options = {}
    for text in entries:
        key, equals, value = text.partition("=")
        if not equals:
            raise OstinatoError(f"{text}: write KEY=VALUE, such as fusion=gated")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options


def _shape(text: str, shape: str, *, widths: bool) -> int | tuple[int, ...]:
    try:
        sizes = tuple(int(size) for size in shape.split("x"))
    except ValueError:
        sizes = ()
    if len(sizes) not in ((1, 3) if widths else (3,)) or min(sizes) < 1:
        alternative = ", or a width such as 16" if widths else ""
        raise OstinatoError(f"{text}: a shape is CHANNELSxBINSxFRAMES such as 1x96x643{alternative}")
    return sizes[0] if len(sizes) == 1 else sizes


def list_architectures() -> list[dict[str, Any]]:
    """List the architectures with their papers and supported features.

    Returns
    -------
    list of dict
        name, summary, paper, features: the kinds it supports by default; None if it
        reads other networks' logits.
    """
    kinds = ((kind, shape_of(kind)) for kind in registry.names("ostinato.features"))
    shapes = {kind: shape for kind, shape in kinds if shape is not None}
    return [_describe_one(name, shapes) for name in registry.names(PACKAGE)]


def _describe_one(name: str, shapes: Mapping[str, tuple[int, int, int]]) -> dict[str, Any]:
    plugin = registry.load(PACKAGE, name)
    text, _, references = (plugin.__doc__ or "").partition(REFERENCES)
    over = issubclass(plugin.Network, OverLogits)
    return {
        "name": name,
        "summary": text.partition("\n")[0],
        "paper": "; ".join(r.rstrip(".") for r in REFERENCE.split(references.strip())).replace("\n", " "),
        "features": None if over else [kind for kind, shape in shapes.items() if _accepts(plugin, kind, shape)],
    }


def _accepts(plugin: Any, kind: str, shape: tuple[int, int, int]) -> bool:
    """Return whether a network supports a kind, as one or two inputs of sufficient length."""
    if issubclass(plugin.Network, WordReader) != (kind == WORDS):
        return False
    long = (*shape[:2], max(shape[2], LONG_FRAMES))
    for inputs in ({kind: long}, {kind: long, f"another {kind}": long}):
        try:
            with torch.device("meta"):
                plugin.Network(inputs, 2)
        except OstinatoError:
            continue
        return True
    return False
