"""What the studies chose."""

from collections.abc import Mapping
from typing import Any

from ostinato.report.material import Material

TITLE = "Tuning"


def section(material: Material) -> dict[str, Any] | None:
    """List the chosen settings of each study that ran."""
    rows = []
    for name, tuned in material.tuned.items():
        if tuned.get("n_trials"):
            groups = {k: v for k, v in tuned.items() if isinstance(v, Mapping)}
            chosen = [f"{key} {value}" for group in groups.values() for key, value in sorted(group.items())]
            rows.append({"name": name, "n_trials": tuned["n_trials"], "value": tuned.get("value"), "chosen": chosen})
    return {"rows": rows} if rows else None
