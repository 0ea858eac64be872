"""A rule and what it answered: the same words in gate.json and in verdict.json."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ostinato.core.candidates import AT_RELEASE
from ostinato.errors import ParamsError


@dataclass(frozen=True)
class RuleResult:
    """What one rule said of one candidate.

    Parameters
    ----------
    rule : str
        Its name: a metric, `CALIBRATION` or one of `AT_RELEASE`.
    kept : bool
    figure, bound : float or None
        None where a figure is undefined.
    reason : str
        The same in words.
    """

    rule: str
    kept: bool
    figure: float | None
    bound: float | None
    reason: str


def to_records(answers: Iterable[RuleResult]) -> list[dict[str, Any]]:
    """Return what stands in a file of verdicts, figures to six digits."""

    def short(value: Any) -> Any:
        return float(f"{value:.6g}") if isinstance(value, float) else value

    return [{key: short(value) for key, value in asdict(answer).items()} for answer in answers]


def at_most(rule: str, figure: float, bound: float, shown: str) -> RuleResult:
    """Answer whether a figure stays below its bound.

    Parameters
    ----------
    rule : str
    figure, bound : float
    shown : str
        The figure in words, without the comparison.

    Examples
    --------
    >>> at_most("bytes", 12, 10, "12 bytes are").reason
    '12 bytes are above 10'
    """
    kept = figure <= bound
    return RuleResult(rule, kept, figure, bound, f"{shown} {'at most' if kept else 'above'} {_number(bound)}")


def release_bounds(bounds: Mapping[str, Any], release: Any) -> dict[str, float]:
    """Gather what the release allows a task: what gate.<task> says, else what the section `release` says.

    Parameters
    ----------
    bounds : mapping
        params.yaml: gate.<task>.
    release : object
        params.yaml: release.

    Returns
    -------
    dict of str to float
        By rule; a rule that nobody gave is absent.

    Raises
    ------
    ParamsError
        If one has a min, or no max: all of them are bounded from above.
    """
    general = {
        "parity": release.parity,
        "bytes": release.max_bytes,
        "latency_ratio": release.max_latency_ratio,
        "drop": release.max_drop,
    }
    own = {}
    for rule in (r for r in AT_RELEASE if r in bounds):
        if bounds[rule].max is None or bounds[rule].min is not None:
            raise ParamsError(f"params.yaml: gate's {rule} is bounded from above; give it a max and no min")
        own[rule] = bounds[rule].max
    return {rule: bound for rule, bound in (general | own).items() if bound is not None}


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
