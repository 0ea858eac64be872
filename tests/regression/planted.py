"""Tracks by artists with a number of which a known share can be predicted."""

import numpy as np
import pandas as pd

from ostinato.core.params.schema import Regression
from ostinato.regression.fit import Predictions, fit_folds
from ostinato.regression.inputs import Inputs
from ostinato.regression.scores import compute_figures

COLUMN = "popularity"
OPTIONS = {"gradient_boosting": {"n_estimators": 80}, "mlp": {"max_epochs": 40}}


def plant(
    seed: int, *, r2: float = 0.3, folds: int = 1, n_artists: int = 200, per_artist: int = 5, shuffled: bool = False
) -> tuple[Inputs, pd.Series]:
    """Return inputs and a number whose share `r2` is linear in them; artists resemble themselves in the inputs."""
    rng, n = np.random.default_rng(seed), n_artists * per_artist
    artist = np.repeat(np.arange(n_artists), per_artist)
    x = np.sqrt(0.5) * (rng.normal(size=(n_artists, 6))[artist] + rng.normal(size=(n, 6)))
    direction = rng.normal(size=6)
    signal = x @ direction / np.linalg.norm(direction)
    y = 50 + 20 * (np.sqrt(r2) * signal + np.sqrt(1 - r2) * rng.normal(size=n))
    ids = [f"track{i:05d}" for i in range(n)]
    turn = rng.permutation(n_artists)[artist]
    tables = []
    for fold in range(folds):
        part = np.array(["test", "validation", "train", "train", "train"])[(turn + fold) % 5]
        tables.append(pd.DataFrame({"track_id": ids, "fold": fold, "split": part, "group": artist.astype(str)}))
    number = pd.Series(rng.permutation(y) if shuffled else y, ids)
    return Inputs(pd.concat(tables, ignore_index=True), np.tile(x, (folds, 1)).astype(np.float32), {}), number


def make_entry(regressor: str = "ridge", **changes: object) -> Regression:
    """Return an entry of params.yaml."""
    options = OPTIONS.get(regressor, {})
    return Regression(**{"column": COLUMN, "regressor": regressor, "feature": "mel", "options": options} | changes)


def fit(regressor: str, inputs: Inputs, number: pd.Series, seed: int = 0) -> Predictions:
    """Fit every fold."""
    return fit_folds(inputs, number, make_entry(regressor), "popular", seed)


def judge(predictions: Predictions) -> tuple[dict, dict]:
    """Return the figures of a regression and of its baseline."""
    columns = {column: predictions.table[column].to_numpy() for column in predictions.table}
    return compute_figures(
        columns["prediction"], columns["target"], columns, columns["fold"], columns["group"], confidence=0.95
    )
