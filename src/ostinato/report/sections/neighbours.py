"""Neighbours: all similarity spaces, neighbours of some cold artists, maps of the catalog."""

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
from ostinato.report.listening import choose_distant, encode_clip
from ostinato.report.material import Material
from ostinato.report.pieces import cache_piece

TITLE = "Neighbours"
TASK = "artist_embedding"
METRICS = ("map", "ndcg", "jaccard")
BASELINES = ("random", "popular")
N_ARTISTS, N_NEIGHBOURS, N_POINTS, N_COLOURS = 6, 5, 400, 8
N_SPACES, WIDTH = 6, 200
"""Number of spaces that are shown at once; width of a map whose height is 100."""
OTHER_NAME = "other"


def section(material: Material) -> dict[str, Any] | None:
    """Return the table of spaces and views of the catalog; None if nothing was ranked."""
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
        "spaces": list_spaces(read_parquet(paths.ranking_table), ranking),
        "examples": [] if catalog is None else find_examples(catalog, _find_cold(material), _read_related(material)),
        "width": WIDTH,
        "map": None if catalog is None or len(catalog) < 3 else add_clips(build_map(catalog), material),
    }


def list_spaces(table: pd.DataFrame, ranking: dict[str, Any]) -> list[dict[str, Any]]:
    """List the spaces, best first, by the query that decides.

    Parameters
    ----------
    table : DataFrame
        models/ranking.parquet.
    ranking : mapping
        models/ranking.json.

    Returns
    -------
    list of dict
        name, plain (a baseline), accepted, figures on cold and known artists, and whether it
        is shown at once.
    """
    question = ranking["question"].rpartition("_")[0]
    table = table[table["question"] == question].astype({"value": float}).set_index(["space", "artists", "metric"])
    figures = table[["value", "low", "high"]].astype(object).where(table[["value", "low", "high"]].notna(), None)
    rows = []
    for name in ranking["spaces"]:
        cold = {m: _figure(figures, (name, "cold", m)) for m in METRICS}
        gain = _figure(figures, (name, "cold", f"map_above_{ranking['baseline']}"))
        known = _figure(figures, (name, "known", "map"))
        plain = name in BASELINES or name == ranking["baseline"]
        accepted = ranking["gate"].get(name, {}).get("accepted")
        rows.append({"name": name, "plain": plain, "accepted": accepted, **cold, "gain": gain, "known": known})
    rows.sort(key=lambda row: -(row["map"]["value"] or 0))
    return [row | {"shown": row["plain"] or row["accepted"] or i < N_SPACES} for i, row in enumerate(rows)]


def find_examples(catalog: Catalog, cold: set[str], related: dict[str, set[str]]) -> list[dict[str, Any]]:
    """Find the neighbours of some artists that are not in the training set.

    Parameters
    ----------
    catalog : Catalog
        Of tracks.
    cold : set of str
        Artists of test tracks.
    related : mapping of str to set of str
        Related artists in the dataset.

    Returns
    -------
    list of dict
        The artist and ``near``, each with name, genre, origin, years, score and whether it is related.
    """
    artists = catalog.by("artist")
    candidates = [a for a in artists.ids if a in cold]
    positions = np.unique(np.linspace(0, len(candidates) - 1, N_ARTISTS).astype(int)) if candidates else ()
    examples = []
    for artist in (candidates[i] for i in positions):
        ids, scores = recommend(catalog, [artist], k=N_NEIGHBOURS, level="artist")
        near = [
            describe_artist(catalog, other) | {"score": float(score), "related": other in related.get(artist, ())}
            for other, score in zip(ids, scores, strict=True)
        ]
        examples.append(describe_artist(catalog, artist) | {"near": near})
    return examples


def describe_artist(catalog: Catalog, artist: str) -> dict[str, Any]:
    """Describe an artist by genres, origin and years."""
    known = [m for m in catalog.metadata if m.get("artist") == artist]
    genres = [g for g, _ in Counter(str(m["genre"]) for m in known if m.get("genre")).most_common(2)]
    years = sorted(int(m["year"]) for m in known if m.get("year") is not None)
    places = [m for m in known if m.get("latitude") is not None and m.get("longitude") is not None]
    return {
        "name": artist,
        "genre": ", ".join(genres),
        "origin": format_place(places[0]["latitude"], places[0]["longitude"]) if places else "",
        "years": "" if not years else f"{years[0]}" if years[0] == years[-1] else f"{years[0]}–{years[-1]}",
    }


def format_place(latitude: float, longitude: float) -> str:
    """Format a place in whole degrees.

    Examples
    --------
    >>> format_place(48.2, 16.4), format_place(-23.5, -46.6)
    ('48° N 16° E', '24° S 47° W')
    """
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.0f}° {north} {abs(longitude):.0f}° {east}"


def build_map(catalog: Catalog) -> dict[str, Any]:
    """Project tracks to two planes, and colour them by several attributes.

    Returns
    -------
    dict
        ``points``: id, name and position of each in either plane, from 0 to 100, and its
        colour by attribute; ``legends``: the values of an attribute with a colour.
    """
    rows = np.unique(np.linspace(0, len(catalog) - 1, min(N_POINTS, len(catalog))).astype(int))
    vectors = catalog.vectors[rows]
    planes = {"tsne": rescale(cache_piece(project_tsne)(vectors, 0)), "pca": rescale(project_pca(vectors))}
    known = [catalog.metadata[row] for row in rows]
    aspects = {name: [_aspect(m, name) for m in known] for name in ("genre", "era", "origin", "artist")}
    legends = {name: find_commonest(values) for name, values in aspects.items() if len(set(values)) > 1}
    colours = {
        name: [legend.index(v) if v in legend else N_COLOURS for v in aspects[name]] for name, legend in legends.items()
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


def add_clips(plane: Mapping[str, Any], material: Material) -> dict[str, Any]:
    """Add a number and an audio clip to some distant points.

    Parameters
    ----------
    plane : mapping
        From `build_map`.
    material : Material
        With the number of clips; a track that cannot be decoded gets none.

    Returns
    -------
    dict
        ``points`` with ``number`` (None: no clip), and ``players``: number, name and clip of
        each.
    """
    points, paths = plane["points"], material.tracks.set_index("track_id")
    players: list[dict[str, Any]] = []
    for row in choose_distant(np.array([point["tsne"] for point in points]), material.clips):
        path = paths["path"].get(points[row]["track_id"]) if "path" in paths else None
        clip = encode_clip(material.root / path) if isinstance(path, str) else None
        if clip is not None:
            players.append({"row": row, "number": len(players) + 1, "name": points[row]["name"], "clip": clip})
    numbers = {player["row"]: player["number"] for player in players}
    numbered = [point | {"number": numbers.get(row)} for row, point in enumerate(points)]
    return {**plane, "points": numbered, "players": players}


def find_commonest(values: Sequence[str]) -> list[str]:
    """Find the most common values, which get colours, in alphabetical order.

    Examples
    --------
    >>> find_commonest(["b", "a", "a"])
    ['a', 'b']
    """
    counts = Counter(v for v in values if v != OTHER_NAME)
    return sorted(v for v, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0]))[:N_COLOURS])


def rescale(xy: np.ndarray) -> np.ndarray:
    """Rescale both axes to 0 to 100; an axis without extent lies in the middle.

    Examples
    --------
    >>> rescale(np.array([[1.0, 5], [3, 5]])).tolist()
    [[0.0, 50.0], [100.0, 50.0]]
    """
    xy = np.pad(xy, ((0, 0), (0, 2 - xy.shape[1])))
    span = np.ptp(xy, axis=0)
    inside = (xy - xy.min(axis=0)) / np.where(span > 0, span, 1)
    return np.round(100 * np.where(span > 0, inside, 0.5), 1)


def _aspect(known: dict[str, Any], name: str) -> str:
    if name == "era":
        return OTHER_NAME if known.get("year") is None else f"{int(known['year']) // 10 * 10}s"
    if name == "origin":
        has_place = known.get("longitude") is not None and known.get("latitude") is not None
        return f"{_band(known['latitude'], 'SN')}, {_band(known['longitude'], 'WE')}" if has_place else OTHER_NAME
    return str(known.get(name) or OTHER_NAME)


def _band(degrees: float, ends: str) -> str:
    """Format a band of 30 degrees.

    Examples
    --------
    >>> _band(48.2, "SN"), _band(-46.6, "WE")
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
