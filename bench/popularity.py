"""Measure whether regressions find a planted share of the variance of a number, and nothing in shuffled numbers.

``python -m bench.popularity`` draws 300 artists of one to nine tracks each. Half the variance of the twelve inputs is
of the artist. The number is linear in them plus normal noise, with R2 0.3, or its values are shuffled among the
tracks. Every track is tested once, in one of five folds. For each regressor it prints how often the 95 % interval
contains 0.3, or 0; how often ``gate.regression: {sure_r2: {min: 0.001}}`` accepts it; and the mean R2 and Spearman
correlation.
"""

import argparse

import numpy as np
import pandas as pd

from ostinato.core.params.schema import Regression
from ostinato.regression.fit import REGRESSORS, fit_folds
from ostinato.regression.inputs import Inputs
from ostinato.regression.scores import Figures, compute_figures

R2, WIDTH, FOLDS, MOST_TRACKS = 0.3, 12, 5, 9


def draw(rng: np.random.Generator, n_artists: int, is_shuffled: bool) -> tuple[Inputs, pd.Series]:
    """Draw the tracks of some artists, split into folds by artist, and their numbers."""
    artist = np.repeat(np.arange(n_artists), rng.integers(1, MOST_TRACKS + 1, n_artists))
    n = len(artist)
    x = np.sqrt(0.5) * (rng.normal(size=(n_artists, WIDTH))[artist] + rng.normal(size=(n, WIDTH)))
    direction = rng.normal(size=WIDTH)
    signal = x @ direction / np.linalg.norm(direction)
    numbers = 50 + 20 * (np.sqrt(R2) * signal + np.sqrt(1 - R2) * rng.normal(size=n))
    numbers = rng.permutation(numbers) if is_shuffled else numbers
    ids, turn = [f"track{i:06d}" for i in range(n)], rng.permutation(n_artists)[artist]
    parts = np.array(["test", "validation", "train", "train", "train"])
    tables = [
        pd.DataFrame({"track_id": ids, "fold": f, "split": parts[(turn + f) % FOLDS], "group": artist.astype(str)})
        for f in range(FOLDS)
    ]
    inputs = Inputs(pd.concat(tables, ignore_index=True), np.tile(x, (FOLDS, 1)).astype(np.float32), {})
    return inputs, pd.Series(numbers, ids)


def measure(regressor: str, n_artists: int, is_shuffled: bool, seed: int) -> Figures:
    """Return the figures of one draw."""
    inputs, numbers = draw(np.random.default_rng(seed), n_artists, is_shuffled)
    entry = Regression(column="number", regressor=regressor, feature="planted")  # type: ignore[arg-type]
    table = fit_folds(inputs, numbers, entry, "planted", seed).table
    columns = {str(column): table[column].to_numpy() for column in table}
    figures, _ = compute_figures(
        columns["prediction"], columns["target"], columns, columns["fold"], columns["group"], 0.95
    )
    return figures


def describe(draws: list[Figures], truth: float) -> str:
    """Format how often intervals contain the truth, and the means."""
    r2 = np.array([[f["r2"][k] for k in ("value", "low", "high")] for f in draws], float)
    contained = ((r2[:, 1] <= truth) & (truth <= r2[:, 2])).mean()
    spearman = [f["spearman"] for f in draws if f["spearman"]["value"] is not None]
    correlation = np.array([[s["value"], s["low"], s["high"]] for s in spearman], float).reshape(-1, 3)
    has_0 = ((correlation[:, 1] <= 0) & (correlation[:, 2] >= 0)).mean() if len(correlation) else float("nan")
    mean = correlation[:, 0].mean() if len(correlation) else float("nan")
    return (
        f"R2 interval contains {truth:g}: {contained:.0%}, accepted: {(r2[:, 1] > 0.001).mean():.0%}, mean R2 "
        f"{r2[:, 0].mean():.4f}, mean Spearman {mean:.3f} (contains 0: {has_0:.0%}, of {len(correlation)})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--artists", type=int, default=300)
    parser.add_argument("--regressors", nargs="+", default=list(REGRESSORS), choices=list(REGRESSORS))
    args = parser.parse_args()
    for regressor in args.regressors:
        for is_shuffled in (False, True):
            draws = [measure(regressor, args.artists, is_shuffled, seed) for seed in range(args.draws)]
            kind = "shuffled" if is_shuffled else "planted"
            print(f"{regressor:18} {kind:9} {describe(draws, 0 if is_shuffled else R2)}", flush=True)


if __name__ == "__main__":
    main()
