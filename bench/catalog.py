"""Search a catalog: time a query, recall, building, memory and file size, beside scikit-learn.

``python -m bench.catalog`` makes unit vectors of 160 numbers in 500 clusters, as real
embeddings are, and fewer without clusters, and prints a table. The exact search is
timed on the first 100,000; the graph on all of them, one core. ``--beside 200000``
builds Voyager's graph and those of faiss and usearch, where these are installed, with
the same numbers of links and of candidates.
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


def vectors(n: int, clustered: bool) -> np.ndarray:
    """Draw unit vectors, in blocks so that memory holds little more than them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, DIMENSION), np.float32)
    found = rng.standard_normal((n, DIMENSION), np.float32)
    if clustered:
        found *= 0.4
        found += centres[rng.integers(0, CLUSTERS, n)]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def milliseconds(search, queries: np.ndarray, clock=time.perf_counter) -> float:
    """Return the median time of a query."""
    taken = []
    for query in queries:
        begin = clock()
        search(query)
        taken.append(clock() - begin)
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
        "graph ms of processor": milliseconds(lambda q: graph.search(q[None], K), queries, time.process_time),
        "recall@10": float(np.mean([len(a & b) / K for a, b in zip(found, truth, strict=True)])),
        "build s": built,
        "file MB": size / 1e6,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        f"exact ms of {len(few)}": milliseconds(lambda q: exact.search(q, K), queries[:30]),
        "exact ms of processor": milliseconds(lambda q: exact.search(q, K), queries[:30], time.process_time),
        "scikit-learn ms": milliseconds(lambda q: brute.kneighbors(q[None]), queries[:30]),
        "scikit-learn ms of processor": milliseconds(
            lambda q: brute.kneighbors(q[None]), queries[:30], time.process_time
        ),
    }


def of_voyager(x: np.ndarray):
    """Build Voyager's graph; give what asks it."""
    graph = Graph(DIMENSION)
    graph.add(np.arange(len(x)), x, 1)
    return lambda q: graph.search(q[None], K)[0]


def of_faiss(x: np.ndarray):
    """Build the graph of faiss; give what asks it."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(DIMENSION, M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = EF_CONSTRUCTION, EF_SEARCH
    index.add(x)
    return lambda q: index.search(q[None], K)[1][0]


def of_usearch(x: np.ndarray):
    """Build the graph of usearch; give what asks it."""
    from usearch.index import Index

    cares = {"expansion_add": EF_CONSTRUCTION, "expansion_search": EF_SEARCH}
    index = Index(ndim=DIMENSION, metric="ip", dtype="f32", connectivity=M, **cares)
    index.add(np.arange(len(x)), x, threads=1)
    return lambda q: index.search(q, K, threads=1).keys


LIBRARIES = {"voyager": of_voyager, "faiss": of_faiss, "usearch": of_usearch}


def beside(n: int) -> None:
    """Print building, asking and recall of each library that is installed."""
    every = vectors(n + QUERIES, clustered=True)
    queries, x = every[:QUERIES], every[QUERIES:]
    truth = [set(top(x @ q, K).tolist()) for q in queries]
    for name, build in LIBRARIES.items():
        if importlib.util.find_spec(name) is None:
            print(f"  {name:24} is not installed")
            continue
        begin = time.perf_counter()
        ask = build(x)
        built = time.perf_counter() - begin
        recall = float(np.mean([len(set(map(int, ask(q))) & t) / K for q, t in zip(queries, truth, strict=True)]))
        print(
            f"  {name:24} {milliseconds(ask, queries):.3f} ms, recall@10 {recall:.4f}, built in {built:.0f} s",
            flush=True,
        )


def show(figures: dict[str, float]) -> None:
    """Print a table."""
    for name, value in figures.items():
        print(f"  {name:28} {value:12.4g}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1_000_000, help="clustered vectors; 0: none")
    parser.add_argument("--without", type=int, default=100_000, help="vectors without clusters; 0: none")
    parser.add_argument("--beside", type=int, default=0, help="clustered vectors for every library there is")
    parser.add_argument("--threads", type=int, default=1, help="of building; searches take one")
    args = parser.parse_args()
    if args.beside:
        print(f"{args.beside} vectors in {CLUSTERS} clusters, each library alike:", flush=True)
        beside(args.beside)
    for n, clustered in ((args.n, True), (args.without, False)):
        if n:
            print(f"{n} vectors " + (f"in {CLUSTERS} clusters:" if clustered else "without clusters:"), flush=True)
            show(measure(n, clustered, args.threads))


if __name__ == "__main__":
    main()
