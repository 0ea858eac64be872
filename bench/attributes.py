"""Measure the tabular system on a table of attributes, as published and without leaks from test to training.

``python -m bench.attributes TABLE.csv`` prints accuracy, macro-F1 and the MAP of
same-genre neighbours, with intervals over recordings; then k-means: find_elbow, silhouette
and the most frequent genres of each cluster.

As published (paper 000, chapter 5): rows are split 80/20 with seed 42; the scaler is
fitted on all of them and scales the ten numbers but not the indicators; and neighbours
are searched among all rows, so that each row finds itself. Ours: rows with the same
attributes (one recording listed under several genres) fall on one side of the split;
the scaler is fitted on the training rows alone; a query never counts as its own answer.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import classification_report, f1_score
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from ostinato.core.registry import load
from ostinato.curation.attributes import NUMBERS, encode, is_complete, number_recordings
from ostinato.datasets.spotify_attributes import read
from ostinato.evaluation.similarity.clusters import compute_curve, compute_prevalence, find_elbow
from ostinato.evaluation.similarity.ranking import summarise
from ostinato.metrics.ranking import average_precision

SEED, K, SEEDS = 42, 10, 1000
CLASSIFIERS = ("majority", "random_forest", "hist_gradient_boosting", "knn")


def format_intervals(values: dict[str, np.ndarray], groups: np.ndarray) -> str:
    """Format means with their intervals on one line."""
    intervals = summarise(values, groups, 0.95)
    return ", ".join(f"{n} {v['value']:.3f} [{v['low']:.3f}, {v['high']:.3f}]" for n, v in intervals.items())


def standardise(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Standardise the numeric columns by the training rows; indicators stay as they are."""
    scaled, n = x.copy(), len(NUMBERS)
    scaled[:, :n] = StandardScaler().fit(x[train, :n]).transform(x[:, :n])
    return scaled


def compute_neighbour_precision(
    x: np.ndarray, genre: np.ndarray, rows: np.ndarray, groups: np.ndarray, with_self: bool
) -> np.ndarray:
    """Compute the average precision of the neighbours of some rows among all rows."""
    _, neighbours = NearestNeighbors(n_neighbors=K + (0 if with_self else 60)).fit(x).kneighbors(x[rows])
    values = []
    for row, near in zip(rows, neighbours, strict=True):
        answers = near if with_self else near[groups[near] != groups[row]][:K]
        relevant = genre == genre[row] if with_self else (genre == genre[row]) & (groups != groups[row])
        values.append(average_precision(preds=answers[None], target=relevant[None])[0])
    return np.array(values)


def print_classification(
    x: np.ndarray, genre: np.ndarray, groups: np.ndarray, train: np.ndarray, test: np.ndarray, names: tuple[str, ...]
) -> None:
    """Print each classifier's metrics."""
    for name in names:
        fitted = load("ostinato.estimators", name).pipeline(SEED).fit(x[train], genre[train])
        preds = fitted.predict(x[test])
        right = {"accuracy": (preds == genre[test]).astype(float)}
        macro = f1_score(genre[test], preds, average="macro")
        print(f"  {name:24} {format_intervals(right, groups[test])}, macro-F1 {macro:.3f}", flush=True)
        if name == "random_forest":
            print(classification_report(genre[test], preds, digits=3, zero_division=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--rows", type=int, help="use a random sample of at most this many rows")
    args = parser.parse_args()
    table = pd.concat(read(args.table), axis=1)
    mask = is_complete(table) & table["genre"].notna()
    table = table[mask].reset_index(drop=True)
    n_complete = len(table)
    if args.rows and args.rows < len(table):
        table = table.sample(args.rows, random_state=SEED).reset_index(drop=True)
    x, genre, groups = encode(table), table["genre"].to_numpy(str), number_recordings(table)
    print(f"{len(mask)} rows, {n_complete} complete, {len(table)} used, {len(set(groups))} recordings")
    seeds = np.random.default_rng(SEED).choice(len(x), min(SEEDS, len(x)), replace=False)

    print("as published:")
    train, test = train_test_split(np.arange(len(x)), test_size=0.2, random_state=SEED)
    scaled = standardise(x, np.arange(len(x)))
    print_classification(scaled, genre, np.arange(len(x)), train, test, ("random_forest",))
    print(
        "  neighbours, including the row itself: "
        + format_intervals({"map": compute_neighbour_precision(scaled, genre, seeds, groups, True)}, seeds)
    )

    print("ours:")
    ((train, test),) = GroupShuffleSplit(1, test_size=0.2, random_state=SEED).split(x, groups=groups)
    print_classification(x, genre, groups, train, test, CLASSIFIERS)
    scaled = standardise(x, train)
    cold = np.intersect1d(seeds, test)
    print(
        "  neighbours: "
        + format_intervals({"map": compute_neighbour_precision(scaled, genre, cold, groups, False)}, groups[cold])
    )

    curve = compute_curve(scaled[train], range(2, 13), SEED)
    print(curve.round(3).to_string(index=False), f"\nelbow at {find_elbow(curve)}")
    labels = KMeans(find_elbow(curve), n_init=4, random_state=SEED).fit_predict(scaled[train])
    for cluster, shares in compute_prevalence(labels, genre[train]).iterrows():
        print(f"  cluster {cluster}: " + ", ".join(f"{g} {v:.2f}" for g, v in shares.nlargest(3).items()))


if __name__ == "__main__":
    main()
