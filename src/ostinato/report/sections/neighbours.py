"""Neighbours: every similarity space, the neighbours of some cold artists, maps of the catalog."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ostinato.errors import CatalogError
from ostinato.evaluation.similarity.projection import project_pca, project_tsne
from ostinato.io.files import read_json, read_parquet
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.recommend import recommend
from ostinato.report.listening import clip, spread
from ostinato.report.material import Material
from ostinato.report.pieces import cached

TITLE = "Neighbours"
TASK = "artist_embedding"
SHOWN = ("map", "ndcg", "jaccard")
PLAIN = ("random", "popular")
ARTISTS, NEAR, POINTS, COLOURS = 6, 5, 400, 8
FIRST, WIDTH = 6, 200
"""How many spaces are shown beside those that compare; how wide the plane is, whose height is 100."""
OTHER = "other"


def section(material: Material) -> dict[str, Any] | None:
    """Gather the table of spaces, and what the catalog can show; None where nothing was ranked."""
    paths = material.paths
    if not paths.ranking.exists() or not paths.ranking_table.exists():
        return None
    ranking = read_json(paths.ranking)
    if "spaces" not in ranking:
        return None
    try:
        catalog: Catalog | None = Catalog.load(paths.catalog)
    except CatalogError:
        catalog = None
    return {
        "question": ranking["question"].rpartition("_")[0],
        "k": ranking["k"],
        "baseline": ranking["baseline"],
        "network": read_json(paths.catalog / "model.json")["name"] if catalog else None,
        "clusters": ranking.get("clusters"),
        "spaces": spaces(read_parquet(paths.ranking_table), ranking),
        "examples": [] if catalog is None else examples(catalog, _find_cold(material), _read_related(material)),
        "width": WIDTH,
        "map": None if catalog is None or len(catalog) < 3 else place_clip(plane(catalog), material),
    }


def spaces(table: pd.DataFrame, ranking: dict[str, Any]) -> list[dict[str, Any]]:
    """List the spaces, best first, by the question that decides.

    Parameters
    ----------
    table : DataFrame
        models/ranking.parquet.
    ranking : mapping
        models/ranking.json.

    Returns
    -------
    list of dict
        name, plain (chance, popularity or statistics), accepted, figures on cold and known
        artists, and whether it is shown at once.
    """
    question = ranking["question"].rpartition("_")[0]
    table = table[table["question"] == question].astype({"value": float}).set_index(["space", "artists", "metric"])
    figures = table[["value", "low", "high"]].astype(object).where(table[["value", "low", "high"]].notna(), None)
    rows = []
    for name in ranking["spaces"]:
        cold = {m: _figure(figures, (name, "cold", m)) for m in SHOWN}
        gain = _figure(figures, (name, "cold", f"map_above_{ranking['baseline']}"))
        known = _figure(figures, (name, "known", "map"))
        plain = name in PLAIN or name == ranking["baseline"]
        accepted = ranking["gate"].get(name, {}).get("accepted")
        rows.append({"name": name, "plain": plain, "accepted": accepted, **cold, "gain": gain, "known": known})
    rows.sort(key=lambda row: -(row["map"]["value"] or 0))
    return [row | {"shown": row["plain"] or row["accepted"] or i < FIRST} for i, row in enumerate(rows)]


def examples(catalog: Catalog, cold: set[str], related: dict[str, set[str]]) -> list[dict[str, Any]]:
    """Return the neighbours of some artists that training never saw.

    Parameters
    ----------
    catalog : Catalog
        Of tracks.
    cold : set of str
        Artists of test tracks.
    related : mapping of str to set of str
        Whom the dataset relates.

    Returns
    -------
    list of dict
        The artist and ``near``, each with name, genre, origin, years, score and whether it is related.
    """
    artists = catalog.by("artist")
    asked = [a for a in artists.ids if a in cold]
    chosen = [asked[i] for i in np.unique(np.linspace(0, len(asked) - 1, ARTISTS).astype(int))] if asked else []
    found = []
    for artist in chosen:
        ids, scores = recommend(catalog, [artist], k=NEAR, level="artist")
        near = [
            about(catalog, other) | {"score": float(score), "related": other in related.get(artist, ())}
            for other, score in zip(ids, scores, strict=True)
        ]
        found.append(about(catalog, artist) | {"near": near})
    return found


def about(catalog: Catalog, artist: str) -> dict[str, Any]:
    """Return what is known of an artist: genres of its tracks, where it comes from, when it recorded."""
    known = [m for m in catalog.metadata if m.get("artist") == artist]
    genres = [g for g, _ in Counter(str(m["genre"]) for m in known if m.get("genre")).most_common(2)]
    years = sorted(int(m["year"]) for m in known if m.get("year") is not None)
    places = [m for m in known if m.get("latitude") is not None and m.get("longitude") is not None]
    return {
        "name": artist,
        "genre": ", ".join(genres),
        "origin": place(places[0]["latitude"], places[0]["longitude"]) if places else "",
        "years": "" if not years else f"{years[0]}" if years[0] == years[-1] else f"{years[0]}–{years[-1]}",
    }


def place(latitude: float, longitude: float) -> str:
    """Write a place in whole degrees.

    Examples
    --------
    >>> place(48.2, 16.4), place(-23.5, -46.6)
    ('48° N 16° E', '24° S 47° W')
    """
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.0f}° {north} {abs(longitude):.0f}° {east}"


def plane(catalog: Catalog) -> dict[str, Any]:
    """Place tracks in two planes, and say which colour each has under which aspect.

    Returns
    -------
    dict
        ``points``: id, name and place of each in either plane, from 0 to 100, and its
        colour by aspect; ``legends``: what the colours of an aspect mean.
    """
    rows = np.unique(np.linspace(0, len(catalog) - 1, min(POINTS, len(catalog))).astype(int))
    drawn = catalog.vectors[rows]
    planes = {"tsne": scale(cached(project_tsne)(drawn, 0)), "pca": scale(project_pca(drawn))}
    known = [catalog.metadata[row] for row in rows]
    aspects = {name: [_aspect(m, name) for m in known] for name in ("genre", "era", "origin", "artist")}
    legends = {name: commonest(values) for name, values in aspects.items() if len(set(values)) > 1}
    colours = {
        name: [legend.index(v) if v in legend else COLOURS for v in aspects[name]] for name, legend in legends.items()
    }
    points = [
        {
            "track_id": catalog.ids[row],
            "name": catalog.line(catalog.ids[row]),
            "colours": {name: colours[name][i] for name in legends},
            **{name: xy[i].tolist() for name, xy in planes.items()},
        }
        for i, row in enumerate(rows)
    ]
    return {"points": points, "legends": legends, "aspects": list(legends)}


def place_clip(drawn: Mapping[str, Any], material: Material) -> dict[str, Any]:
    """Mark some points that lie far apart with a number and a stretch of sound.

    Parameters
    ----------
    drawn : mapping
        As `plane` gives.
    material : Material
        Says how many; a track whose file cannot be decoded stays mute.

    Returns
    -------
    dict
        The points with ``number`` (None: not heard), and ``heard``: number, name and
        sound of each that is.
    """
    points, paths = drawn["points"], material.tracks.set_index("track_id")
    players: list[dict[str, Any]] = []
    for row in spread(np.array([point["tsne"] for point in points]), material.clips):
        path = paths["path"].get(points[row]["track_id"]) if "path" in paths else None
        sound = clip(material.root / path) if isinstance(path, str) else None
        if sound is not None:
            players.append({"row": row, "number": len(players) + 1, "name": points[row]["name"], "sound": sound})
    numbers = {player["row"]: player["number"] for player in players}
    numbered = [point | {"number": numbers.get(row)} for row, point in enumerate(points)]
    return {**drawn, "points": numbered, "heard": players}


def commonest(values: Sequence[str]) -> list[str]:
    """Name the values that get a colour of their own, in the order of the alphabet.

    Examples
    --------
    >>> commonest(["b", "a", "a"])
    ['a', 'b']
    """
    counts = Counter(v for v in values if v != OTHER)
    return sorted(v for v, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))[:COLOURS])


def scale(xy: np.ndarray) -> np.ndarray:
    """Stretch a plane to 0 to 100 on either axis; a single axis lies in the middle.

    Examples
    --------
    >>> scale(np.array([[1.0, 5], [3, 5]])).tolist()
    [[0.0, 50.0], [100.0, 50.0]]
    """
    xy = np.pad(xy, ((0, 0), (0, 2 - xy.shape[1])))
    span = np.ptp(xy, axis=0)
    inside = (xy - xy.min(axis=0)) / np.where(span > 0, span, 1)
    return np.round(100 * np.where(span > 0, inside, 0.5), 1)


def _aspect(known: dict[str, Any], name: str) -> str:
    if name == "era":
        return OTHER if known.get("year") is None else f"{int(known['year']) // 10 * 10}s"
    if name == "origin":
        there = known.get("longitude") is not None and known.get("latitude") is not None
        return f"{_third(known['latitude'], 'SN')}, {_third(known['longitude'], 'WE')}" if there else OTHER
    return str(known.get(name) or OTHER)


def _third(degrees: float, ends: str) -> str:
    """Return a band of 30 degrees.

    Examples
    --------
    >>> _third(48.2, "SN"), _third(-46.6, "WE")
    ('30–60° N', '30–60° W')
    """
    low = int(abs(degrees) // 30 * 30)
    return f"{low}–{low + 30}° {ends[degrees >= 0]}"


def _figure(figures: pd.DataFrame, key: tuple[str, str, str]) -> dict[str, Any]:
    if key not in figures.index:
        return {"value": None, "low": None, "high": None}
    return {str(name): value for name, value in figures.xs(key).items()}


def _find_cold(material: Material) -> set[str]:
    tested = material.splits.loc[material.splits["split"] == "test", "track_id"]
    return set(material.tracks.loc[material.tracks["track_id"].isin(tested), "artist"].dropna())


def _read_related(material: Material) -> dict[str, set[str]]:
    file = material.paths.target(TASK) / "artists.parquet"
    if not file.exists():
        return {}
    table = read_parquet(file, columns=["artist", "related"])
    return {artist: set(near) for artist, near in zip(table["artist"], table["related"], strict=True)}
