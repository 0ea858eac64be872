"""Metrics of classes that form a tree, written as paths such as ``rock---punk``: a near miss counts for what is shared.

References
----------
S. Kiritchenko et al., "Learning and evaluation in the presence of class hierarchies",
Canadian AI 2006.
D. Bogdanov et al., "The AcousticBrainz genre dataset", ISMIR 2019: the way paths are written.
"""

from collections.abc import Sequence

import numpy as np

from ostinato.metrics import _resampled

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


def hierarchical_f1(*, preds: np.ndarray, target: np.ndarray, ancestors: np.ndarray) -> float:
    """F1 over all nodes that the named and the right classes stand for, all tracks together.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.
    ancestors : np.ndarray [shape=(n_classes, n_nodes), dtype=bool]
        By `lineage`.

    Returns
    -------
    float
        NaN if nothing is named and nothing is right.

    Examples
    --------
    >>> ancestors, _ = lineage(["rock---punk", "rock---metal", "jazz"])
    >>> hierarchical_f1(preds=np.array([[1, 0, 0]]), target=np.array([[0, 1, 0]]), ancestors=ancestors)
    0.5
    """
    group, once = np.zeros(len(target), np.int64), np.ones((1, 1), np.int64)
    return float(resample(preds, target, group, once, ancestors)[0])


def resample(
    preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray, ancestors: np.ndarray
) -> np.ndarray:
    """Compute `hierarchical_f1` for many resamples at once; see `ostinato.metrics._resampled`."""
    named, true = ((np.asarray(x) > 0) @ ancestors for x in (preds, target))
    return _resampled.f1_micro(named, true, group, counts)
