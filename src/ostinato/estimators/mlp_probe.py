"""MLP probe: a network with one hidden layer on frozen embeddings, next to the linear probe of `logistic`.

References
----------
R. Yuan et al., "MARBLE: music audio representation benchmark for universal evaluation",
NeurIPS 2023 (datasets and benchmarks): a probe is one hidden layer of 512 units with ReLU.
"""

from typing import Any, Literal

from sklearn.neural_network import MLPClassifier

from ostinato.core.calibrated import Calibrated, add_scaling

MIN_EXAMPLES = 1
BATCH = 32
TOLERANCE, PATIENCE = 1e-2, 5
"""Training ends when the training loss has not fallen by this much for this many epochs."""


def pipeline(
    seed: int,
    *,
    hidden: int = 512,
    alpha: float = 1.0,
    lr: float = 1e-3,
    max_iter: int = 200,
    row_norm: Literal["l1", "l2", "max"] | None = None,
    statistics: Literal["all", "mean"] = "all",
) -> Calibrated:
    """Make the classifier; it stops by its training loss, without a validation set.

    Parameters
    ----------
    seed : int
        Draws the folds of the calibration, the weights and the batches.
    hidden : int
        Units of the hidden layer.
    alpha : float
        Strength of the penalty on squared weights.
    lr : float
        Of Adam.
    max_iter : int
        Maximal number of epochs.
    row_norm : {"l1", "l2", "max"}, optional
        Divide each track's vector by its norm, for embeddings in which only the direction matters.
    statistics : {"all", "mean"}
        All columns of a summary, or only the means, which suffice for an encoder.

    Returns
    -------
    Calibrated
    """
    network = MLPClassifier(
        (hidden,),
        alpha=alpha,
        batch_size=BATCH,
        learning_rate_init=lr,
        max_iter=max_iter,
        tol=TOLERANCE,
        n_iter_no_change=PATIENCE,
        random_state=seed,
    )
    return Calibrated(add_scaling(network, row_norm, statistics), seed)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest the number of units, the penalty and the learning rate."""
    return {
        "network": {
            "hidden": trial.suggest_categorical("hidden", [128, 512]),
            "alpha": trial.suggest_float("alpha", 1e-3, 10.0, log=True),
            "lr": trial.suggest_float("lr", 1e-4, 1e-2, log=True),
        },
        "train": {},
    }
