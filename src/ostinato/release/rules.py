"""Results of rules, as written to gate.json and verdict.json."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ostinato.core.candidates import AT_RELEASE, PREFERRED
from ostinato.errors import ParamsError


@dataclass(frozen=True)
class RuleResult:
    """Result of one rule for one candidate.

    Parameters
    ----------
    rule : str
        A metric, `CALIBRATION` or one of `AT_RELEASE`.
    kept : bool
        Whether the candidate passes.
    figure, bound : float or None
        None if undefined.
    reason : str
        Explanation.
    """

    rule: str
    kept: bool
    figure: float | None
    bound: float | None
    reason: str


def to_records(results: Iterable[RuleResult]) -> list[dict[str, Any]]:
    """Return results as JSON records, with figures to six digits."""

    def round_figure(value: Any) -> Any:
        return float(f"{value:.6g}") if isinstance(value, float) else value

    return [{key: round_figure(value) for key, value in asdict(result).items()} for result in results]


def at_most(rule: str, figure: float, bound: float, text: str) -> RuleResult:
    """Check that a figure does not exceed its bound.

    Parameters
    ----------
    rule : str
    figure, bound : float
    text : str
        Start of the reason, before the comparison.

    Examples
    --------
    >>> at_most("bytes", 12, 10, "12 bytes are").reason
    '12 bytes are above 10'
    """
    passed = figure <= bound
    return RuleResult(rule, passed, figure, bound, f"{text} {'at most' if passed else 'above'} {_number(bound)}")


def release_bounds(bounds: Mapping[str, Any], release: Any) -> dict[str, float]:
    """Collect the release bounds of a task, from gate.<task> or else from the section `release`.

    Parameters
    ----------
    bounds : mapping
        params.yaml: gate.<task>.
    release : object
        params.yaml: release.

    Returns
    -------
    dict of str to float
        By rule; rules without a bound are absent.

    Raises
    ------
    ParamsError
        If one has a min or no max: all are upper bounds; or if one belongs to ``gate.space``.
    """
    general = {
        "parity": release.parity,
        "bytes": release.max_bytes,
        "latency_ratio": release.max_latency_ratio,
        "drop": release.max_drop,
    }
    if PREFERRED in bounds:
        raise ParamsError(f"params.yaml: {PREFERRED} is a rule of gate.space only; move it there")
    overrides = {}
    for rule in (r for r in AT_RELEASE if r in bounds):
        if bounds[rule].max is None or bounds[rule].min is not None:
            raise ParamsError(f"params.yaml: {rule} in gate is an upper bound; give it a max and no min")
        overrides[rule] = bounds[rule].max
    return {rule: bound for rule, bound in (general | overrides).items() if bound is not None}


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
