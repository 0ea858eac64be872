"""Faults found by validation: broken tracks with spectrograms, all excluded files, and copies."""

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
MAX_FAULTS, MAX_COPIES = 12, 20
MAX_FILES = 500
"""Maximum number of files from each table on the page."""


def section(material: Material) -> dict[str, Any] | None:
    """Show the first broken track of each reason, and the first copies."""
    copies = tables.read(material.paths.copies) if material.paths.copies.exists() else pd.DataFrame({"track_id": []})
    warnings = tables.read(material.paths.warnings) if material.paths.warnings.exists() else material.quarantine[:0]
    if material.quarantine.empty and warnings.empty and copies.empty:
        return None
    first = material.quarantine.drop_duplicates("reason").sort_values("reason").head(MAX_FAULTS)
    return {
        "faults": [row | {"picture": _draw(material.root, row["path"])} for row in first.to_dict("records")],
        "n_faults": material.quarantine["track_id"].nunique(),
        "files": [
            *({"fate": "left out", **row} for row in material.quarantine.head(MAX_FILES).to_dict("records")),
            *({"fate": "kept", **row} for row in warnings.head(MAX_FILES).to_dict("records")),
        ],
        "n_unlisted": max(len(material.quarantine) - MAX_FILES, 0) + max(len(warnings) - MAX_FILES, 0),
        "copies": copies.head(MAX_COPIES).to_dict("records"),
        "n_copies": len(copies),
    }


def _draw(root: Path, path: Any) -> Markup | None:
    """Plot the spectrogram of a file, as far as it can be decoded."""
    y, rate = np.zeros(0, np.float32), 1
    try:
        y, rate = audio.load(root / path)
    except ReadError as error:
        if not str(error).endswith(audio.ABSENCE):  # a missing file is among the faults
            raise
    except (DataError, TypeError):
        pass
    if not len(y):
        return None
    rows, seconds = pictures.compute_spectrogram(y, rate)
    ticks = {0.0: "0", float(rows.shape[1] - 1): f"{rate / 2000:g}"}
    return Markup(
        plots.apply_theme(pictures.plot_feature(rows[:, ::2], seconds, label="kHz", ticks=_halve(ticks), height=1.3))
    )


def _halve(ticks: dict[float, str]) -> dict[float, str]:
    return {place / 2: name for place, name in ticks.items()}
