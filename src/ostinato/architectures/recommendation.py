"""Recommendation: dense layers over vectors of artists that other networks predict, and over place and year.

Which parts there are follows from the inputs: published were the six of sound alone,
these with lyrics, covers, place or year, and all; any others are taken too. Each
vector is read at length 1, as published. Numbers beside vectors, latitude, longitude
and year, are read as they come: as shares between the lowest and the highest, as
published, where the stage `number` gives them.

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
"""What each part reads, in the published order."""
SOUND = ("chroma", "mfcc", "cqt", "mel")
SCALARS = {"place": 2, "year": 1}


class Place(nn.Module):
    """A dense layer for latitude and one for longitude, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.ModuleList(Dense((1, 128), 0.0) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, 256) of (batch, 2)."""
        return torch.cat([layer(column) for layer, column in zip(self.each, x.split(1, -1), strict=True)], -1)


class Part(nn.Module):
    """One or two inputs made 512 numbers.

    Parameters
    ----------
    widths : mapping of str to int
        Of each input.
    absent : bool
        Whether a track may lack them, and a learned vector stands for the part.
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

    def forward(self, given: list[Tensor]) -> Tensor:
        """Return (batch, 512) of each input's (batch, width); NaN is what a track lacks."""
        lacks = torch.stack([x.isnan().any(-1) for x in given]).any(0)[:, None]
        known = [torch.where(lacks, 0.0, x) for x in given]
        known = [F.normalize(x) for x in known] if self.vectors else known
        read = self.joined(torch.cat([layer(x) for layer, x in zip(self.each, known, strict=True)], -1))
        return torch.where(lacks, torch.nan if self.absent is None else self.absent, read)


class Network(OverLogits):
    """Parts of 512 numbers each, then dense layers with ReLU over all of them.

    Parameters
    ----------
    inputs : mapping of str to int
        Width of each: of chroma, mfcc, cqt_time, cqt_freq, mel_time, mel_freq, lyrics,
        albums, place (2: latitude and longitude) and year (1) those that there are.
    n_classes : int
        Width of the vector it gives.
    hidden : tuple of int
        Of the layers over the parts.
    roles : mapping of str to str, optional
        What an input that has another name is.
    absent : tuple of str
        Parts that a track may lack, of lyrics, albums, place and year: where
        one of its numbers is NaN, a learned vector takes its place.

    Raises
    ------
    OstinatoError
        If an input is no known one, or a part that may be absent is not there.
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
        named = {(roles or {}).get(name, name): width for name, width in inputs.items()}
        used = _list_parts(named)
        for part in absent:
            if part not in used or part in SOUND:
                raise OstinatoError(
                    f"recommendation: absent: {part!r} is none of its optional parts; "
                    f"it has {', '.join(p for p in used if p not in SOUND) or 'none'}"
                )
        self.widths = named
        self.read = {part: [name for name in PARTS[part] if name in named] for part in used}
        self.parts = nn.ModuleDict(
            {part: Part({name: named[name] for name in names}, part in absent) for part, names in self.read.items()}
        )
        self.dense = Dense((WIDTH * len(used), *hidden), 0.0)
        self.head = nn.Linear(hidden[-1], n_classes)
        initialise(self)

    def encode(self, logits: Tensor) -> Tensor:
        """Return the last hidden layer, (batch, width), of all inputs side by side."""
        given = dict(zip(self.widths, logits.split(list(self.widths.values()), -1), strict=True))
        read = [layer([given[name] for name in self.read[part]]) for part, layer in self.parts.items()]
        return self.dense(torch.cat(read, -1))


def _list_parts(named: Mapping[str, int]) -> list[str]:
    """Return which parts there are, in the published order."""
    known = {name for names in PARTS.values() for name in names}
    if unknown := [name for name in named if name not in known]:
        raise OstinatoError(
            f"recommendation: {', '.join(unknown)} is no input; there are {', '.join(sorted(known))}; "
            "say which it is by network: {roles: {name: input}}"
        )
    for name in named.keys() & SCALARS.keys():
        if named[name] != SCALARS[name]:
            raise OstinatoError(f"recommendation: needs {SCALARS[name]} numbers of {name}; it was given {named[name]}")
    return [part for part, names in PARTS.items() if named.keys() & set(names)]


search_space = suggest(lr=(3e-6, 1e-3))
"""Ask for the learning rate, about the published 0.00001, and the tracks a batch; the layers are the paper's."""
