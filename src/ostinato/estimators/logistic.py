"""Logistic regression: the linear probe of embeddings, and a strong baseline for few tracks.

References
----------
D. R. Cox, "The regression analysis of binary sequences", Journal of the Royal Statistical Society B 20(2), 1958.
"""

from typing import Any, Literal

from sklearn.linear_model import LogisticRegression

from ostinato.core.calibrated import Calibrated, add_scaling

MIN_EXAMPLES = 1


def pipeline(
    seed: int,
    *,
    C: float = 1.0,
    class_weight: Literal["balanced"] | None = "balanced",
    row_norm: Literal["l1", "l2", "max"] | None = None,
    statistics: Literal["all", "mean"] = "all",
) -> Calibrated:
    """Make the classifier.

    Parameters
    ----------
    seed : int
        Draws the folds of the calibration.
    C : float
        Inverse strength of the penalty.
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
    return Calibrated(
        add_scaling(LogisticRegression(C=C, class_weight=class_weight, max_iter=1000), row_norm, statistics), seed
    )


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest the penalty and the weights of the classes."""
    return {
        "network": {
            "C": trial.suggest_float("C", 1e-3, 100.0, log=True),
            "class_weight": trial.suggest_categorical("class_weight", [None, "balanced"]),
        },
        "train": {},
    }
