"""K nearest neighbours: the share of each class among the nearest training tracks by standardised features.

`PRIOR` further tracks with the class shares of the training set are added to the neighbours, so that
no class has probability 0; the calibration uses logarithms.

References
----------
T. Cover and P. Hart, "Nearest neighbor pattern classification", IEEE Transactions on
Information Theory 13(1), 1967.
"""

from typing import Any, Literal

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from ostinato.core.calibrated import Calibrated, add_scaling

MIN_EXAMPLES = 1
PRIOR = 5
"""Weight of the class shares in training, in tracks."""


def pipeline(
    seed: int, *, n_neighbors: int = 10, metric: Literal["euclidean", "manhattan"] = "euclidean"
) -> Calibrated:
    """Make the classifier.

    Parameters
    ----------
    seed : int
        Draws the folds of the calibration.
    n_neighbors : int
    metric : {"euclidean", "manhattan"}

    Returns
    -------
    Calibrated
    """
    knn = KNeighborsClassifier(n_neighbors, metric=metric)
    shares = DecisionTreeClassifier(min_impurity_decrease=1.0)  # a root without branches
    voters, weights = [("knn", knn), ("shares", shares)], np.array([n_neighbors, PRIOR])
    vote = VotingClassifier(voters, voting="soft", weights=weights, flatten_transform=False)
    return Calibrated(add_scaling(vote, None), seed)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest the number of neighbours and the distance."""
    return {
        "network": {
            "n_neighbors": trial.suggest_int("n_neighbors", 1, 30, log=True),
            "metric": trial.suggest_categorical("metric", ["euclidean", "manhattan"]),
        },
        "train": {},
    }
