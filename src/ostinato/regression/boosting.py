"""Gradient boosting of trees with Huber's loss.

References
----------
J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29(5), 2001.
"""

import numpy as np
from pydantic import BaseModel
from sklearn.ensemble import GradientBoostingRegressor

from ostinato.regression.loss import Choice, Sample, choose


class GradientBoosting(BaseModel, frozen=True, extra="forbid"):
    """Gradient boosting; the number of trees is chosen on the validation tracks.

    Parameters
    ----------
    n_estimators : int
        Maximum number of trees.
    learning_rate : float
    max_depth, min_samples_leaf : int
    subsample : float
        Share of the tracks that each tree is fitted on.
    """

    n_estimators: int = 150
    learning_rate: float = 0.1
    max_depth: int = 4
    min_samples_leaf: int = 20
    subsample: float = 0.5

    def choose(self, train: Sample, validation: Sample, seed: int) -> Choice:
        """Choose the number of trees with the lowest loss on the validation tracks.

        Parameters
        ----------
        train, validation : Sample
        seed : int
        """
        x, y = validation
        scale = float(train[1].std())
        staged = self.fit(*train, seed, self.n_estimators).staged_predict(x)
        return choose(dict(enumerate(staged, start=1)), y, scale)

    def fit(self, x: np.ndarray, y: np.ndarray, seed: int, setting: int) -> GradientBoostingRegressor:
        """Fit a given number of trees."""
        return GradientBoostingRegressor(
            loss="huber",
            n_estimators=setting,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            subsample=self.subsample,
            random_state=seed,
        ).fit(x, y)
