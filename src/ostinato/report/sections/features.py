"""One clip in all features, as networks read them."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ostinato import features
from ostinato.cache.store import Store
from ostinato.report import pictures, plots
from ostinato.report.material import Material

TITLE = "One clip, as networks read it"
KINDS = ("stft", "mel", "cqt", "mfcc", "chroma", "mfcc13")


def section(material: Material) -> dict[str, Any] | None:
    """Plot the first track of the split that is in the cache."""
    stores = {k: Store(f) for k in KINDS if ((f := material.paths.feature(k)) / "meta.json").exists()}
    stores = {k: s for k, s in stores.items() if len(s)}
    track = next((t for t in material.splits["track_id"] if stores and all(t in s for s in stores.values())), None)
    if track is None:
        return None
    seconds = float(material.tracks.set_index("track_id")["duration"].get(track) or 0)
    row = material.tracks.set_index("track_id").loc[track]
    names = [str(row[c]) for c in ("artist", "title", "genre") if pd.notna(row.get(c))]
    return {
        "track": track,
        "names": ", ".join(names),
        "kinds": [_card(k, s, track, seconds) for k, s in stores.items()],
    }


def _card(kind: str, store: Store, track: str, seconds: float) -> dict[str, Any]:
    rows = np.asarray(store.read(track), np.float32)
    axis = features.axis(str(store.meta.get("module", kind)), store.meta["parameters"])
    plot = pictures.plot_feature(rows, seconds, label=axis.label, ticks=axis.ticks)
    return {"name": kind, "picture": Markup(plots.apply_theme(plot))}
