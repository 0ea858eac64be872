"""Train the artist space on a graph and measure how well it keeps the relations.

``python -m bench.artists ARTISTS.csv EDGES.csv`` reads a table with `artist_id` and
one with `artist_id` and `related_id`. It prints the Jaccard index of compare_neighbourhoods, by
cosine and by Euclidean distance, without the artist itself and as published, and the
area under the ROC curve of held-out relations, with intervals over artists.
``--random N`` times one epoch on a random graph of N artists with 20 relations each instead.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ostinato.core.params.schema import Artists, Phase
from ostinato.curation.artist_graph import Relations, build_relations, from_pairs
from ostinato.evaluation.similarity.artist_graph import compare_neighbourhoods, score_held_out
from ostinato.evaluation.similarity.ranking import summarise
from ostinato.training.artist_space import fit_space

SEED, DEGREE = 7, 20


def read_graph(artists: Path, edges: Path) -> Relations:
    """Read a graph from two tables."""
    table, pairs = pd.read_csv(artists), pd.read_csv(edges)
    return build_relations(table["artist_id"].tolist(), zip(pairs["artist_id"], pairs["related_id"], strict=True))


def print_interval(name: str, values: np.ndarray, groups: np.ndarray) -> None:
    """Print a mean with its interval."""
    interval = summarise({name: values}, groups, 0.95)[name]
    print(f"  {name:32} {interval['value']:.4f} [{interval['low']:.4f}, {interval['high']:.4f}]", flush=True)


def measure(graph: Relations, settings: Artists, phases: list[Phase]) -> None:
    """Fit on all relations, then without the held-out ones, and print what the space keeps."""

    def fit(seen: Relations) -> np.ndarray:
        begin = time.perf_counter()
        vectors, curve = fit_space(
            seen.links, dimension=settings.dimension, phases=phases, max_epochs=settings.max_epochs, seed=SEED
        )
        print(f"{len(seen.pairs)} relations: {len(curve)} epochs, {time.perf_counter() - begin:.0f} s", flush=True)
        return vectors

    vectors, rows = fit(graph), np.flatnonzero(graph.degree)
    for by in ("cosine", "euclidean"):
        print_interval(f"Jaccard, {by}", compare_neighbourhoods(vectors, graph, by=by), rows)
        jaccard = compare_neighbourhoods(vectors, graph, by=by, with_self=True)
        print_interval(f"Jaccard, {by}, as published", jaccard, rows)
    remaining, held_out = graph.hold_out(settings.held_out, SEED)
    hits = score_held_out(fit(remaining), remaining, held_out)
    print_interval(f"ROC area of {len(held_out)} held out", hits, np.concatenate([held_out[:, 0], held_out[:, 1]]))


def time_epoch(n: int, dimension: int) -> None:
    """Time one epoch on a random graph."""
    pairs = np.random.default_rng(SEED).integers(0, n, (n * DEGREE // 2, 2))
    graph = from_pairs(tuple(map(str, range(n))), pairs)
    begin, processor_seconds = time.perf_counter(), time.process_time()
    fit_space(graph.links, dimension=dimension, phases=Artists().phases[:1], max_epochs=1, seed=SEED)
    seconds, processor_seconds = time.perf_counter() - begin, time.process_time() - processor_seconds
    size = f"{n} artists, {len(graph.pairs)} relations, {dimension} numbers"
    print(f"{size}: {seconds:.1f} s an epoch, {processor_seconds:.1f} s of processor time", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="*")
    parser.add_argument("--random", type=int, nargs="*", default=[], help="artists of random graphs to time")
    parser.add_argument("--dimension", type=int, default=800)
    parser.add_argument("--max-epochs", type=int, default=1000, help="limit for each phase")
    parser.add_argument("--phases", type=int, default=3, help="how many of the paper's phases to run, from the first")
    parser.add_argument("--patience", type=int, help="patience of every phase, instead of the paper's")
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = Artists(dimension=args.dimension, max_epochs=args.max_epochs)
    for n in args.random:
        time_epoch(n, args.dimension)
    if args.tables:
        artists, edges = args.tables
        change = {} if args.patience is None else {"patience": args.patience}
        phases = [p.model_copy(update=change) for p in settings.phases[: args.phases]]
        measure(read_graph(artists, edges), settings, phases)


if __name__ == "__main__":
    main()
