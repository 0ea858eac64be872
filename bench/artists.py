"""Learn the artist space of a graph and measure it.

``python -m bench.artists ARTISTS.csv EDGES.csv`` reads a table with `artist_id` and
one with `artist_id` and `related_id`, and prints the Jaccard of neighbourhoods, by
cosine and by distance, with the artist left out and as published, and the area under
the ROC curve of relations that were held out, with intervals over artists.
``--random N`` times one epoch of N artists with 20 relations each instead.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ostinato.core.params.schema import Artists, Phase
from ostinato.curation.artist_graph import Relations, of_pairs, relations
from ostinato.evaluation.similarity.artist_graph import links_found, neighbourhoods
from ostinato.evaluation.similarity.ranking import summarise
from ostinato.training.artist_space import fit_space

SEED, DEGREE = 7, 20


def read(artists: Path, edges: Path) -> Relations:
    """Read a graph of two tables."""
    listed, pairs = pd.read_csv(artists), pd.read_csv(edges)
    return relations(listed["artist_id"].tolist(), zip(pairs["artist_id"], pairs["related_id"], strict=True))


def shown(name: str, values: np.ndarray, groups: np.ndarray) -> None:
    """Print a mean with its interval."""
    found = summarise({name: values}, groups, 0.95)[name]
    print(f"  {name:32} {found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]", flush=True)


def measure(graph: Relations, settings: Artists, phases: list[Phase]) -> None:
    """Fit on all relations, then on some of them."""

    def fit(seen: Relations) -> np.ndarray:
        begin = time.perf_counter()
        vectors, curve = fit_space(
            seen.links, dimension=settings.dimension, phases=phases, max_epochs=settings.max_epochs, seed=SEED
        )
        print(f"{len(seen.pairs)} relations: {len(curve)} epochs, {time.perf_counter() - begin:.0f} s", flush=True)
        return vectors

    vectors, judged = fit(graph), np.flatnonzero(graph.degree)
    for by in ("cosine", "euclidean"):
        shown(f"Jaccard, {by}", neighbourhoods(vectors, graph, by=by), judged)
        shown(f"Jaccard, {by}, as published", neighbourhoods(vectors, graph, by=by, with_self=True), judged)
    left, taken = graph.held_out(settings.held_out, SEED)
    found = links_found(fit(left), left, taken)
    shown(f"ROC area of {len(taken)} held out", found, np.concatenate([taken[:, 0], taken[:, 1]]))


def timed(n: int, dimension: int) -> None:
    """Time one epoch of a graph drawn at random."""
    pairs = np.random.default_rng(SEED).integers(0, n, (n * DEGREE // 2, 2))
    graph = of_pairs(tuple(map(str, range(n))), pairs)
    begin, worked = time.perf_counter(), time.process_time()
    fit_space(graph.links, dimension=dimension, phases=Artists().phases[:1], max_epochs=1, seed=SEED)
    taken, worked = time.perf_counter() - begin, time.process_time() - worked
    size = f"{n} artists, {len(graph.pairs)} relations, {dimension} numbers"
    print(f"{size}: {taken:.1f} s an epoch, {worked:.1f} s of processor", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="*")
    parser.add_argument("--random", type=int, nargs="*", default=[], help="artists of random graphs to time")
    parser.add_argument("--dimension", type=int, default=800)
    parser.add_argument("--max-epochs", type=int, default=1000, help="of each phase")
    parser.add_argument("--phases", type=int, default=3, help="the first so many of the paper's")
    parser.add_argument("--patience", type=int, help="of every phase, instead of the paper's")
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = Artists(dimension=args.dimension, max_epochs=args.max_epochs)
    for n in args.random:
        timed(n, args.dimension)
    if args.tables:
        artists, edges = args.tables
        change = {} if args.patience is None else {"patience": args.patience}
        phases = [p.model_copy(update=change) for p in settings.phases[: args.phases]]
        measure(read(artists, edges), settings, phases)


if __name__ == "__main__":
    main()
