"""Linear support vector machines, one for each class, on standardised columns.

References
----------
R.-E. Fan, K.-W. Chang, C.-J. Hsieh, X.-R. Wang, C.-J. Lin, "LIBLINEAR: a library for
large linear classification", Journal of Machine Learning Research 9, 2008.
"""

from typing import Any, Literal

from sklearn.svm import LinearSVC

from ostinato.core.calibrated import Calibrated, add_scaling

MIN_EXAMPLES = 1


def pipeline(
    seed: int,
    *,
    C: float = 0.1,
    class_weight: Literal["balanced"] | None = "balanced",
    row_norm: Literal["l1", "l2", "max"] | None = None,
    statistics: Literal["all", "mean"] = "all",
) -> Calibrated:
    """Make the classifier.

    Parameters
    ----------
    seed : int
        Draws the folds of the calibration and the order of the solver.
    C : float
        Weight of training errors.
    class_weight : "balanced", optional
        Weight classes by the inverse of their share.
    row_norm : {"l1", "l2", "max"}, optional
        Divide each track's vector by its norm, for embeddings in which only the direction matters.
    statistics : {"all", "mean"}
        All columns of a summary, or only the means, which suffice for an encoder.

    Returns
    -------
    Calibrated
    """
    machines = LinearSVC(C=C, class_weight=class_weight, max_iter=10_000, random_state=seed)
    return Calibrated(add_scaling(machines, row_norm, statistics), seed)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest the weight of errors and the weights of the classes."""
    return {
        "network": {
            "C": trial.suggest_float("C", 1e-4, 10.0, log=True),
            "class_weight": trial.suggest_categorical("class_weight", [None, "balanced"]),
        },
        "train": {},
    }
