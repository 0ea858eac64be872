"""Measure what recommendations from plays cost, and how well they find planted listeners' later plays.

``python -m bench.listeners`` fits a million plays of 20,000 tracks on one core. ``--quality --seeds 1 2 3`` instead
prints MAP of all systems, the hybrid's gains with intervals, and the same for histories that were shuffled.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd
from tests.listening.listeners_world import OPTIONS, make_world

from ostinato.listening.blend import Blend, choose_content, count_history, fit_content, fit_hybrid
from ostinato.listening.evaluation import SYSTEMS, get_estimate
from ostinato.listening.experiment import Outcome, run_experiment
from ostinato.listening.factors import FactorSettings

N_LISTENERS, WIDTH = 10_000, 52
GROUPS = (("all", "all"), ("warm", "warm"), ("cold", "warm"), ("all", "new"))
Result = TypeVar("Result")


def draw_plays(n_plays: int, n_tracks: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw plays by taste groups and popularity, and vectors of the tracks; quick, for measuring cost alone."""
    rng = np.random.default_rng(seed)
    group_of_track, group_of_listener = rng.integers(50, size=n_tracks), rng.integers(50, size=N_LISTENERS)
    order = np.argsort(group_of_track, kind="stable")
    start, count = np.searchsorted(group_of_track[order], np.arange(50)), np.bincount(group_of_track, minlength=50)
    listener = rng.integers(N_LISTENERS, size=n_plays)
    group = np.where(rng.random(n_plays) < 0.7, group_of_listener[listener], rng.integers(50, size=n_plays))
    track = order[start[group] + (count[group] * rng.random(n_plays) ** 2).astype(int)]
    ids = np.array([f"track{i:06d}" for i in range(n_tracks)])
    seconds = np.sort(rng.integers(200 * 86400, size=n_plays))
    plays = pd.DataFrame(
        {
            "listener": np.array([f"listener{i:05d}" for i in range(N_LISTENERS)])[listener],
            "track_id": ids[track],
            "at": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s"),
            "seconds": 180.0,
            "skipped": rng.random(n_plays) < 0.1,
        }
    )
    vectors = np.eye(50)[group_of_track] @ rng.normal(size=(50, WIDTH)) + rng.normal(size=(n_tracks, WIDTH))
    return plays, pd.DataFrame(vectors, index=pd.Index(ids))


def measure(what: str, function: Callable[[], Result]) -> Result:
    """Run a function and print its processor time."""
    start = time.process_time()
    result = function()
    print(f"{what}: {time.process_time() - start:.1f} s of processor time", flush=True)
    return result


def measure_cost(n_plays: int, n_tracks: int) -> None:
    """Print the cost of one fit with all its parts, and of the whole stage."""
    plays, vectors = draw_plays(n_plays, n_tracks)
    listeners, tracks = pd.Index(sorted(plays["listener"].unique())), vectors.index
    options = [FactorSettings(n_factors=32)]
    history = measure("counting plays", lambda: count_history(plays, listeners, tracks))
    x, setting = vectors.to_numpy(), choose_content(options)
    content = measure("factors from sound, with a fit to learn them from", lambda: fit_content(history, x, setting, 0))
    measure("factors of plays, 32", lambda: fit_hybrid(history, content, options[0], 0, Blend()))

    def run() -> Outcome:
        return run_experiment(plays, vectors, options, date=None, held_out=0.2, k=20, confidence=0.95, seed=0)

    outcome = measure("all: choice of one setting, fit, evaluation", run)
    print_figures(outcome)


def print_figures(outcome: Outcome) -> None:
    """Print MAP by group, and the hybrid's gains."""
    figures, choice = outcome.figures, outcome.choice
    print(f"  {choice.settings.method} {choice.settings.n_factors}, {choice.blend}")
    for group in GROUPS:
        values = {s: get_estimate(figures, s, "map", *group)["value"] for s in SYSTEMS}
        print(f"  {'/'.join(group)}:", ", ".join(f"{s} {v:.4f}" for s, v in values.items() if v is not None))
        for other in ("content", "factors", "popular"):
            gain = get_estimate(figures, "hybrid", f"map_above_{other}", *group)
            if gain["low"] is not None:
                print(f"    above {other}: {gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})")
    for metric in ("coverage", "popularity_lift"):
        found = ", ".join(f"{s} {get_estimate(figures, s, metric, 'all', 'all')['value']:.2f}" for s in SYSTEMS)
        print(f"  {metric}: {found}")


def measure_quality(seeds: list[int], plays: float) -> None:
    """Print the figures of planted listeners, then of the same with shuffled histories."""
    bpr = [FactorSettings("bpr", option.n_factors) for option in OPTIONS]
    for seed in seeds:
        world = make_world(seed, plays=plays)
        print(f"seed {seed}: {len(world.plays):,} plays")
        outcome = world.run([*OPTIONS, *bpr])
        print("  tried:", ", ".join(f"{c['method']} {c['n_factors']} {c['map']:.4f}" for c in outcome.choice.curve))
        print_figures(outcome)
        print(f"seed {seed}, shuffled")
        print_figures(world.shuffle(seed).run())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plays", type=int, default=1_000_000)
    parser.add_argument("--tracks", type=int, default=20_000)
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--plays-per-listener", type=float, default=60.0)
    options = parser.parse_args()
    if options.quality:
        measure_quality(options.seeds, options.plays_per_listener)
    else:
        measure_cost(options.plays, options.tracks)


if __name__ == "__main__":
    main()
