"""Queries of the catalog: its tracks, recommendations, the map and audio files."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from fastapi import HTTPException

from ostinato.core.names import are_same, identity
from ostinato.errors import CatalogError
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.filters import Filter
from ostinato.recommendation.history import Listen
from ostinato.recommendation.recommend import recommend
from ostinato.serving.chart import MAX_POINTS, chart, rows
from ostinato.serving.schemas import (
    Map,
    Place,
    Point,
    Recommendation,
    RecommendationRequest,
    Recommendations,
    Track,
    Tracks,
)

SHOWN = ("title", "artist", "genre", "year")
SHARED = ("artist", "album", "genre")
OTHER_NETWORK = (
    "the embedding is from network {!r}, the catalog from network {!r}: "
    "the catalog has been rebuilt; request /v1/predict?embedding=true again"
)


def list_tracks(catalog: Catalog, text: str, start: int, n: int) -> Tracks:
    """List tracks whose id, title, artist or genre contains a text.

    Parameters
    ----------
    catalog : Catalog
    text : str
        Empty: all of them.
    start, n : int
        Number of tracks to skip, and to return.
    """
    needle = identity(text) or ""
    rows = [row for row, name in enumerate(_texts(catalog)) if needle in name]
    return Tracks(
        version=catalog.version, n_tracks=len(rows), tracks=[_track(catalog, r) for r in rows[start : start + n]]
    )


def near(catalog: Catalog, request: RecommendationRequest) -> Recommendations:
    """Recommend tracks.

    Raises
    ------
    HTTPException
        422 if a seed is unknown, from another network, or missing.
    """
    try:
        seeds: list[Any] = list(request.tracks)
        if request.embedding is not None:
            if request.version not in (None, "", catalog.version):
                raise HTTPException(422, OTHER_NETWORK.format(request.version[:12], catalog.version[:12]))
            vector = np.array(request.embedding, np.float64)
            catalog.units(vector[np.newaxis], version=request.version or catalog.version)
            seeds.append(vector)
        ids, scores = recommend(
            catalog,
            seeds,
            k=request.k,
            weights=request.weights,
            dislikes=request.dislikes,
            history=[Listen(listen.track, listen.plays, listen.skips) for listen in request.history],
            keep=Filter(request.years, request.near, frozenset(request.tags), frozenset(request.genres)),
            exclude=request.exclude,
            diversity=request.diversity,
            per_artist=request.per_artist,
        )
    except CatalogError as error:
        raise HTTPException(422, str(error)) from error
    tracks = [catalog.metadata[catalog.row(t)] for t in request.tracks]
    labels = frozenset(request.heard)
    results = [_describe(catalog, catalog.row(i), float(s), tracks, labels) for i, s in zip(ids, scores, strict=True)]
    return Recommendations(version=catalog.version, reasons=request.reasons, recommendations=results)


def make_map(catalog: Catalog) -> Map:
    """Project the catalog to two dimensions, thinned if it is large."""
    indices, projection = rows(len(catalog), MAX_POINTS), chart(catalog)
    points = []
    for row, place in zip(indices, projection.place(catalog.vectors[indices]), strict=True):
        fields = {k: v for k, v in _fields(catalog, row).items() if k in Point.model_fields}
        points.append(Point(**fields, place=_round(place)))
    return Map(version=catalog.version, n_tracks=len(catalog), share=round(projection.share, 4), points=points)


def place(catalog: Catalog, vector: np.ndarray, version: str) -> Place | None:
    """Project a new track onto the map; None if its vector is from another network or has no direction."""
    try:
        return _round(chart(catalog).place(catalog.units(vector[np.newaxis], version=version))[0])
    except CatalogError:
        return None


def sound(catalog: Catalog, track_id: str, root: Path) -> Path:
    """Find the file of a track.

    Parameters
    ----------
    catalog : Catalog
    track_id : str
    root : Path
        The dataset's folder; files outside it are refused, unless a link in it leads there, as in ingest.

    Raises
    ------
    HTTPException
        404 if the track or its file is missing.
    """
    if track_id not in catalog:
        raise HTTPException(404, "no such track in the catalog; see /v1/tracks")
    relative = catalog.metadata[catalog.row(track_id)].get("path")
    path = Path(os.path.normpath(root / str(relative))) if relative else None
    if path is None or not path.is_relative_to(os.path.normpath(root)) or not path.is_file():
        raise HTTPException(404, "the file of this track is not on this machine")
    return path


@lru_cache(maxsize=2)
def _texts(catalog: Catalog) -> list[str]:
    """List the search text of each track, cached."""
    return [_text(catalog, row) for row in range(len(catalog))]


def _text(catalog: Catalog, row: int) -> str:
    metadata = catalog.metadata[row]
    text = " ".join([catalog.ids[row], *(str(metadata[k]) for k in ("title", "artist", "genre") if metadata.get(k))])
    return identity(text) or ""


def _fields(catalog: Catalog, row: int) -> dict[str, Any]:
    fields = {k: catalog.metadata[row][k] for k in SHOWN if catalog.metadata[row].get(k) is not None}
    return {"id": catalog.ids[row], "audio": f"v1/audio?track={quote(catalog.ids[row], safe='')}", **fields}


def _round(place: np.ndarray) -> Place:
    x, y = np.round(place.astype(np.float64), 4).tolist()
    return x, y


def _track(catalog: Catalog, row: int) -> Track:
    return Track(**_fields(catalog, row))


def _describe(
    catalog: Catalog, row: int, score: float, seeds: list[dict[str, Any]], predicted: frozenset[str]
) -> Recommendation:
    """Describe a recommendation: the metadata it shares with the seeds and with labels predicted for one."""
    metadata = catalog.metadata[row]
    shared = [f"the same {k}" for k in SHARED if any(are_same(s.get(k), metadata.get(k)) for s in seeds)]
    tags = sorted({t for s in seeds for t in s.get("tags") or ()} & set(metadata.get("tags") or ()))
    labels = [label for label in (metadata.get("genre"), *(metadata.get("tags") or ())) if label in predicted]
    predictions = [f"as heard: {', '.join(labels[:3])}"] if labels else []
    because = [*shared, *(f"tagged {t}, too" for t in tags[:3]), *predictions]
    return Recommendation(**_fields(catalog, row), score=round(score, 6), because=because)
