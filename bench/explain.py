"""How alike maps of the same and of other networks are, to place the limit of the sanity check.

``python -m bench.explain PROJECT NAME...`` takes trained networks of a finished
project, one test clip of each genre, the class that the network names, and prints
the rank correlation (the least, the median, the greatest over clips) of the map of
the network with that of

* the same with noise on its weights, 1 % and 10 % of each array's deviation,
* the same with all weights drawn anew, which is what `ostinato explain` compares with.

A limit is sound if weights drawn anew stay below it and the same network stays above.
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


def disturbed(network: nn.Module, share: float) -> nn.Module:
    """Add noise to the weights, a share of each array's deviation."""
    made, generator = copy.deepcopy(network), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in (w for w in made.parameters() if w.numel() > 1):
            weights += share * weights.std() * torch.randn(weights.shape, generator=generator)
    return made


def similarityes(paths: Paths, name: str, clips: list[str], steps: int) -> dict[str, list[float]]:
    """Compare the map of each clip with those of other weights."""
    folder = paths.checkpoints(name)
    artefact = artefacts.load(folder)
    fitted = artefact.statistics.get("final", {})
    network = artefacts.network(folder, artefact)
    others = {f"{share:.0%} noise": disturbed(network, share) for share in NOISE}
    others |= {f"drawn anew {seed}": shuffle_weights(network, seed) for seed in range(DRAWS)}
    found: dict[str, list[float]] = {other: [] for other in others}
    for clip in clips:
        feeds = []
        for kind, given in artefact.inputs.items():
            described = FittedInput.from_dict(asdict(given) | fitted.get(kind, {}))
            feeds.append(described.batch(np.asarray(Store(paths.feature(kind)).read(clip), np.float32)))
        floors = [np.full_like(x, x.min()) for x in feeds]
        with torch.no_grad():
            position = int(network(*map(torch.from_numpy, feeds)).mean(0).argmax())
        own = integrated_gradients(class_logit(network, position), feeds, floors, steps)
        for other, made in others.items():
            parts = integrated_gradients(class_logit(made, position), feeds, floors, steps)
            found[other].append(similarity(own, parts, feeds, floors))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--steps", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    paths = Paths(given.project)
    tracks = pd.read_parquet(paths.tracks, columns=["track_id", "genre"])
    splits = pd.read_parquet(paths.splits)
    tested = tracks[tracks["track_id"].isin(splits.loc[splits["split"] == "test", "track_id"])]
    clips = tested.sort_values("track_id").drop_duplicates("genre")["track_id"].tolist()
    print(f"{len(clips)} clips, {given.steps} steps")
    for name in given.names:
        for other, values in similarityes(paths, name, clips, given.steps).items():
            low, middle, high = np.quantile(values, [0, 0.5, 1])
            print(f"{name}, {other}: {low:.2f}, {middle:.2f}, {high:.2f}", flush=True)


if __name__ == "__main__":
    main()
