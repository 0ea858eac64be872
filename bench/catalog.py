"""Measure the search of a catalog (query time, recall, build time, memory, file size) against scikit-learn.

``python -m bench.catalog`` draws unit vectors of 160 numbers in 500 clusters, like real
embeddings, and a smaller set without clusters, and prints a table for each. The exact
search is timed on the first 100,000 vectors, the graph on all of them, on one core.
``--libraries 200000`` builds the graphs of Voyager, and of faiss and usearch where these
are installed, with the same number of links and of candidates.
"""

import argparse
import importlib.util
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.index import EF_CONSTRUCTION, EF_SEARCH, Graph, M, top

DIMENSION, CLUSTERS, QUERIES, K = 160, 500, 200, 10
EXACT = 100_000


def draw_vectors(n: int, clustered: bool) -> np.ndarray:
    """Draw unit vectors of one catalog."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, DIMENSION), np.float32)
    x = rng.standard_normal((n, DIMENSION), np.float32)
    if clustered:
        x *= 0.4
        x += centres[rng.integers(0, CLUSTERS, n)]
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def time_queries(search, queries: np.ndarray, clock=time.perf_counter) -> float:
    """Return the median time of a query."""
    seconds = []
    for query in queries:
        begin = clock()
        search(query)
        seconds.append(clock() - begin)
    return 1000 * float(np.median(seconds))


def measure(n: int, clustered: bool, threads: int) -> dict[str, float]:
    """Measure one size of catalog."""
    every = draw_vectors(n + QUERIES, clustered)
    queries, x = every[:QUERIES], every[QUERIES:]
    truth = [set(top(x @ q, K).tolist()) for q in queries]
    few = x[:EXACT]
    brute = NearestNeighbors(n_neighbors=K, metric="euclidean", algorithm="brute").fit(few)
    exact = Catalog([str(i) for i in range(len(few))], few, version="bench", exact_up_to=EXACT)
    begin = time.perf_counter()
    graph = Graph(DIMENSION)
    graph.add(np.arange(n), x, threads)
    build_seconds = time.perf_counter() - begin
    neighbours = [set(graph.search(q[None], K)[0].tolist()) for q in queries]
    with tempfile.TemporaryDirectory() as folder:
        graph.save(Path(folder) / "graph")
        size = (Path(folder) / "graph").stat().st_size
    return {
        "graph ms": time_queries(lambda q: graph.search(q[None], K), queries),
        "graph ms of processor time": time_queries(lambda q: graph.search(q[None], K), queries, time.process_time),
        "recall@10": float(np.mean([len(a & b) / K for a, b in zip(neighbours, truth, strict=True)])),
        "build s": build_seconds,
        "file MB": size / 1e6,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        f"exact ms of {len(few)}": time_queries(lambda q: exact.search(q, K), queries[:30]),
        "exact ms of processor time": time_queries(lambda q: exact.search(q, K), queries[:30], time.process_time),
        "scikit-learn ms": time_queries(lambda q: brute.kneighbors(q[None]), queries[:30]),
        "scikit-learn ms of processor time": time_queries(
            lambda q: brute.kneighbors(q[None]), queries[:30], time.process_time
        ),
    }


def build_voyager(x: np.ndarray):
    """Build Voyager's graph; return its search."""
    graph = Graph(DIMENSION)
    graph.add(np.arange(len(x)), x, 1)
    return lambda q: graph.search(q[None], K)[0]


def build_faiss(x: np.ndarray):
    """Build the graph of faiss; return its search."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(DIMENSION, M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = EF_CONSTRUCTION, EF_SEARCH
    index.add(x)
    return lambda q: index.search(q[None], K)[1][0]


def build_usearch(x: np.ndarray):
    """Build the graph of usearch; return its search."""
    from usearch.index import Index

    candidates = {"expansion_add": EF_CONSTRUCTION, "expansion_search": EF_SEARCH}
    index = Index(ndim=DIMENSION, metric="ip", dtype="f32", connectivity=M, **candidates)
    index.add(np.arange(len(x)), x, threads=1)
    return lambda q: index.search(q, K, threads=1).keys


LIBRARIES = {"voyager": build_voyager, "faiss": build_faiss, "usearch": build_usearch}


def compare_libraries(n: int) -> None:
    """Print build time, query time and recall of each library that is installed."""
    every = draw_vectors(n + QUERIES, clustered=True)
    queries, x = every[:QUERIES], every[QUERIES:]
    truth = [set(top(x @ q, K).tolist()) for q in queries]
    for name, build in LIBRARIES.items():
        if importlib.util.find_spec(name) is None:
            print(f"  {name:24} is not installed")
            continue
        begin = time.perf_counter()
        search = build(x)
        build_seconds = time.perf_counter() - begin
        recall = float(np.mean([len(set(map(int, search(q))) & t) / K for q, t in zip(queries, truth, strict=True)]))
        print(
            f"  {name:24} {time_queries(search, queries):.3f} ms, recall@10 {recall:.4f}, build {build_seconds:.0f} s",
            flush=True,
        )


def print_table(figures: dict[str, float]) -> None:
    """Print a table."""
    for name, value in figures.items():
        print(f"  {name:33} {value:12.4g}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1_000_000, help="clustered vectors; 0: none")
    parser.add_argument("--unclustered", type=int, default=100_000, help="vectors without clusters; 0: none")
    parser.add_argument(
        "--libraries", type=int, default=0, help="clustered vectors for the comparison of libraries; 0: none"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads to build with; searches take one")
    args = parser.parse_args()
    if args.libraries:
        print(f"{args.libraries} vectors in {CLUSTERS} clusters, each library with the same settings:", flush=True)
        compare_libraries(args.libraries)
    for n, clustered in ((args.n, True), (args.unclustered, False)):
        if n:
            print(f"{n} vectors " + (f"in {CLUSTERS} clusters:" if clustered else "without clusters:"), flush=True)
            print_table(measure(n, clustered, args.threads))


if __name__ == "__main__":
    main()
