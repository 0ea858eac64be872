"""Test whether one candidate is better than another on the same tracks.

The interval is of the paired jackknife, which leaves out artists and so knows that
their tracks are alike. The p-value is of McNemar's exact test, which takes tracks for
independent: it counts those that one has right and the other wrong. With several tags
a track it counts those where one is wrong in fewer tags, which is the sign test; for
one label a track the two are the same.

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
    """One candidate against another.

    Parameters
    ----------
    against : str
        The other one.
    metric : str
    difference : Difference
        Its figure less the other's, turned so that more is better.
    won, lost : int
        Tracks on which it, or the other, is wrong in fewer classes.
    p : float
        Of McNemar's exact test; once adjusted by Holm, of all candidates against the same other one.
    """

    against: str
    metric: str
    difference: Difference
    won: int
    lost: int
    p: float

    @property
    def answer(self) -> str:
        """Return in a word what the interval allows: better, worse, or as good."""
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
    """Compare a candidate with another on the test tracks of both.

    Parameters
    ----------
    new : ScoredTracks
        Its test tracks.
    old : DataFrame
        The other's, by `paired.make_record`.
    kind : {"single", "multi"}
    metric : str
    against : str
        What the other one is called.
    threshold, confidence
        As in params.yaml: evaluate.

    Returns
    -------
    Contrast or None
        None if they share no track.
    """
    difference = paired.compare(new, old, kind, metric, threshold=threshold, confidence=confidence)
    if difference is None:
        return None
    mine, theirs = paired.find_shared(new, old)
    scores = (new.scores[mine], np.stack(old["scores"].to_list())[theirs].astype(np.float64))
    wrong = [(labels(s, kind, threshold) != (new.target[mine] > 0)).sum(axis=1) for s in scores]
    won, lost = int((wrong[0] < wrong[1]).sum()), int((wrong[0] > wrong[1]).sum())
    return Contrast(against, metric, difference, won, lost, mcnemar(won, lost))


def mcnemar(won: int, lost: int) -> float:
    """Return the chance of a split as uneven as this, if either is as likely to win a track.

    Parameters
    ----------
    won, lost : int
        Tracks on which the one is better, or the other.

    Returns
    -------
    float
        Two-sided, exact; 1 if they never differ.

    Examples
    --------
    >>> mcnemar(0, 5), mcnemar(0, 0)
    (0.0625, 1.0)
    """
    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p-values of several tests, so that one of them all is wrong no oftener than a single one would be.

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
    found, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        found[i] = highest
    return found


def adjust(contrasts: Mapping[str, Contrast]) -> dict[str, Contrast]:
    """Adjust the p-values of candidates that were all compared with the same one, by Holm."""
    p = holm([c.p for c in contrasts.values()])
    return {name: replace(c, p=value) for (name, c), value in zip(contrasts.items(), p, strict=True)}
