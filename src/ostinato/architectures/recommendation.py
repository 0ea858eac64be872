"""Recommendation: dense layers over artist vectors from other networks, and over coordinates and year.

The inputs determine the parts: published are the six of audio, these with lyrics,
covers, place or year, and all; other sets are accepted too. Each vector is scaled to
length 1, as published. Latitude, longitude and year are not scaled here; the stage
`number` scales them between the lowest and the highest, as published.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019, figure 17.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.errors import OstinatoError
from ostinato.layers.init import initialise
from ostinato.layers.logit_heads import Dense, OverLogits
from ostinato.layers.search_space import suggest

WIDTH = 512
PARTS: Mapping[str, tuple[str, ...]] = {
    "chroma": ("chroma",),
    "mfcc": ("mfcc",),
    "cqt": ("cqt_time", "cqt_freq"),
    "mel": ("mel_time", "mel_freq"),
    "lyrics": ("lyrics",),
    "albums": ("albums",),
    "place": ("place",),
    "year": ("year",),
}
"""Inputs of each part, in the published order."""
SOUND = ("chroma", "mfcc", "cqt", "mel")
SCALARS = {"place": 2, "year": 1}


class Place(nn.Module):
    """A dense layer for latitude and one for longitude, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.ModuleList(Dense((1, 128), 0.0) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, 256) from (batch, 2)."""
        return torch.cat([layer(column) for layer, column in zip(self.each, x.split(1, -1), strict=True)], -1)


class Part(nn.Module):
    """A vector of 512 elements from one or two inputs.

    Parameters
    ----------
    widths : mapping of str to int
        Of each input.
    absent : bool
        Whether a learned vector replaces the part if a track lacks its inputs.
    """

    def __init__(self, widths: Mapping[str, int], absent: bool) -> None:
        super().__init__()
        self.vectors = not widths.keys() & SCALARS.keys()
        if "place" in widths:
            self.each, joined = nn.ModuleList([Place()]), Dense((256, WIDTH), 0.0)
        elif "year" in widths:
            self.each, joined = nn.ModuleList([Dense((1, WIDTH), 0.0)]), Dense((WIDTH,), 0.0)
        else:
            self.each = nn.ModuleList(Dense((width, 1024), 0.0) for width in widths.values())
            joined = Dense((1024, WIDTH) if len(widths) == 1 else (2048, 2048, 1024, WIDTH), 0.0)
        self.joined = joined
        self.absent = nn.Parameter(torch.zeros(WIDTH)) if absent else None

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """Return (batch, 512) from each input's (batch, width); NaN is missing."""
        is_missing = torch.stack([x.isnan().any(-1) for x in inputs]).any(0)[:, None]
        filled = [torch.where(is_missing, 0.0, x) for x in inputs]
        filled = [F.normalize(x) for x in filled] if self.vectors else filled
        output = self.joined(torch.cat([layer(x) for layer, x in zip(self.each, filled, strict=True)], -1))
        return torch.where(is_missing, torch.nan if self.absent is None else self.absent, output)


class Network(OverLogits):
    """Parts of 512 elements each, then dense layers with ReLU over all of them.

    Parameters
    ----------
    inputs : mapping of str to int
        Width of each, out of chroma, mfcc, cqt_time, cqt_freq, mel_time, mel_freq, lyrics,
        albums, place (2: latitude and longitude) and year (1).
    n_classes : int
        Width of the output.
    hidden : tuple of int
        Of the layers over the parts.
    roles : mapping of str to str, optional
        Roles of inputs with other names.
    absent : tuple of str
        Parts that a track may lack, out of lyrics, albums, place and year: if one of
        its elements is NaN, a learned vector replaces it.

    Raises
    ------
    OstinatoError
        If an input is unknown, or an optional part has no input.
    """

    def __init__(
        self,
        inputs: Mapping[str, int],
        n_classes: int,
        *,
        hidden: tuple[int, ...] = (4096, 2048, 1024),
        roles: Mapping[str, str] | None = None,
        absent: tuple[str, ...] = (),
    ) -> None:
        super().__init__("recommendation", inputs)
        widths = {(roles or {}).get(name, name): width for name, width in inputs.items()}
        parts = _list_parts(widths)
        for part in absent:
            if part not in parts or part in SOUND:
                raise OstinatoError(
                    f"recommendation: absent: {part!r} is not one of its optional parts; "
                    f"it has {', '.join(p for p in parts if p not in SOUND) or 'none'}"
                )
        self.widths = widths
        self.read = {part: [name for name in PARTS[part] if name in widths] for part in parts}
        self.parts = nn.ModuleDict(
            {part: Part({name: widths[name] for name in names}, part in absent) for part, names in self.read.items()}
        )
        self.dense = Dense((WIDTH * len(parts), *hidden), 0.0)
        self.head = nn.Linear(hidden[-1], n_classes)
        initialise(self)

    def encode(self, logits: Tensor) -> Tensor:
        """Return the last hidden layer, (batch, width), from all inputs concatenated."""
        tensors = dict(zip(self.widths, logits.split(list(self.widths.values()), -1), strict=True))
        vectors = [layer([tensors[name] for name in self.read[part]]) for part, layer in self.parts.items()]
        return self.dense(torch.cat(vectors, -1))


def _list_parts(widths: Mapping[str, int]) -> list[str]:
    """List the parts in the published order."""
    known = {name for names in PARTS.values() for name in names}
    if unknown := [name for name in widths if name not in known]:
        raise OstinatoError(
            f"recommendation: {', '.join(unknown)} is not an input; there are {', '.join(sorted(known))}; "
            "set its role by network: {roles: {name: input}}"
        )
    for name in widths.keys() & SCALARS.keys():
        if widths[name] != SCALARS[name]:
            raise OstinatoError(f"recommendation: needs {SCALARS[name]} numbers of {name}, got {widths[name]}")
    return [part for part, names in PARTS.items() if widths.keys() & set(names)]


search_space = suggest(lr=(3e-6, 1e-3))
"""Learning rate, around the published 0.00001, and batch size; the layers are the paper's."""
