"""Labels that are perhaps wrong, by the scores of candidates that never saw the track."""

from typing import Any

from ostinato.report.material import Material

TITLE = "Labels to look at"
LISTED = 20


def section(material: Material) -> dict[str, Any] | None:
    """List the first suspects; the whole ranking stands in plots/suspects.csv."""
    found = material.suspects
    if found is None or not found["suspect"].any():
        return None
    suspects = found[found["suspect"]]
    return {"n_tracks": len(found), "n_suspects": len(suspects), "rows": suspects.head(LISTED).to_dict("records")}
