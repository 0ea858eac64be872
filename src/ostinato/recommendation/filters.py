"""Filters of recommendations: years, place, tags, genres."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ostinato.core.names import identity
from ostinato.errors import CatalogError
from ostinato.recommendation.catalog import Catalog

EARTH_KM = 6371.0088
"""Mean radius (IUGG)."""
YEARS = re.compile(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?")


@dataclass(frozen=True)
class Filter:
    """Conditions on recommended tracks; a track with an unknown value does not meet them.

    Parameters
    ----------
    years : tuple of int, optional
        First and last, both included.
    near : tuple of float, optional
        Latitude and longitude in degrees, and the maximum distance in kilometres.
    tags : frozenset of str
        All of them.
    genres : frozenset of str
        Any of them; empty: all.

    Raises
    ------
    CatalogError
        If a range is empty or a place is not on Earth.
    """

    years: tuple[int, int] | None = None
    near: tuple[float, float, float] | None = None
    tags: frozenset[str] = frozenset()
    genres: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.years is not None and self.years[0] > self.years[1]:
            raise CatalogError(f"years {self.years[0]} to {self.years[1]}: the first must not be after the last")
        if self.near is not None and not (abs(self.near[0]) <= 90 and abs(self.near[1]) <= 180 and self.near[2] > 0):
            raise CatalogError(f"near {self.near}: give latitude (-90 to 90), longitude (-180 to 180) and kilometres")

    @classmethod
    def parse(
        cls,
        years: str | None = None,
        near: str | None = None,
        tags: Iterable[str] = (),
        genres: Iterable[str] = (),
    ) -> "Filter | None":
        """Parse a filter from text.

        Parameters
        ----------
        years : str, optional
            ``1970`` or ``1970-1989``.
        near : str, optional
            ``latitude,longitude,kilometres``.
        tags, genres : iterable of str

        Returns
        -------
        Filter or None
            None without conditions.

        Raises
        ------
        CatalogError
            If a text is malformed.

        Examples
        --------
        >>> Filter.parse("1970-1989", near="48.2, 16.4, 50").years
        (1970, 1989)
        """
        match = YEARS.fullmatch(years) if years is not None else None
        if years is not None and match is None:
            raise CatalogError(f"years {years!r}: give one year or a range, such as 1970 or 1970-1989")
        bounds = (int(match[1]), int(match[2] or match[1])) if match else None
        try:
            near_values = None if near is None else tuple(float(number) for number in near.split(","))
        except ValueError:
            near_values = ()
        if near_values is not None and len(near_values) != 3:
            raise CatalogError(f"near {near!r}: give latitude,longitude,kilometres, such as 48.2,16.4,50")
        keep = cls(bounds, near_values, frozenset(tags), frozenset(genres))
        return None if keep == cls() else keep

    def mask(self, catalog: Catalog) -> np.ndarray:
        """Return which tracks meet the conditions.

        Parameters
        ----------
        catalog : Catalog

        Returns
        -------
        np.ndarray [shape=(n_tracks,), dtype=bool]
        """
        mask = np.ones(len(catalog), bool)
        if self.years is not None:
            year = _numbers(catalog, "year")
            mask &= (year >= self.years[0]) & (year <= self.years[1])
        if self.near is not None:
            latitude, longitude, kilometres = self.near
            coordinates = _numbers(catalog, "latitude"), _numbers(catalog, "longitude")
            mask &= distance(latitude, longitude, *coordinates) <= kilometres
        if self.tags:
            values = {identity(tag) for tag in self.tags}
            mask &= np.array([values <= {*map(identity, tags or ())} for tags in catalog.column("tags")], bool)
        if self.genres:
            values = {identity(genre) for genre in self.genres}
            mask &= np.array([identity(genre) in values for genre in catalog.column("genre")], bool)
        return mask


def distance(latitude: float, longitude: float, latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """Compute great-circle distances by the haversine formula.

    Parameters
    ----------
    latitude, longitude : float
        Degrees.
    latitudes, longitudes : np.ndarray [shape=(n,)]
        Degrees.

    Returns
    -------
    np.ndarray [shape=(n,)]
        Kilometres; NaN for an unknown place.

    Examples
    --------
    >>> distance(0.0, 0.0, np.array([0.0, 90.0]), np.array([0.0, 0.0])).round(1)
    array([    0. , 10007.6])
    """
    a, b = np.radians(latitude), np.radians(latitudes)
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(longitudes - longitude) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def _numbers(catalog: Catalog, key: str) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in catalog.column(key)])
