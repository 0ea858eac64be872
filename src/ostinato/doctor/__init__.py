"""What this machine, installation and project lack for ostinato to run, and how to fix each.

>>> [check.__name__ for check in CHECKS][:3]
['check_python', 'check_packages', 'check_extras']
"""

from collections.abc import Sequence

from ostinato.core.counts import format_count
from ostinato.doctor.finding import Finding
from ostinato.doctor.installation import (
    check_decoders,
    check_extras,
    check_packages,
    check_python,
    check_torch,
)
from ostinato.doctor.machine import (
    Machine,
    check_clock,
    check_cores,
    check_disk,
    check_files,
    check_home,
    check_locale,
    check_memory,
    check_temporary,
)
from ostinato.doctor.project import (
    check_catalog,
    check_database,
    check_key,
    check_models,
    check_params,
    check_prefect,
    check_remote,
)

CHECKS = (
    check_python,
    check_packages,
    check_extras,
    check_torch,
    check_decoders,
    check_cores,
    check_memory,
    check_disk,
    check_temporary,
    check_home,
    check_files,
    check_locale,
    check_clock,
    check_params,
    check_remote,
    check_prefect,
    check_database,
    check_key,
    check_models,
    check_catalog,
)

__all__ = ["CHECKS", "Finding", "Machine", "diagnose", "format_findings"]


def diagnose(machine: Machine) -> list[Finding]:
    """Run every check.

    Parameters
    ----------
    machine : Machine

    Returns
    -------
    list of Finding
        At least one of each check; a check that fails itself is an error.
    """
    findings: list[Finding] = []
    for check in CHECKS:
        name = check.__name__.removeprefix("check_")
        try:
            findings += check(machine)
        except Exception as error:  # whatever a broken machine makes of it
            findings.append(Finding(name, "error", f"cannot be checked: {type(error).__name__}: {error}"))
    return findings


def format_findings(findings: Sequence[Finding]) -> str:
    """Lay findings out for people: a line each, and a line on how to fix it."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:8} {finding.check:10} {finding.text}")
        lines += [f"{'':19} to fix it: {finding.mend}"] if finding.mend else []
    n_errors, n_warnings = (sum(f.state == state for f in findings) for state in ("error", "warning"))
    return "\n".join([*lines, f"{format_count(n_errors, 'error')}, {format_count(n_warnings, 'warning')}"])
