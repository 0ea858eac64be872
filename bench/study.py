"""Measure how often the intervals of listening studies contain the true value.

``python -m bench.study`` simulates 200 studies of each kind. For each track one space is truly better; a listener
hears which, and errs at a known rate; a fifth of the answers is missing. With 200 studies a coverage varies by 1.5
points; ``--studies`` sets their number.
"""

import argparse
from itertools import combinations

import numpy as np
from scipy.special import expit

from ostinato.metrics.jackknife import Estimate
from ostinato.study.estimates import Clusters, Comparisons, fit_bradley_terry

KINDS = [(8, 20, 0.2), (15, 20, 0.2), (15, 40, 0.2), (15, 40, 0.05), (40, 40, 0.35)]
"""Listeners, tracks per pair, and error rate."""
STRENGTHS = {2: np.array([0.3, -0.3]), 3: np.array([0.5, 0.0, -0.5])}
SPREAD, DROPOUT = 0.5, 0.2
"""How much error rates differ between listeners, as a share of the mean; the share of answers that are missing."""


def simulate(rng: np.random.Generator, n_listeners: int, n_tracks: int, rate: float, n_spaces: int) -> Comparisons:
    """Simulate the answers to a study."""
    strengths = STRENGTHS[n_spaces]
    utility = strengths + rng.gumbel(size=(n_tracks, n_spaces))  # the better of two follows Bradley and Terry
    rates = np.clip(rate * (1 + SPREAD * rng.uniform(-1, 1, n_listeners)), 0, 0.5)
    rows = []
    for one, other in combinations(range(n_spaces), 2):
        listener, track = (a.ravel() for a in np.indices((n_listeners, n_tracks)))
        answers = rng.random(len(track)) > DROPOUT
        is_better = (utility[:, one] > utility[:, other])[track]
        is_preferred = is_better ^ (rng.random(len(track)) < rates[listener])
        rows += [(one, other, s, i, t) for s, i, t in np.column_stack([is_preferred, listener, track])[answers]]
    first, second, scores, listener, track = np.array(rows).T
    return Comparisons(first, second, scores.astype(float), Clusters(listener, track))


def compute_truth(rate: float, n_spaces: int) -> np.ndarray:
    """Compute what the estimates would be with all listeners and tracks there are."""
    pairs = np.array(list(combinations(range(n_spaces), 2)))
    better = expit(STRENGTHS[n_spaces][pairs[:, 0]] - STRENGTHS[n_spaces][pairs[:, 1]])
    chance = better * (1 - rate) + (1 - better) * rate
    if n_spaces == 2:
        return chance
    clusters = Clusters(np.arange(len(pairs)), np.arange(len(pairs)))
    comparisons = Comparisons(pairs[:, 0], pairs[:, 1], chance, clusters)
    return np.array([e.value for e in fit_bradley_terry(comparisons, n_spaces)])


def estimate(comparisons: Comparisons, n_spaces: int) -> list[Estimate]:
    """Estimate the win share of two spaces, or the strengths of three."""
    return [comparisons.estimate_share(0, 1)] if n_spaces == 2 else fit_bradley_terry(comparisons, n_spaces)


def measure(n_listeners: int, n_tracks: int, rate: float, n_spaces: int, n_studies: int) -> np.ndarray:
    """Return coverage and mean width: of the project's intervals, then of those that take each answer for itself."""
    truth, results = compute_truth(rate, n_spaces), []
    for i in range(n_studies):
        rng = np.random.default_rng([i, n_listeners, n_tracks, n_spaces])
        comparisons = simulate(rng, n_listeners, n_tracks, rate, n_spaces)
        single = np.arange(len(comparisons.scores))
        for clusters in (comparisons.clusters, Clusters(single, single)):
            estimates = estimate(comparisons._replace(clusters=clusters), n_spaces)
            is_inside = [e.low <= t <= e.high for e, t in zip(estimates, truth, strict=True)]
            results.append([np.mean(is_inside), np.mean([e.high - e.low for e in estimates])])
    return np.array(results).reshape(n_studies, 2, 2).mean(axis=0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    args = parser.parse_args()
    names = ("win share", "each answer for itself", "strength of three", "each answer for itself")
    print(f"coverage and mean width of 95 % intervals in {args.studies} studies\n")
    print(f"| listeners | tracks | error rate | {' | '.join(names)} |\n|--:|--:|--:|{'--:|' * len(names)}")
    for kind in KINDS:
        rows = np.concatenate([measure(*kind, n_spaces, args.studies) for n_spaces in STRENGTHS])
        cells = " | ".join(f"{100 * coverage:.1f} %, {width:.2f}" for coverage, width in rows)
        print(f"| {kind[0]} | {kind[1]} | {kind[2]:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
