"""Linear regressions with an L2 penalty: by least squares, and with Huber's loss."""

from typing import Any

import numpy as np
from pydantic import BaseModel
from sklearn.linear_model import HuberRegressor, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ostinato.regression.loss import DELTA, Choice, Sample, choose

MAX_ITERATIONS = 1000


class Linear(BaseModel, frozen=True, extra="forbid"):
    """A linear regression; the penalty is chosen on the validation tracks.

    Parameters
    ----------
    penalties : tuple of float
        Strengths to choose from, per track; the largest leaves little but the mean.
    """

    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)

    def choose(self, train: Sample, validation: Sample, seed: int) -> Choice:
        """Choose the penalty with the lowest loss on the validation tracks.

        Parameters
        ----------
        train, validation : Sample
        seed : int
            Not used.
        """
        x, y = validation
        scale = float(train[1].std())
        return choose({p: self.fit(*train, seed, p).predict(x) for p in self.penalties}, y, scale)

    def fit(self, x: np.ndarray, y: np.ndarray, seed: int, setting: float) -> Pipeline:
        """Fit with a given penalty."""
        return make_pipeline(StandardScaler(), self.make(setting * len(x))).fit(x, y)

    def make(self, alpha: float) -> Any:
        """Make the unfitted last step."""
        raise NotImplementedError


class RidgeRegression(Linear):
    """Ridge regression: squared loss."""

    def make(self, alpha: float) -> Ridge:
        """Make the unfitted last step."""
        return Ridge(alpha=alpha)


class HuberRegression(Linear):
    """Linear regression with Huber's loss, which single odd numbers move less.

    Parameters
    ----------
    delta : float
        Residual from which the loss is linear, in robust standard deviations, which are fitted too.

    References
    ----------
    P. J. Huber, E. M. Ronchetti, "Robust statistics", 2nd edition, Wiley, 2009, section 7.7.
    """

    delta: float = DELTA

    def make(self, alpha: float) -> HuberRegressor:
        """Make the unfitted last step."""
        return HuberRegressor(epsilon=self.delta, alpha=alpha, max_iter=MAX_ITERATIONS)
