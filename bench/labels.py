"""Plant wrong labels in the embedded corpus and measure how many are ranked first.

``python -m bench.labels`` takes the cached MFCC of the project's tracks, changes the
genre of a tenth of them at random, scores each track by an MFCC-SVM trained on other
artists, and prints the precision among the first 10, 20, ... next to chance.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, cross_val_predict

from ostinato.cache.store import Store
from ostinato.core.paths import Paths
from ostinato.core.summary import summary
from ostinato.estimators import mfcc_svm
from ostinato.evaluation import label_errors


def main() -> None:
    """Plant wrong labels, score, rank and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    paths = Paths(Path.cwd())
    store, tracks = Store(paths.feature("mfcc")), pd.read_parquet(paths.tracks)
    tracks = tracks[tracks["track_id"].isin([t for t in tracks["track_id"] if t in store]) & tracks["genre"].notna()]
    classes = sorted(tracks["genre"].unique())
    truth = tracks["genre"].map(classes.index).to_numpy()
    x = np.stack([summary(store.read(t)) for t in tracks["track_id"]])
    rows = []
    for seed in range(args.seeds):
        rng = np.random.default_rng(seed)
        wrong = rng.choice(len(truth), round(args.share * len(truth)), replace=False)
        label = truth.copy()
        label[wrong] = (truth[wrong] + rng.integers(1, len(classes), len(wrong))) % len(classes)
        folds = GroupKFold(5).split(x, label, tracks["artist"])
        scores = cross_val_predict(mfcc_svm.pipeline(0), x, label, cv=folds, method="predict_proba")
        ranking = label_errors.rank_label_errors(tracks["track_id"].tolist(), scores, label, classes)
        bad = tracks["track_id"].to_numpy()[wrong]
        sizes = (10, 20, len(wrong), 2 * len(wrong))
        rows += [(seed, n, *label_errors.compute_precision(ranking, bad, n)) for n in sizes]
    table = pd.DataFrame(rows, columns=["seed", "first", "precision", "chance"])
    print(f"{len(truth)} tracks, {len(wrong)} of them with a wrong label, {args.seeds} draws")
    print(table.groupby("first")[["precision", "chance"]].mean().round(3).to_string())


if __name__ == "__main__":
    main()
