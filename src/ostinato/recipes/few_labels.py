"""Accuracy with few labels: the same test tracks, and random subsets of the training tracks of each fold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin

from ostinato.cache.store import Store
from ostinato.core import params, registry
from ostinato.core.calibrated import Calibrated
from ostinato.core.params.schema import Estimator
from ostinato.core.paths import Paths
from ostinato.core.summary import read_vectors
from ostinato.io import tables
from ostinato.io.files import read_json, write_json
from ostinato.labelling.learning_curve import compute_learning_curve
from ostinato.recipes import Few
from ostinato.training.settings import derive

LABEL = "genre"
FILE = "few_labels.json"


@dataclass(frozen=True)
class Problem:
    """The data of an estimator, as in its stages.

    Parameters
    ----------
    make : callable
        Returns a new classifier, without calibration.
    x : np.ndarray [shape=(n_tracks, width)]
    y : np.ndarray [shape=(n_tracks,), dtype=int64]
    groups : np.ndarray [shape=(n_tracks,)]
    folds : list of (np.ndarray, np.ndarray)
        Positions of training and test tracks.
    """

    make: Callable[[], ClassifierMixin]
    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]


def read_problem(inside: Paths, entry: Estimator) -> Problem:
    """Read the tracks of the splits, their labels and their vectors.

    Parameters
    ----------
    inside : Paths
        Of the run.
    entry : Estimator
        From its params.yaml.

    Returns
    -------
    Problem
    """
    rows, store = tables.read(inside.splits), Store(inside.feature(entry.feature))
    genres = tables.read(inside.tracks)[["track_id", LABEL]]
    tracks = rows.drop_duplicates("track_id")[["track_id", "group"]].merge(genres, on="track_id")
    tracks = tracks[[track_id in store for track_id in tracks["track_id"]]].reset_index(drop=True)
    plugin = registry.load("ostinato.estimators", entry.estimator)

    def make() -> Any:
        classifier = plugin.pipeline(0, **entry.options)
        return classifier.classifier if isinstance(classifier, Calibrated) else classifier

    y = tracks[LABEL].astype("category").cat.codes.to_numpy()
    x = read_vectors(store, tracks["track_id"])
    return Problem(make, x, y, tracks["group"].to_numpy(), _list_folds(rows, tracks["track_id"]))


def run(inside: Paths, few: Few) -> None:
    """Measure each estimator's accuracy by number of labels, and write ``few_labels.json``.

    Parameters
    ----------
    inside : Paths
        Of the run.
    few : Few
    """
    settings = params.load(inside.params)
    accuracy: dict[str, dict[str, list[float]]] = {}
    for name in few.candidates:
        problem = read_problem(inside, settings.estimators[name])
        n_train = min(len(train) for train, _ in problem.folds)
        sizes = np.unique(np.minimum(few.labels, n_train))
        draws = [_measure(problem, sizes, derive(settings.seed, "few labels", draw)) for draw in range(few.draws)]
        accuracy[name] = {
            str(size): [round(float(v), 6) for v in values]
            for size, values in zip(sizes, np.transpose(draws), strict=True)
        }
    write_json(inside.root / FILE, accuracy)


def describe(inside: Paths) -> list[str]:
    """Return the result of `run` as a table in Markdown: mean and deviation over the draws."""
    accuracy = read_json(inside.root / FILE)
    sizes = sorted(next(iter(accuracy.values())), key=int)
    n_draws = len(next(iter(accuracy.values()))[sizes[0]])
    lines = [
        f"Accuracy by number of labels, {n_draws} draws on the same test tracks: mean ± deviation over draws.",
        "",
        f"| candidate | {' | '.join(f'{size} labels' for size in sizes)} |",
        "|---" * (1 + len(sizes)) + "|",
    ]
    for name, of_size in accuracy.items():
        cells = (f"{np.mean(of_size[size]):.3f} ± {np.std(of_size[size]):.3f}" for size in sizes)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _measure(problem: Problem, sizes: np.ndarray, seed: int) -> np.ndarray:
    p = problem
    return compute_learning_curve(p.make, p.x, p.y, p.groups, p.folds, seed=seed, n_draws=1, sizes=sizes).accuracy


def _list_folds(rows: pd.DataFrame, track_ids: pd.Series) -> list[tuple[np.ndarray, np.ndarray]]:
    """List the positions of each fold's training and test tracks; only evaluable tracks are tested."""
    position = {track_id: i for i, track_id in enumerate(track_ids)}
    rows = rows[rows["track_id"].isin(position)]
    folds = []
    for _, fold in rows.groupby("fold"):
        tests = (fold["split"] == "test") & fold["evaluable"]
        train, test = (fold["track_id"][mask].map(position).to_numpy() for mask in (fold["split"] != "test", tests))
        if len(test):
            folds.append((train, test))
    return folds
