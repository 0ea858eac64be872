"""MFCC-SVM: support vector machines with a Gaussian kernel, one for each class, on summaries of frames.

The field's usual baseline. One-vs-rest, since one-vs-one decisions are votes, which do
not measure confidence.

References
----------
G. Tzanetakis and P. Cook, "Musical genre classification of audio signals", IEEE
Transactions on Speech and Audio Processing 10(5), 2002.
R. Rifkin and A. Klautau, "In defense of one-vs-all classification", Journal of Machine Learning Research 5, 2004.
"""

from typing import Any, Literal

from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ostinato.core.calibrated import Calibrated

MIN_EXAMPLES = 1


def pipeline(
    seed: int,
    *,
    C: float = 10.0,
    gamma: float | Literal["scale", "auto"] = "scale",
    class_weight: Literal["balanced"] | None = None,
) -> Calibrated:
    """Make the classifier.

    Parameters
    ----------
    seed : int
        Draws the folds of the calibration.
    C : float
        Weight of training errors.
    gamma : float or {"scale", "auto"}
        Inverse width of the kernel.
    class_weight : "balanced", optional
        Weight classes by the inverse of their share.

    Returns
    -------
    Calibrated
    """
    machines = OneVsRestClassifier(SVC(C=C, gamma=gamma, class_weight=class_weight))
    return Calibrated(Pipeline([("scale", StandardScaler()), ("svm", machines)]), seed)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest C, gamma and the weights of the classes."""
    return {
        "network": {
            "C": trial.suggest_float("C", 0.1, 100.0, log=True),
            "gamma": trial.suggest_float("gamma", 1e-4, 1e-1, log=True),
            "class_weight": trial.suggest_categorical("class_weight", [None, "balanced"]),
        },
        "train": {},
    }
