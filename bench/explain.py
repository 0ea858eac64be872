"""Measure how similar attribution maps of a network are under changed weights, to place the limit of the sanity check.

``python -m bench.explain PROJECT NAME...`` takes trained networks of a finished
project, one test clip of each genre and the class that the network predicts. It prints
the rank correlation (minimum, median and maximum over clips) of the network's map with
that of

* the same network with noise on its weights, 1 % and 10 % of each array's deviation,
* the same network with all weights drawn at random, as `ostinato explain` does.

A limit is sound if random weights stay below it and noisy weights above.
"""

import argparse
import copy
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from ostinato.cache.store import Store
from ostinato.core.paths import Paths
from ostinato.explain.attribution import class_logit, integrated_gradients, shuffle_weights, similarity
from ostinato.inference.inputs import FittedInput
from ostinato.training import artefact as artefacts

NOISE = (0.01, 0.1)
DRAWS = 2


def add_noise(network: nn.Module, share: float) -> nn.Module:
    """Return a copy of a network with noise on its weights, a share of each array's standard deviation."""
    noisy, generator = copy.deepcopy(network), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in (w for w in noisy.parameters() if w.numel() > 1):
            weights.add_(share * weights.std() * torch.randn(weights.shape, generator=generator))
    return noisy


def compute_similarities(paths: Paths, name: str, clips: list[str], steps: int) -> dict[str, list[float]]:
    """Compare the map of each clip with the maps under changed weights."""
    folder = paths.checkpoints(name)
    artefact = artefacts.load(folder)
    fitted = artefact.statistics.get("final", {})
    network = artefacts.network(folder, artefact)
    others = {f"{share:.0%} noise": add_noise(network, share) for share in NOISE}
    others |= {f"random weights {seed}": shuffle_weights(network, seed) for seed in range(DRAWS)}
    similarities: dict[str, list[float]] = {other: [] for other in others}
    for clip in clips:
        feeds = []
        for kind, spec in artefact.inputs.items():
            fitted_input = FittedInput.from_dict(asdict(spec) | fitted.get(kind, {}))
            feeds.append(fitted_input.batch(np.asarray(Store(paths.feature(kind)).read(clip), np.float32)))
        floors = [np.full_like(x, x.min()) for x in feeds]
        with torch.no_grad():
            position = int(network(*map(torch.from_numpy, feeds)).mean(0).argmax())
        own = integrated_gradients(class_logit(network, position), feeds, floors, steps)
        for other, variant in others.items():
            attributions = integrated_gradients(class_logit(variant, position), feeds, floors, steps)
            similarities[other].append(similarity(own, attributions, feeds, floors))
    return similarities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--steps", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(1)
    paths = Paths(args.project)
    tracks = pd.read_parquet(paths.tracks, columns=["track_id", "genre"])
    splits = pd.read_parquet(paths.splits)
    test_tracks = tracks[tracks["track_id"].isin(splits.loc[splits["split"] == "test", "track_id"])]
    clips = test_tracks.sort_values("track_id").drop_duplicates("genre")["track_id"].tolist()
    print(f"{len(clips)} clips, {args.steps} steps")
    for name in args.names:
        for other, values in compute_similarities(paths, name, clips, args.steps).items():
            low, middle, high = np.quantile(values, [0, 0.5, 1])
            print(f"{name}, {other}: {low:.2f}, {middle:.2f}, {high:.2f}", flush=True)


if __name__ == "__main__":
    main()
