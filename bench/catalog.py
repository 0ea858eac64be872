"""Search a catalog: time a query, recall, building, memory and file size, beside scikit-learn.

``python -m bench.catalog`` makes unit vectors of 160 numbers in 500 clusters, as real
embeddings are, and others without clusters, and prints a table. The exact search is
timed on the first 100,000; the graph on all of them, one core.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.index import Graph, top

DIMENSION, CLUSTERS, QUERIES, K = 160, 500, 200, 10
EXACT = 100_000


def vectors(n: int, clustered: bool) -> np.ndarray:
    """Draw unit vectors, in blocks so that memory holds little more than them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, DIMENSION), np.float32)
    found = rng.standard_normal((n, DIMENSION), np.float32)
    if clustered:
        found *= 0.4
        found += centres[rng.integers(0, CLUSTERS, n)]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def milliseconds(search, queries: np.ndarray) -> float:
    """Give the median time of a query."""
    taken = []
    for query in queries:
        begin = time.perf_counter()
        search(query)
        taken.append(time.perf_counter() - begin)
    return 1000 * float(np.median(taken))


def measure(n: int, clustered: bool, threads: int) -> dict[str, float]:
    """Measure one size of catalog."""
    every = vectors(n + QUERIES, clustered)
    queries, x = every[:QUERIES], every[QUERIES:]
    truth = [set(top(x @ q, K).tolist()) for q in queries]
    few = x[:EXACT]
    brute = NearestNeighbors(n_neighbors=K, metric="euclidean", algorithm="brute").fit(few)
    exact = Catalog([str(i) for i in range(len(few))], few, version="bench", exact_up_to=EXACT)
    begin = time.perf_counter()
    graph = Graph(DIMENSION)
    graph.add(np.arange(n), x, threads)
    built = time.perf_counter() - begin
    found = [set(graph.search(q[None], K)[0].tolist()) for q in queries]
    with tempfile.TemporaryDirectory() as folder:
        graph.save(Path(folder) / "graph")
        size = (Path(folder) / "graph").stat().st_size
    return {
        "graph ms": milliseconds(lambda q: graph.search(q[None], K), queries),
        "recall@10": float(np.mean([len(a & b) / K for a, b in zip(found, truth, strict=True)])),
        "build s": built,
        "file MB": size / 1e6,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        f"exact ms of {len(few)}": milliseconds(lambda q: exact.search(q, K), queries[:30]),
        "scikit-learn ms": milliseconds(lambda q: brute.kneighbors(q[None]), queries[:30]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1_000_000, help="vectors")
    parser.add_argument("--threads", type=int, default=1, help="of building; searches take one")
    args = parser.parse_args()
    for clustered in (True, False):
        print("500 clusters:" if clustered else "no clusters:", flush=True)
        for name, value in measure(args.n, clustered, args.threads).items():
            print(f"  {name:24} {value:12.4g}", flush=True)


if __name__ == "__main__":
    main()
