"""Majority: the share of each class in training, whatever the track.

What every other candidate must beat; on several labels its scores are the shares
of the tags.
"""

from typing import Any

from sklearn.dummy import DummyClassifier

LEAST = 1


def pipeline(seed: int) -> DummyClassifier:
    """Make the classifier; nothing in it is drawn by the seed."""
    return DummyClassifier(strategy="prior", random_state=seed)


def search_space(trial: Any) -> dict[str, dict[str, Any]]:
    """Ask nothing: there is nothing to choose."""
    return {"network": {}, "train": {}}
