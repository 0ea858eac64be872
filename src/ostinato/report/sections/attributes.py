"""Attributes in the dataset: distributions, missing values, correlations and trends over the years."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ostinato.io import tables
from ostinato.report import pictures, plots
from ostinato.report.material import Material

TITLE = "Attributes"
MIN_TRACKS_PER_YEAR = 5


def section(material: Material) -> dict[str, Any] | None:
    """Draw the table of attributes, if the dataset has one."""
    file = material.paths.attributes
    attributes = tables.read(file).set_index("track_id") if file.exists() else pd.DataFrame()
    known = attributes.loc[:, attributes.notna().any()] if len(attributes) else attributes
    if known.empty:
        return None
    values = {str(c): known[c].dropna().to_numpy() for c in known}
    plotted = {"distributions": pictures.plot_grid(values, pictures.draw_histogram)}
    variable = known.loc[:, known.nunique() > 1]
    if variable.shape[1] > 1:
        plotted["correlations"] = pictures.plot_correlations(variable.corr())
    years = material.tracks.set_index("track_id")["year"].reindex(known.index)
    by_year = {str(c): table for c in variable if len(table := summarise_years(variable[c], years)) > 1}
    if by_year:
        plotted["years"] = pictures.plot_grid(by_year, pictures.draw_trend)
    missing = attributes.isna().sum()
    return {
        "n_tracks": len(attributes),
        "missing": [(c, int(n), float(n / len(attributes))) for c, n in missing.items() if n],
        "pictures": {name: Markup(plots.apply_theme(p)) for name, p in plotted.items()},
    }


def summarise_years(values: pd.Series, years: pd.Series) -> pd.DataFrame:
    """Summarise an attribute by year.

    Parameters
    ----------
    values, years : Series
        With the same index.

    Returns
    -------
    DataFrame
        mean, low and high (quartiles) by year; years with fewer than five tracks are left out.

    Examples
    --------
    >>> table = summarise_years(pd.Series([1.0, 2, 3, 4, 5, 9]), pd.Series([1990.0] * 5 + [1991.0]))
    >>> table.loc[1990].tolist(), len(table)
    ([3.0, 2.0, 4.0], 1)
    """
    known = pd.DataFrame({"value": values, "year": years}).replace([np.inf, -np.inf], np.nan).dropna()
    by = known.groupby("year")["value"]
    summary = pd.DataFrame({"mean": by.mean(), "low": by.quantile(0.25), "high": by.quantile(0.75)})
    return summary[by.size() >= MIN_TRACKS_PER_YEAR]
