"""Gradient boosting over histograms of the columns.

References
----------
G. Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017.
"""

from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier

from ostinato.core.calibrated import Calibrated

MIN_EXAMPLES = 1


def pipeline(
    seed: int,
    *,
    learning_rate: float = 0.1,
    max_iter: int = 100,
    max_leaf_nodes: int = 31,
    min_samples_leaf: int = 20,
    l2_regularization: float = 0.0,
) -> Calibrated:
    """Make the classifier, without early stopping.

    Parameters
    ----------
    seed : int
        Draws the folds of the calibration.
    learning_rate : float
    max_iter : int
        Trees per class.
    max_leaf_nodes, min_samples_leaf : int
    l2_regularization : float

    Returns
    -------
    Calibrated
    """
    trees = HistGradientBoostingClassifier(
        learning_rate=learning_rate,
        max_iter=max_iter,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        l2_regularization=l2_regularization,
        early_stopping=False,
        random_state=seed,
    )
    return Calibrated(trees, seed)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest the learning rate, the size of the trees and the penalty."""
    return {
        "network": {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "max_iter": trial.suggest_int("max_iter", 30, 200, log=True),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 7, 63, log=True),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 10.0, log=True),
        },
        "train": {},
    }
