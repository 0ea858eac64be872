r"""Agreement between the labels of several people.

Krippendorff's alpha is :math:`1 - D_o / D_e`, from the observed disagreement and that expected by chance:
1 for full agreement, 0 for agreement by chance. Tracks with one label do not count.

References
----------
K. Krippendorff, "Computing Krippendorff's alpha-reliability", University of Pennsylvania, 2011.
"""

from collections import Counter
from collections.abc import Iterable, Sequence


def compute_alpha(labels: Iterable[Sequence[str]]) -> float | None:
    """Compute Krippendorff's alpha of nominal labels.

    Parameters
    ----------
    labels : iterable of sequence of str
        Of each track, one label per person.

    Returns
    -------
    float or None
        None if no track has two labels, or all labels are the same.

    Examples
    --------
    >>> compute_alpha([["a", "a"], ["b", "b"], ["a"]]), compute_alpha([["a", "b"], ["b", "a"]])
    (1.0, -0.5)
    """
    rows = [list(row) for row in labels if len(row) > 1]
    totals = Counter(label for row in rows for label in row)
    n = totals.total()
    expected = sum(c * (n - c) for c in totals.values())
    if not expected:
        return None
    observed = sum(_count_differing(row) / (len(row) - 1) for row in rows)
    return 1 - (n - 1) * observed / expected


def _count_differing(labels: Sequence[str]) -> int:
    """Count the ordered pairs of labels that differ."""
    return len(labels) ** 2 - sum(c * c for c in Counter(labels).values())


def choose_label(labels: Sequence[str]) -> str | None:
    """Choose the most frequent label; None for a tie.

    Examples
    --------
    >>> choose_label(["a", "b", "a"]), choose_label(["a", "b"]), choose_label([])
    ('a', None, None)
    """
    first, *others = [*Counter(labels).most_common(2), ("", 0)]
    return first[0] if first[1] > (others[0][1] if others else 0) else None
