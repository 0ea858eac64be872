"""Origins of the tracks: the long tail of artists, years and places."""

from typing import Any

import numpy as np
from markupsafe import Markup

from ostinato.report import pictures, plots
from ostinato.report.material import Material

TITLE = "Artists, years and places"


def section(material: Material) -> dict[str, Any] | None:
    """Draw what the dataset tells; nothing where it tells nothing."""
    tracks, drawn = material.tracks, dict[str, tuple[str, str]]()
    artists = tracks["artist"].dropna() if "artist" in tracks else tracks.iloc[:0, 0]
    if len(artists):
        counts = artists.value_counts()
        half = int((counts.cumsum() < counts.sum() / 2).sum()) + 1
        about = f"{len(counts):,} artists; the {half:,} with most tracks have half of them"
        drawn["artists"] = (about, pictures.tail(counts.to_numpy(), "artists"))
    years = tracks["year"].dropna().to_numpy(float) if "year" in tracks else np.empty(0)
    if len(years):
        drawn["years"] = (f"{len(years):,} tracks have a year", plots.histogram(years, "year"))
    if {"latitude", "longitude"} <= set(tracks):
        known = tracks[["longitude", "latitude"]].dropna().to_numpy(float)
        if len(known):
            drawn["places"] = (f"{len(known):,} tracks have a place", pictures.places(*known.T))
    cards = [{"name": k, "about": about, "picture": Markup(plots.apply_theme(p))} for k, (about, p) in drawn.items()]
    return {"cards": cards} if cards else None
