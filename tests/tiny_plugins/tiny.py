"""A network that trains in moments, with all that makes resuming hard: batch statistics and dropout."""

import torch
from torch import nn

from ostinato.errors import OstinatoError


class Network(nn.Module):
    length = "free"
    min_frames = 4

    def __init__(self, inputs, n_classes, *, width=6, dropout=0.2):
        super().__init__()
        ((channels, bins, frames),) = inputs.values()
        if frames < self.min_frames:
            raise OstinatoError(f"tiny: needs at least {self.min_frames} frames, {frames} were given")
        self.conv = nn.Conv2d(channels, width, (bins, 3), bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_classes)

    def embed(self, x):
        return self.dropout(torch.relu(self.norm(self.conv(x))).mean((-2, -1)))

    def forward(self, x):
        return self.head(self.embed(x))


def search_space(trial):
    return {
        "network": {"width": trial.suggest_int("width", 2, 8)},
        "train": {"lr": trial.suggest_float("lr", 1e-3, 1e-1, log=True)},
    }
