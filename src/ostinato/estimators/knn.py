"""K nearest neighbours: the share of each class among the training tracks nearest by standardised features.

References
----------
T. Cover and P. Hart, "Nearest neighbor pattern classification", IEEE Transactions on
Information Theory 13(1), 1967.
"""

from typing import Any, Literal

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

LEAST = 1


def pipeline(seed: int, *, n_neighbors: int = 10, metric: Literal["euclidean", "manhattan"] = "euclidean") -> Pipeline:
    """Make the classifier; nothing in it is drawn by the seed.

    Parameters
    ----------
    seed : int
    n_neighbors : int
    metric : {"euclidean", "manhattan"}

    Returns
    -------
    Pipeline
    """
    return Pipeline([("scale", StandardScaler()), ("knn", KNeighborsClassifier(n_neighbors, metric=metric))])


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Ask how many neighbours, and by which distance."""
    return {
        "network": {
            "n_neighbors": trial.suggest_int("n_neighbors", 1, 30, log=True),
            "metric": trial.suggest_categorical("metric", ["euclidean", "manhattan"]),
        },
        "train": {},
    }
