"""Labels that may be wrong, by the scores of candidates that were not trained on the track."""

from typing import Any

from ostinato.report.material import Material

TITLE = "Labels to check"
MAX_ROWS = 20


def section(material: Material) -> dict[str, Any] | None:
    """List the first suspects; plots/suspects.csv has all tracks."""
    ranking = material.suspects
    if ranking is None or not ranking["suspect"].any():
        return None
    suspects = ranking[ranking["suspect"]]
    return {"n_tracks": len(ranking), "n_suspects": len(suspects), "rows": suspects.head(MAX_ROWS).to_dict("records")}
