"""Majority: the share of each class in training, for every track.

The baseline that every other candidate must beat; for multi-label tasks its scores are
the shares of the tags.
"""

from typing import Any

from sklearn.dummy import DummyClassifier

MIN_EXAMPLES = 1


def pipeline(seed: int) -> DummyClassifier:
    """Make the classifier; the seed has no effect."""
    return DummyClassifier(strategy="prior", random_state=seed)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Suggest nothing."""
    return {"network": {}, "train": {}}
