"""One clip in all kinds of feature, as the networks read them."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ostinato.report import pictures, plots
from ostinato.report.material import Material
from ostinato.store import Store

TITLE = "One clip, as networks read it"
KINDS = ("stft", "mel", "cqt", "mfcc", "chroma", "mfcc13")
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def section(material: Material) -> dict[str, Any] | None:
    """Draw the first track of the split that the cache holds."""
    stores = {k: Store(f) for k in KINDS if ((f := material.paths.feature(k)) / "meta.json").exists()}
    stores = {k: s for k, s in stores.items() if len(s)}
    track = next((t for t in material.splits["track_id"] if stores and all(t in s for s in stores.values())), None)
    if track is None:
        return None
    seconds = float(material.tracks.set_index("track_id")["duration"].get(track) or 0)
    about = material.tracks.set_index("track_id").loc[track]
    named = [str(about[c]) for c in ("artist", "title", "genre") if pd.notna(about.get(c))]
    return {
        "track": track,
        "named": ", ".join(named),
        "kinds": [_card(k, s, track, seconds) for k, s in stores.items()],
    }


def _card(kind: str, store: Store, track: str, seconds: float) -> dict[str, Any]:
    rows = np.asarray(store.read(track), np.float32)
    drawn = pictures.raster(rows, seconds, label=_label(kind), ticks=_ticks(kind, store, rows.shape[1]))
    return {"name": kind, "picture": Markup(plots.themed(drawn))}


def _label(kind: str) -> str:
    return {"cqt": "note", "chroma": "note"}.get(kind, "bin")


def _ticks(kind: str, store: Store, n_bins: int) -> dict[float, str] | None:
    """Name the notes of what has notes."""
    if kind == "cqt":
        return pictures.octaves(n_bins, int(store.meta["parameters"]["bins_per_octave"]))
    if kind == "chroma" and n_bins == len(NOTES):
        return {float(i): note for i, note in enumerate(NOTES) if "#" not in note}
    return None
