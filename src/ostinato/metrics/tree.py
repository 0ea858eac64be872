"""Metrics of classes that form a tree, written as paths such as ``rock---punk``: a near miss counts for what is shared.

References
----------
S. Kiritchenko et al., "Learning and evaluation in the presence of class hierarchies",
Canadian AI 2006.
D. Bogdanov et al., "The AcousticBrainz genre dataset", ISMIR 2019: the way paths are written.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ostinato.metrics.labels import f1_micro

SEPARATOR = "---"


def lineage(classes: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return which nodes of the tree a class stands for: itself and all above it.

    Parameters
    ----------
    classes : sequence of str

    Returns
    -------
    ancestors : np.ndarray [shape=(n_classes, n_nodes), dtype=bool]
    nodes : tuple of str

    Examples
    --------
    >>> ancestors, nodes = lineage(["rock---punk", "rock"])
    >>> nodes, ancestors.astype(int).tolist()
    (('rock', 'rock---punk'), [[1, 1], [1, 0]])
    """
    paths = [name.split(SEPARATOR) for name in classes]
    above = [{SEPARATOR.join(path[: i + 1]) for i in range(len(path))} for path in paths]
    nodes = tuple(sorted(set().union(*above)))
    return np.array([[node in own for node in nodes] for own in above], bool).reshape(len(classes), len(nodes)), nodes


def hierarchical_f1(
    *,
    preds: np.ndarray,
    target: np.ndarray,
    ancestors: np.ndarray,
    group: np.ndarray | None = None,
    counts: np.ndarray | None = None,
) -> Any:
    """F1 over all nodes that the named and the right classes stand for, all tracks together.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.
    ancestors : np.ndarray [shape=(n_classes, n_nodes), dtype=bool]
        By `lineage`.
    group, counts
        As for any metric; without them all tracks count once.

    Returns
    -------
    float or np.ndarray [shape=(n_replicates,)]
        NaN if nothing is named and nothing is right.

    Examples
    --------
    >>> ancestors, _ = lineage(["rock---punk", "rock---metal", "jazz"])
    >>> hierarchical_f1(preds=np.array([[1, 0, 0]]), target=np.array([[0, 1, 0]]), ancestors=ancestors)
    0.5
    """
    named, true = ((np.asarray(x) > 0) @ ancestors for x in (preds, target))
    return f1_micro(preds=named, target=true, group=group, counts=counts)
