"""Strata for balanced splits and sliced metrics: decade, and cell of a map grid."""

from collections.abc import Callable

import numpy as np
import pandas as pd

LATITUDES, LONGITUDES = 30, 60
"""Size of a cell of the map grid, in degrees."""
NO_VALUE = "unknown"


def decades(tracks: pd.DataFrame) -> list[str]:
    """Return the name of each track's decade.

    Parameters
    ----------
    tracks : DataFrame
        year; may be missing.

    Returns
    -------
    list of str
        `NO_VALUE` without a year.

    Examples
    --------
    >>> decades(pd.DataFrame({"year": [1968.0, float("nan")]}))
    ['1960s', 'unknown']
    """
    return [NO_VALUE if np.isnan(y) else f"{int(y // 10 * 10)}s" for y in _get_numbers(tracks, "year")]


def places(tracks: pd.DataFrame) -> list[str]:
    """Return the name of each track's cell of the map grid.

    Parameters
    ----------
    tracks : DataFrame
        latitude, longitude in degrees; both may be missing.

    Returns
    -------
    list of str
        `NO_VALUE` if either is missing.

    Examples
    --------
    >>> places(pd.DataFrame({"latitude": [48.2, -33.9], "longitude": [16.4, 151.2]}))
    ['30 to 60 N, 0 to 60 E', '30 to 60 S, 120 to 180 E']
    """
    coordinates = zip(_get_numbers(tracks, "latitude"), _get_numbers(tracks, "longitude"), strict=True)
    return [_name_cell(latitude, longitude) for latitude, longitude in coordinates]


def _name_cell(latitude: float, longitude: float) -> str:
    if np.isnan(latitude) or np.isnan(longitude):
        return NO_VALUE

    def name_interval(value: float, step: int, maximum: int, hemispheres: str) -> str:
        low = int(min(abs(value), maximum - 1) // step * step)
        return f"{low} to {low + step} {hemispheres[int(value < 0)]}"

    return f"{name_interval(latitude, LATITUDES, 90, 'NS')}, {name_interval(longitude, LONGITUDES, 180, 'EW')}"


def _get_numbers(tracks: pd.DataFrame, column: str) -> pd.Series:
    return tracks.get(column, pd.Series(np.nan, tracks.index)).astype(float)


STRATA: dict[str, Callable[[pd.DataFrame], list[str]]] = {"decade": decades, "place": places}
