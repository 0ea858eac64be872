"""Answers from the catalog: its tracks, what is near to some of them, and their sound."""

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
from ostinato.serving.chart import SHOWN as ON_MAP
from ostinato.serving.chart import chart, rows
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
ANOTHER = (
    "the embedding is of network {!r} and does not belong in the catalog of network {!r}; "
    "the catalog was made anew since: ask /v1/predict?embedding=true again"
)


def list_tracks(catalog: Catalog, text: str, start: int, n: int) -> Tracks:
    """List tracks whose id, title, artist or genre holds a text.

    Parameters
    ----------
    catalog : Catalog
    text : str
        Empty: all of them.
    start, n : int
        How many to leave out, and how many to give.
    """
    needle = identity(text) or ""
    rows = [row for row, name in enumerate(_texts(catalog)) if needle in name]
    return Tracks(
        version=catalog.version, n_tracks=len(rows), tracks=[_track(catalog, r) for r in rows[start : start + n]]
    )


def near(catalog: Catalog, request: RecommendationRequest) -> Recommendations:
    """Recommend.

    Raises
    ------
    HTTPException
        422 if a seed is unknown, of another network, or missing.
    """
    try:
        seeds: list[Any] = list(request.tracks)
        if request.embedding is not None:
            if request.version not in (None, "", catalog.version):
                raise HTTPException(422, ANOTHER.format(request.version[:12], catalog.version[:12]))
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
    known = [catalog.metadata[catalog.row(t)] for t in request.tracks]
    heard = frozenset(request.heard)
    found = [_describe(catalog, catalog.row(i), float(s), known, heard) for i, s in zip(ids, scores, strict=True)]
    return Recommendations(version=catalog.version, reasons=request.reasons, recommendations=found)


def make_map(catalog: Catalog) -> Map:
    """Lay out the catalog in two dimensions, thinned if it is large."""
    shown, seen = rows(len(catalog), ON_MAP), chart(catalog)
    known = [{k: v for k, v in _fields(catalog, row).items() if k in Point.model_fields} for row in shown]
    places = seen.place(catalog.vectors[shown])
    points = [Point(**about, place=_round(place)) for about, place in zip(known, places, strict=True)]
    return Map(version=catalog.version, n_tracks=len(catalog), share=round(seen.share, 4), points=points)


def place(catalog: Catalog, vector: np.ndarray, version: str) -> Place | None:
    """Place a track that is not in the catalog; None if another network made its vector, or it has no direction."""
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
        The dataset's folder; nothing outside it is given but what a link in it leads to, as ingest follows it.

    Raises
    ------
    HTTPException
        404 if the track or its file is not there.
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
    """List what each track is searched by, once."""
    return [_text(catalog, row) for row in range(len(catalog))]


def _text(catalog: Catalog, row: int) -> str:
    known = catalog.metadata[row]
    text = " ".join([catalog.ids[row], *(str(known[k]) for k in ("title", "artist", "genre") if known.get(k))])
    return identity(text) or ""


def _fields(catalog: Catalog, row: int) -> dict[str, Any]:
    known = {k: catalog.metadata[row][k] for k in SHOWN if catalog.metadata[row].get(k) is not None}
    return {"id": catalog.ids[row], "audio": f"v1/audio?track={quote(catalog.ids[row], safe='')}", **known}


def _round(place: np.ndarray) -> Place:
    x, y = np.round(place.astype(np.float64), 4).tolist()
    return x, y


def _track(catalog: Catalog, row: int) -> Track:
    return Track(**_fields(catalog, row))


def _describe(
    catalog: Catalog, row: int, score: float, seeds: list[dict[str, Any]], heard: frozenset[str]
) -> Recommendation:
    """Return what a track shares with the seeds, beside its sound, and with labels that were heard in one."""
    known = catalog.metadata[row]
    shared = [f"the same {k}" for k in SHARED if any(are_same(s.get(k), known.get(k)) for s in seeds)]
    tags = sorted({t for s in seeds for t in s.get("tags") or ()} & set(known.get("tags") or ()))
    labels = [label for label in (known.get("genre"), *(known.get("tags") or ())) if label in heard]
    alike = [f"as heard: {', '.join(labels[:3])}"] if labels else []
    because = [*shared, *(f"tagged {t}, too" for t in tags[:3]), *alike]
    return Recommendation(**_fields(catalog, row), score=round(score, 6), because=because)
