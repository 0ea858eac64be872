"""Faults that validation found: broken tracks with their spectrograms, all that is left out, and copies."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ostinato import audio
from ostinato.errors import DataError, ReadError
from ostinato.io import tables
from ostinato.report import pictures, plots
from ostinato.report.material import Material

TITLE = "Faults and copies"
MOST = 12
LISTED = 20
MOST_NAMED = 500
"""Files of each table that the page names; the rest stands in the table itself."""


def section(material: Material) -> dict[str, Any] | None:
    """Show the first broken track of each reason, and the first copies."""
    copies = tables.read(material.paths.copies) if material.paths.copies.exists() else pd.DataFrame({"track_id": []})
    warnings = tables.read(material.paths.warnings) if material.paths.warnings.exists() else material.quarantine[:0]
    if material.quarantine.empty and warnings.empty and copies.empty:
        return None
    first = material.quarantine.drop_duplicates("reason").sort_values("reason").head(MOST)
    return {
        "faults": [row | {"picture": _draw(material.root, row["path"])} for row in first.to_dict("records")],
        "n_faults": material.quarantine["track_id"].nunique(),
        "everything": [
            *({"fate": "left out", **row} for row in material.quarantine.head(MOST_NAMED).to_dict("records")),
            *({"fate": "kept", **row} for row in warnings.head(MOST_NAMED).to_dict("records")),
        ],
        "n_unnamed": max(len(material.quarantine) - MOST_NAMED, 0) + max(len(warnings) - MOST_NAMED, 0),
        "copies": copies.head(LISTED).to_dict("records"),
        "n_copies": len(copies),
    }


def _draw(root: Path, path: Any) -> Markup | None:
    """Draw the spectrogram of what can be decoded of a file."""
    y, rate = np.zeros(0, np.float32), 1
    try:
        y, rate = audio.load(root / path)
    except ReadError as error:
        if not str(error).endswith(audio.ABSENT):  # what was never there is among the faults
            raise
    except (DataError, TypeError):
        pass
    if not len(y):
        return None
    rows, seconds = pictures.spectrogram(y, rate)
    ticks = {0.0: "0", float(rows.shape[1] - 1): f"{rate / 2000:g}"}
    return Markup(
        plots.apply_theme(pictures.raster(rows[:, ::2], seconds, label="kHz", ticks=_halve(ticks), height=1.3))
    )


def _halve(ticks: dict[float, str]) -> dict[float, str]:
    return {place / 2: name for place, name in ticks.items()}
