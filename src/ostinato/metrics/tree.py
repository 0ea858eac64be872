"""Hierarchical metrics, of classes that are paths in a tree such as ``rock---punk``: common ancestors count as hits.

References
----------
S. Kiritchenko et al., "Learning and evaluation in the presence of class hierarchies",
Canadian AI 2006.
D. Bogdanov et al., "The AcousticBrainz genre dataset", ISMIR 2019 (notation of paths).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ostinato.metrics.labels import f1_micro

SEPARATOR = "---"


def find_ancestors(classes: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Find the nodes on the path of each class, including its own.

    Parameters
    ----------
    classes : sequence of str

    Returns
    -------
    ancestors : np.ndarray [shape=(n_classes, n_nodes), dtype=bool]
    nodes : tuple of str

    Examples
    --------
    >>> ancestors, nodes = find_ancestors(["rock---punk", "rock"])
    >>> nodes, ancestors.astype(int).tolist()
    (('rock', 'rock---punk'), [[1, 1], [1, 0]])
    """
    paths = [name.split(SEPARATOR) for name in classes]
    prefixes = [{SEPARATOR.join(path[: i + 1]) for i in range(len(path))} for path in paths]
    nodes = tuple(sorted(set().union(*prefixes)))
    ancestors = np.array([[node in own for node in nodes] for own in prefixes], bool)
    return ancestors.reshape(len(classes), len(nodes)), nodes


def hierarchical_f1(
    *,
    preds: np.ndarray,
    target: np.ndarray,
    ancestors: np.ndarray,
    group: np.ndarray | None = None,
    counts: np.ndarray | None = None,
) -> Any:
    """F1 over the nodes of predicted and true classes, all tracks together.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.
    ancestors : np.ndarray [shape=(n_classes, n_nodes), dtype=bool]
        From `find_ancestors`.
    group, counts
        As for any metric; default: all tracks count once.

    Returns
    -------
    float or np.ndarray [shape=(n_replicates,)]
        NaN without any predicted and true labels.

    Examples
    --------
    >>> ancestors, _ = find_ancestors(["rock---punk", "rock---metal", "jazz"])
    >>> hierarchical_f1(preds=np.array([[1, 0, 0]]), target=np.array([[0, 1, 0]]), ancestors=ancestors)
    0.5
    """
    predicted, true = ((np.asarray(x) > 0) @ ancestors for x in (preds, target))
    return f1_micro(preds=predicted, target=true, group=group, counts=counts)
