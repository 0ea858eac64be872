"""Random forest of 100 trees.

References
----------
K. Asthana, A. Sharma, "Music genre classification", SRM Institute of Science and Technology, 2024, chapter 5.
L. Breiman, "Random forests", Machine Learning 45, 2001.
"""

from typing import Any, Literal

from sklearn.ensemble import RandomForestClassifier

from ostinato.core.calibrated import Calibrated

MIN_EXAMPLES = 1


def pipeline(
    seed: int,
    *,
    n_estimators: int = 100,
    max_depth: int | None = None,
    min_samples_leaf: int = 1,
    max_features: float | Literal["sqrt", "log2"] = "sqrt",
    class_weight: Literal["balanced"] | None = None,
) -> Calibrated:
    """Make the classifier; its input is not standardised.

    Parameters
    ----------
    seed : int
        Draws the trees, and the folds of the calibration.
    n_estimators : int
        Number of trees.
    max_depth : int, optional
    min_samples_leaf : int
    max_features : float or {"sqrt", "log2"}
        Features per split.
    class_weight : "balanced", optional
        Weight classes by the inverse of their share.

    Returns
    -------
    Calibrated
    """
    forest = RandomForestClassifier(
        n_estimators,
        max_depth=max_depth,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        class_weight=class_weight,
        random_state=seed,
    )
    return Calibrated(forest, seed)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest the size of the trees and the weights of the classes."""
    return {
        "network": {
            "max_depth": trial.suggest_int("max_depth", 4, 32),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 16, log=True),
            "class_weight": trial.suggest_categorical("class_weight", [None, "balanced"]),
        },
        "train": {},
    }
