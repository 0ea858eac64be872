"""Artists, years and places of the tracks."""

from typing import Any

import numpy as np
from markupsafe import Markup

from ostinato.core.counts import format_count
from ostinato.report import pictures, plots
from ostinato.report.material import Material

TITLE = "Artists, years and places"


def section(material: Material) -> dict[str, Any] | None:
    """Plot artists, years and places, as far as they are known."""
    tracks, plotted = material.tracks, dict[str, tuple[str, str]]()
    artists = tracks["artist"].dropna() if "artist" in tracks else tracks.iloc[:0, 0]
    if len(artists):
        counts = artists.value_counts()
        half = int((counts.cumsum() < counts.sum() / 2).sum()) + 1
        caption = f"{format_count(len(counts), 'artist')}; the {half:,} with most tracks have half of all tracks"
        plotted["artists"] = (caption, pictures.plot_long_tail(counts.to_numpy(), "artists"))
    years = tracks["year"].dropna().to_numpy(float) if "year" in tracks else np.empty(0)
    if len(years):
        caption = f"a year is known for {format_count(len(years), 'track')}"
        plotted["years"] = (caption, plots.plot_histogram(years, "year"))
    if {"latitude", "longitude"} <= set(tracks):
        known = tracks[["longitude", "latitude"]].dropna().to_numpy(float)
        if len(known):
            caption = f"a place is known for {format_count(len(known), 'track')}"
            plotted["places"] = (caption, pictures.plot_places(*known.T))
    cards = [{"name": k, "caption": c, "picture": Markup(plots.apply_theme(p))} for k, (c, p) in plotted.items()]
    return {"cards": cards} if cards else None
