"""How the networks learnt."""

from typing import Any

from markupsafe import Markup

from ostinato.report import plots
from ostinato.report.material import Material

TITLE = "Validation curves"


def section(material: Material) -> dict[str, Any] | None:
    """Draw the validation curves of all networks that have some."""
    means = plots.mean_curves(material.curves)
    if not means:
        return None
    order = list(means)
    return {
        "picture": Markup(plots.themed(plots.curves(means, order))),
        "legend": [(name, i % len(plots.SERIES), plots.style(i)[1]) for i, name in enumerate(order)],
    }
