"""Measure what choosing the next tracks to label gains, and how well the learning curve predicts the gain.

``python -m bench.few_labels FOLDER`` takes the labelled tracks that `ostinato learn ... --out FOLDER` cached.
Choice: with a third held out for testing, it trains on 20 random labels and adds 20 chosen from the rest at
random, by uncertainty, by diversity and by both, and compares the accuracies draw by draw.
Curve: from 40 labels it predicts the gain of 40 more, and compares that with the gain on the rest.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from ostinato.cache.store import Store
from ostinato.core.calibrated import Calibrated, find_means
from ostinato.core.paths import Paths
from ostinato.core.summary import read_vectors
from ostinato.estimators import logistic
from ostinato.labelling.learning_curve import compute_learning_curve, estimate_gain
from ostinato.labelling.selection import compute_uncertainty, select_tracks

START, MORE = 20, 20


def make_head() -> ClassifierMixin:
    """Make the classifier, without its calibration."""
    classifier = logistic.pipeline(0, C=0.1)
    assert isinstance(classifier, Calibrated)
    return classifier.classifier


def choose_diverse(scores: np.ndarray, x: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Choose the track nearest to the centre of each of n clusters."""
    distance = KMeans(n, n_init=4, random_state=seed).fit(x).transform(x)
    return np.unique(distance.argmin(axis=0))


STRATEGIES: dict[str, Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]] = {
    "random": lambda scores, x, n, seed: np.random.default_rng(seed).permutation(len(x))[:n],
    "uncertainty": lambda scores, x, n, seed: np.argsort(-compute_uncertainty(scores))[:n],
    "diversity": choose_diverse,
    "both, 1.5": lambda scores, x, n, seed: select_tracks(scores, x, n, seed=seed, factor=1.5),
    "both, 2": lambda scores, x, n, seed: select_tracks(scores, x, n, seed=seed, factor=2),
    "both, 5": lambda scores, x, n, seed: select_tracks(scores, x, n, seed=seed, factor=5),
}


def measure_choice(x: np.ndarray, y: np.ndarray, n_draws: int) -> pd.DataFrame:
    """Return accuracies, with a row for each draw and a column for each strategy."""
    rows = []
    for draw in range(n_draws):
        rest, test = next(StratifiedKFold(3, shuffle=True, random_state=draw).split(x, y))
        order = np.random.default_rng(draw).permutation(rest)
        start, pool = order[:START], order[START:]
        if len(np.unique(y[start])) < 2:
            continue
        fitted = make_head().fit(x[start], y[start])
        scores = softmax(fitted.decision_function(x[pool]), axis=1)
        z = StandardScaler().fit(x[rest]).transform(x[pool])
        row = {"start": (fitted.predict(x[test]) == y[test]).mean()}
        for name, choose in STRATEGIES.items():
            known = np.concatenate([start, pool[choose(scores, z, MORE, draw)]])
            row[name] = (make_head().fit(x[known], y[known]).predict(x[test]) == y[test]).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def measure_curve(x: np.ndarray, y: np.ndarray, n_draws: int) -> pd.DataFrame:
    """Return the gain of 40 more labels as predicted from 40, and as measured."""
    rows = []
    for draw in range(n_draws):
        order = np.random.default_rng(draw).permutation(len(y))
        few, many, test = order[:40], order[:80], order[80:]
        counts = np.bincount(y[few])
        folds = list(StratifiedKFold(5, shuffle=True, random_state=draw).split(few, y[few])) if counts.max() > 4 else []
        if not folds:
            continue
        curve = compute_learning_curve(make_head, x[few], y[few], np.arange(40), folds, seed=draw)
        gain = estimate_gain(curve, 40, 40, seed=draw)
        few_right, many_right = ((make_head().fit(x[k], y[k]).predict(x[test]) == y[test]).mean() for k in (few, many))
        rows.append({"predicted": gain.value, "low": gain.low, "high": gain.high, "measured": many_right - few_right})
    return pd.DataFrame(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--feature", default="mfcc")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--mean", action="store_true", help="use only the means of the bins, as for an encoder")
    args = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    paths = Paths(args.folder)
    store, tracks = Store(paths.feature(args.feature)), pd.read_parquet(paths.tracks)
    tracks = tracks[tracks["genre"].notna() & tracks["track_id"].map(store.__contains__)]
    x = read_vectors(store, tracks["track_id"])
    x = x[:, find_means(x)] if args.mean else x
    y = tracks["genre"].astype("category").cat.codes.to_numpy()
    table = measure_choice(x, y, args.draws)
    print(f"{len(y)} tracks, {args.feature}, {len(table)} draws: accuracy after {START} labels, and after {MORE} more")
    gain = table.sub(table["random"], axis=0)
    summary = pd.DataFrame({"accuracy": table.mean(), "over random": gain.mean(), "standard error": gain.sem()})
    print(summary.round(3).to_string())
    curve = measure_curve(x, y, args.draws)
    print("\ngain of 40 more labels, predicted from 40")
    print(curve.mean().round(3).to_string())
    inside = (curve["low"] <= curve["measured"].mean()) & (curve["measured"].mean() <= curve["high"])
    print(f"the interval contains the mean gain in {inside.mean():.2f} of the draws")


if __name__ == "__main__":
    main()
