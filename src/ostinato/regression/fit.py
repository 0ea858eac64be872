"""Fit a regression on every fold, and once more on all tracks for export."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from pydantic import ValidationError

from ostinato.core.counts import format_count
from ostinato.core.params.messages import describe_problem
from ostinato.core.params.schema import Regression
from ostinato.errors import DataError, ParamsError
from ostinato.metrics.jackknife import MIN_GROUPS
from ostinato.regression.boosting import GradientBoosting
from ostinato.regression.inputs import Inputs, check_own_column
from ostinato.regression.linear import HuberRegression, RidgeRegression
from ostinato.regression.loss import beats_mean
from ostinato.regression.network import Network

PARTS = ("train", "validation", "test")
REGRESSORS: dict[str, Any] = {
    "ridge": RidgeRegression,
    "huber": HuberRegression,
    "gradient_boosting": GradientBoosting,
    "mlp": Network,
}
"""Regressors by name: models whose fields are options, with ``choose`` and ``fit``."""


class Fitted(Protocol):
    """A fitted regressor."""

    def predict(self, x: np.ndarray, /) -> np.ndarray:
        """Predict numbers, (n_tracks,), from inputs, (n_tracks, width)."""
        ...


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions of a regression.

    Parameters
    ----------
    table : DataFrame
        track_id, fold, group, target, prediction, mean and deviation (of the training tracks) of each test row.
    settings : tuple of float or None
        Chosen in each fold: a penalty, or a number of trees or epochs; None if the mean is predicted.
    n_unknown : int
        Tracks of the split that were left out since their number is unknown.
    """

    table: pd.DataFrame
    settings: tuple[float | None, ...]
    n_unknown: int


def fit_folds(inputs: Inputs, target: pd.Series, entry: Regression, name: str, seed: int) -> Predictions:
    """Fit a regression on every fold and predict its test tracks.

    The setting with the lowest Huber loss on the validation artists is fitted again on training and validation
    tracks together. If it does not beat the mean there by more than one standard error, the mean is predicted. Tracks
    without a number are left out.

    Parameters
    ----------
    inputs : Inputs
    target : Series
        Number of each track, by track_id.
    entry : Regression
    name : str
        Of the entry, for messages.
    seed : int

    Returns
    -------
    Predictions

    Raises
    ------
    DataError
        If a part of a fold has no track with a number, or too few artists have one.
    """
    regressor = make_regressor(entry, name)
    table, x, y = _join(inputs, target)
    n_unknown = inputs.table["track_id"].nunique() - table["track_id"].nunique()
    _check_folds(table, entry, name)
    check_own_column(x, y, entry, name)
    parts, settings = [], []
    for fold in sorted(table["fold"].unique()):
        rows = {part: ((table["fold"] == fold) & (table["split"] == part)).to_numpy() for part in PARTS}
        train, validation = ((x[rows[part]], y[rows[part]]) for part in PARTS[:2])
        if np.ptp(train[1]) == 0:
            raise DataError(
                f"regressions.{name}: {entry.column} is {train[1][0]:g} for all training tracks of fold {fold}; "
                "choose another column, or another split"
            )
        choice = regressor.choose(train, validation, seed)
        group = table.loc[rows["validation"], "group"].to_numpy(str)
        is_better = beats_mean(choice, validation[1], float(train[1].mean()), float(train[1].std()), group)
        known = rows["train"] | rows["validation"]
        mean, deviation = y[known].mean(), y[known].std()
        prediction = np.full(rows["test"].sum(), mean)
        if is_better:
            prediction = regressor.fit(x[known], y[known], seed, choice.setting).predict(x[rows["test"]])
        test = table.loc[rows["test"], ["track_id", "fold", "group"]]
        parts.append(test.assign(target=y[rows["test"]], prediction=prediction, mean=mean, deviation=deviation))
        settings.append(choice.setting if is_better else None)
    return Predictions(pd.concat(parts, ignore_index=True), tuple(settings), n_unknown)


def fit_all(
    inputs: Inputs, target: pd.Series, entry: Regression, name: str, seed: int, settings: tuple[float | None, ...]
) -> Fitted:
    """Fit a regression on all tracks, for export, with the median setting of the folds that have one.

    Parameters
    ----------
    inputs, target, entry, name, seed
        As for `fit_folds`; the inputs must not depend on the fold.
    settings : tuple of float or None
        Of `Predictions`.

    Returns
    -------
    Fitted
    """
    table, x, y = _join(inputs, target)
    first = (~table["track_id"].duplicated()).to_numpy()
    chosen = sorted(setting for setting in settings if setting is not None)
    fitted: Fitted = make_regressor(entry, name).fit(x[first], y[first], seed, chosen[len(chosen) // 2])
    return fitted


def make_regressor(entry: Regression, name: str) -> Any:
    """Make the regressor of an entry with its options.

    Raises
    ------
    ParamsError
        If it has no such option, or one has the wrong type.
    """
    kind = REGRESSORS[entry.regressor]
    try:
        return kind(**entry.options)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        text = describe_problem(error.errors()[0], kind)
        raise ParamsError(f"params.yaml: regressions.{name}: options.{key}: {text}") from error


def _join(inputs: Inputs, target: pd.Series) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the rows, inputs and numbers of the tracks whose number is known."""
    y = inputs.table["track_id"].map(target).to_numpy(np.float64)
    known = np.isfinite(y)
    return inputs.table[known].reset_index(drop=True), inputs.x[known], y[known]


def _check_folds(table: pd.DataFrame, entry: Regression, name: str) -> None:
    """Refuse folds without tracks, and too few artists for an interval."""
    advice = "fewer split.folds, a group_by that parts more, or more tracks are needed"
    for fold in sorted(table["fold"].unique()):
        for part in PARTS:
            if not ((table["fold"] == fold) & (table["split"] == part)).any():
                raise DataError(f"regressions.{name}: no {part} track of fold {fold} has {entry.column}; {advice}")
    n_groups = table.loc[table["split"] == "test", "group"].nunique()
    if n_groups < MIN_GROUPS:
        raise DataError(
            f"regressions.{name}: the test tracks with {entry.column} are by {format_count(n_groups, 'artist')}, and "
            f"{MIN_GROUPS} are needed for an interval; {advice}"
        )
