"""A network that reads any inputs: maps, ids of words, pictures and numbers."""

import torch
from torch import nn


class Network(nn.Module):
    def __init__(self, inputs, n_classes, *, width=6):
        super().__init__()
        self.length = dict.fromkeys(inputs, "free")
        self.min_frames = dict.fromkeys(inputs, 2)
        self.parts = nn.ModuleDict()
        for name, (channels, bins, frames) in inputs.items():
            words = name == "lyrics"
            self.parts[name] = nn.Embedding(bins, width) if words else nn.Conv2d(channels, width, (bins, 1))
            if not words and (channels > 1 or frames == 1):
                self.length[name] = "fixed"
        self.head = nn.Linear(width * len(inputs), n_classes)

    def embed(self, *inputs):
        seen = []
        for part, x in zip(self.parts.values(), inputs, strict=True):
            words = isinstance(part, nn.Embedding)
            seen.append(part(x).mean(1) if words else torch.relu(part(x)).mean((-2, -1)))
        return torch.cat(seen, 1)

    def forward(self, *inputs):
        return self.head(self.embed(*inputs))


def search_space(trial):
    return {"network": {}, "train": {"lr": trial.suggest_float("lr", 1e-3, 1e-1, log=True)}}
