"""Test whether one candidate is better than another on the same tracks.

The interval is from the paired jackknife over artists, since tracks of an artist are
correlated. The p-value is from McNemar's exact test, which treats tracks as independent:
it counts those that only one of the candidates classifies correctly. For tags it counts
the tracks where one has fewer errors, which is the sign test; for single labels the two
tests are identical.

References
----------
Q. McNemar, "Note on the sampling error of the difference between correlated
proportions or percentages", Psychometrika 12, 1947.
S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
Journal of Statistics 6, 1979.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ostinato.core.scores import Kind, labels
from ostinato.evaluation import paired
from ostinato.evaluation.paired import Difference
from ostinato.evaluation.predictions import ScoredTracks


@dataclass(frozen=True)
class Contrast:
    """The comparison of a candidate with another.

    Parameters
    ----------
    against : str
        Name of the other candidate.
    metric : str
    difference : Difference
        Its metric minus the other's, with the sign changed if lower is better.
    won, lost : int
        Tracks on which it, or the other, has fewer errors.
    p : float
        From McNemar's exact test; `adjust` corrects it for all candidates with the same opponent.
    """

    against: str
    metric: str
    difference: Difference
    won: int
    lost: int
    p: float

    @property
    def answer(self) -> str:
        """The conclusion from the interval: better, worse or as good."""
        return "better" if self.difference.low > 0 else "worse" if self.difference.high < 0 else "as good"


def contrast(
    new: ScoredTracks,
    old: pd.DataFrame,
    kind: Kind,
    metric: str,
    *,
    against: str,
    threshold: float,
    confidence: float,
) -> Contrast | None:
    """Compare a candidate with another on their common test tracks.

    Parameters
    ----------
    new : ScoredTracks
        Test tracks of the candidate.
    old : DataFrame
        Test tracks of the other one, from `paired.make_record`.
    kind : {"single", "multi"}
    metric : str
    against : str
        Name of the other one.
    threshold, confidence
        As in params.yaml: evaluate.

    Returns
    -------
    Contrast or None
        None if they have no common test track.
    """
    difference = paired.compare(new, old, kind, metric, threshold=threshold, confidence=confidence)
    if difference is None:
        return None
    new_index, old_index = paired.find_shared(new, old)
    scores = (new.scores[new_index], np.stack(old["scores"].to_list())[old_index].astype(np.float64))
    n_errors = [(labels(s, kind, threshold) != (new.target[new_index] > 0)).sum(axis=1) for s in scores]
    won, lost = int((n_errors[0] < n_errors[1]).sum()), int((n_errors[0] > n_errors[1]).sum())
    return Contrast(against, metric, difference, won, lost, mcnemar(won, lost))


def mcnemar(won: int, lost: int) -> float:
    """Compute the p-value of McNemar's exact test.

    Parameters
    ----------
    won, lost : int
        Tracks on which one or the other is better.

    Returns
    -------
    float
        Two-sided; 1 if they never differ.

    Examples
    --------
    >>> mcnemar(0, 5), mcnemar(0, 0)
    (0.0625, 1.0)
    """
    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p-values of several tests to control the family-wise error rate (Holm).

    Parameters
    ----------
    p : sequence of float

    Returns
    -------
    list of float
        In the same order.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted


def adjust(contrasts: Mapping[str, Contrast]) -> dict[str, Contrast]:
    """Adjust the p-values of all candidates that were compared with the same one (Holm)."""
    p = holm([c.p for c in contrasts.values()])
    return {name: replace(c, p=value) for (name, c), value in zip(contrasts.items(), p, strict=True)}
