"""Measure how often confidence intervals contain the true value.

``python -m bench.coverage`` draws artists with their tracks, scores them by two networks
whose errors are correlated, and counts how often 95 % intervals contain the values of
40,000 artists: percentile intervals of 400 bootstrap resamples, and the intervals of the
project. ``--samples`` sets the number of draws; with 1,000, a share varies by 0.7 points.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from ostinato.core.scores import scores
from ostinato.metrics.jackknife import jackknife
from ostinato.metrics.single import METRICS

CONFIDENCE, N_CLASSES, N_RESAMPLES, N_TRUTH = 0.95, 5, 400, 40_000
METRIC_NAMES = ("accuracy", "f1_macro", "map_macro", "roc_auc_macro", "log_loss")
PAIRED = ("accuracy", "f1_macro")
"""Metrics whose difference between the networks is measured too."""
SIZES = {"even": lambda rng, n: 1 + rng.poisson(2, n), "skewed": lambda rng, n: np.clip(rng.zipf(1.8, n), 1, 30)}


def draw_sample(rng: np.random.Generator, n_artists: int, sizes: str, signal: float) -> tuple[np.ndarray, ...]:
    """Draw the artist, the target and the scores of two networks for each track."""
    artist = np.repeat(np.arange(n_artists), SIZES[sizes](rng, n_artists))
    label = rng.integers(0, N_CLASSES, n_artists)[artist]
    effect = rng.normal(0, 0.9, n_artists)
    other = 0.7 * effect + rng.normal(0, 0.63, n_artists)
    logits = rng.normal(0, 1, (2, len(artist), N_CLASSES))
    logits[:, np.arange(len(artist)), label] += signal + np.stack([effect, other])[:, artist]
    return artist, np.eye(N_CLASSES)[label], scores(logits[0], "single"), scores(logits[1], "single")


def compute_metrics(sample: tuple[np.ndarray, ...], counts: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Compute each metric, and the difference between the networks, for each row of counts."""
    artist, target, *both = sample
    for name in METRIC_NAMES:
        metric = METRICS[name]
        values = [metric.compute(metric.prepare(s, "single", 0.5), target, artist, counts) for s in _scores(name, both)]
        yield name, values[0]
        if len(values) > 1:
            yield f"{name}, paired", values[0] - values[1]


def _scores(name: str, both: list[np.ndarray]) -> list[np.ndarray]:
    """Return the scores of both networks where their difference is measured, else those of the first."""
    return both if name in PAIRED else both[:1]


def measure(n_artists: int, sizes: str, signal: float, n_samples: int) -> dict[str, np.ndarray]:
    """Return coverage and mean width of both kinds of interval by metric, (2, 2)."""
    truth = dict(compute_metrics(draw_sample(np.random.default_rng(99), N_TRUTH, sizes, signal), np.ones((1, N_TRUTH))))
    totals = {name: np.zeros((2, 2)) for name in truth}
    for seed in range(n_samples):
        rng = np.random.default_rng([seed, n_artists])
        sample = draw_sample(rng, n_artists, sizes, signal)
        replicates = jackknife(np.char.zfill(sample[0].astype(str), 6), CONFIDENCE)
        resamples = rng.multinomial(n_artists, np.full(n_artists, 1 / n_artists), size=N_RESAMPLES)
        every = np.vstack([replicates.counts, resamples])
        for name, values in compute_metrics(sample, every):
            bootstrap = np.nanquantile(values[n_artists + 1 :], [0.025, 0.975])
            bounds = () if name.endswith("paired") else (0.0, METRICS[name].maximum)
            ends = np.array([bootstrap, replicates.estimate(values[: n_artists + 1], *bounds)[1:]])
            is_inside = (ends[:, 0] <= truth[name][0]) & (truth[name][0] <= ends[:, 1])
            totals[name] += np.column_stack([is_inside, ends[:, 1] - ends[:, 0]]) / n_samples
    return totals


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--artists", type=int, nargs="+", default=[15, 40])
    args = parser.parse_args()
    print(
        "| artists | tracks | metric | percentile: coverage, width | project: coverage, width |\n|--:|---|---|--:|--:|"
    )
    for n_artists in args.artists:
        for sizes, signal in (("even", 1.2), ("skewed", 1.2), ("even", 3.0)):
            for name, table in measure(n_artists, sizes, signal, args.samples).items():
                cells = " | ".join(f"{100 * is_inside:.1f} %, {width:.2f}" for is_inside, width in table)
                print(f"| {n_artists} | {sizes}, signal {signal} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
