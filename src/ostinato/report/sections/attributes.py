"""The numbers that a dataset itself tells of its tracks: spread, gaps, correlations and course over the years."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from ostinato.io import tables
from ostinato.report import pictures, plots
from ostinato.report.material import Material

TITLE = "Attributes"
LEAST_OF_A_YEAR = 5


def section(material: Material) -> dict[str, Any] | None:
    """Draw the table of attributes, if the dataset has one."""
    file = material.paths.attributes
    told = tables.read(file).set_index("track_id") if file.exists() else pd.DataFrame()
    known = told.loc[:, told.notna().any()] if len(told) else told
    if known.empty:
        return None
    drawn = {
        "distributions": pictures.grid({str(c): known[c].dropna().to_numpy() for c in known}, pictures.distribution)
    }
    varied = known.loc[:, known.nunique() > 1]
    if varied.shape[1] > 1:
        drawn["correlations"] = pictures.correlations(varied.corr())
    years = material.tracks.set_index("track_id")["year"].reindex(known.index)
    over = {str(c): table for c in varied if len(table := over_years(varied[c], years)) > 1}
    if over:
        drawn["years"] = pictures.grid(over, pictures.course)
    missing = told.isna().sum()
    return {
        "n_tracks": len(told),
        "missing": [(c, int(n), float(n / len(told))) for c, n in missing.items() if n],
        "pictures": {name: Markup(plots.apply_theme(p)) for name, p in drawn.items()},
    }


def over_years(values: pd.Series, years: pd.Series) -> pd.DataFrame:
    """Sum up an attribute year by year.

    Parameters
    ----------
    values, years : Series
        By the same index.

    Returns
    -------
    DataFrame
        mean, low and high (quartiles) by year; years with fewer than five tracks are left out.

    Examples
    --------
    >>> table = over_years(pd.Series([1.0, 2, 3, 4, 5, 9]), pd.Series([1990.0] * 5 + [1991.0]))
    >>> table.loc[1990].tolist(), len(table)
    ([3.0, 2.0, 4.0], 1)
    """
    known = pd.DataFrame({"value": values, "year": years}).replace([np.inf, -np.inf], np.nan).dropna()
    by = known.groupby("year")["value"]
    found = pd.DataFrame({"mean": by.mean(), "low": by.quantile(0.25), "high": by.quantile(0.75)})
    return found[by.size() >= LEAST_OF_A_YEAR]
