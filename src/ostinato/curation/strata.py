"""Strata for balanced splits and sliced metrics: decade and cell of the map."""

from collections.abc import Callable

import numpy as np
import pandas as pd

LATITUDES, LONGITUDES = 30, 60
"""Degrees that a cell of the map spans."""
UNKNOWN = "unknown"


def decades(tracks: pd.DataFrame) -> list[str]:
    """Name each track's decade.

    Parameters
    ----------
    tracks : DataFrame
        year, which may lack.

    Returns
    -------
    list of str
        `UNKNOWN` where the year is.

    Examples
    --------
    >>> decades(pd.DataFrame({"year": [1968.0, float("nan")]}))
    ['1960s', 'unknown']
    """
    return [UNKNOWN if np.isnan(y) else f"{int(y // 10 * 10)}s" for y in _numbers(tracks, "year")]


def places(tracks: pd.DataFrame) -> list[str]:
    """Name each track's cell of the map.

    Parameters
    ----------
    tracks : DataFrame
        latitude, longitude in degrees; both may lack.

    Returns
    -------
    list of str
        `UNKNOWN` where either is.

    Examples
    --------
    >>> places(pd.DataFrame({"latitude": [48.2, -33.9], "longitude": [16.4, 151.2]}))
    ['30 to 60 N, 0 to 60 E', '30 to 60 S, 120 to 180 E']
    """
    where = zip(_numbers(tracks, "latitude"), _numbers(tracks, "longitude"), strict=True)
    return [_cell(latitude, longitude) for latitude, longitude in where]


def _cell(latitude: float, longitude: float) -> str:
    if np.isnan(latitude) or np.isnan(longitude):
        return UNKNOWN

    def side(value: float, step: int, most: int, names: str) -> str:
        low = int(min(abs(value), most - 1) // step * step)
        return f"{low} to {low + step} {names[int(value < 0)]}"

    return f"{side(latitude, LATITUDES, 90, 'NS')}, {side(longitude, LONGITUDES, 180, 'EW')}"


def _numbers(tracks: pd.DataFrame, column: str) -> pd.Series:
    return tracks.get(column, pd.Series(np.nan, tracks.index)).astype(float)


STRATA: dict[str, Callable[[pd.DataFrame], list[str]]] = {"decade": decades, "place": places}
