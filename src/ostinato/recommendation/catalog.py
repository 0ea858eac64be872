"""A catalog: what may be recommended, as ids, unit vectors and what is known of each."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ostinato.core.counts import format_count
from ostinato.core.names import identity, unify
from ostinato.core.paths import Paths
from ostinato.core.summary import Metric
from ostinato.errors import CatalogError
from ostinato.io.files import atomic_write, read_json, write_json
from ostinato.io.versions import CATALOG, NETWORK, check_digests, compute_digests
from ostinato.recommendation.index import Graph, top

EXACT_UP_TO = 100_000
N_COMPARED, MAX_COMPARED = 2_000, 200
"""An unknown id of so many letters at most is compared letter by letter with so many ids, those beside it in order."""
"""Up to so many vectors all are compared; beyond, a graph is asked."""
ABOUT, VECTORS, GRAPH, SKIPPED = "catalog.json", "vectors.npy", "graph.voyager", "skipped.json"
SOURCE = "source.json"
"""Where the folder lies that a catalog was made of, seen from the catalog; the pipeline's own has none."""
LEVELS = ("artist", "album")
MAX_SHOWN = 5
ABOUT_TRACK = ("artist", "album", "title", "genre", "tags", "year", "latitude", "longitude", "path", "duration")
"""What may be known of a track."""
BUILD_ADVICE = "run `dvc repro catalog` and `ostinato release`; for a folder, `ostinato catalog --of`"


def describe_track(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Keep what is known of a track.

    Parameters
    ----------
    row : mapping
        Of a table of tracks.

    Returns
    -------
    dict
        Keys of `ABOUT_TRACK`; tags as a list, and nothing that is None or NaN.

    Examples
    --------
    >>> describe_track({"track_id": "a", "artist": "Ada", "year": float("nan"), "tags": ("calm",)})
    {'artist': 'Ada', 'tags': ['calm']}
    """
    known = {key: row[key] for key in ABOUT_TRACK if row.get(key) is not None}
    if "tags" in known:
        known["tags"] = list(known["tags"])
    return {key: value for key, value in known.items() if value == value}


def find_root(folder: Path) -> Path | None:
    """Find the folder of audio that a catalog was made of.

    Parameters
    ----------
    folder : Path
        Of the catalog.

    Returns
    -------
    Path or None
        None for the pipeline's own catalog.
    """
    source = folder / SOURCE
    return (folder / read_json(source)["folder"]).resolve() if source.exists() else None


def find_served(paths: Paths) -> Path:
    """Find the folder that recommendations are read from.

    Parameters
    ----------
    paths : Paths

    Returns
    -------
    Path
        Of the version in service. Before the first release: what the stage wrote, if that says
        why there is no catalog, so that whoever opens it is told.
    """
    served = paths.current_release(CATALOG)
    return paths.catalog if not served.is_dir() and (paths.catalog / SKIPPED).exists() else served


class Catalog:
    """Ids, unit vectors, metadata, and the network they belong to.

    Parameters
    ----------
    ids : sequence of str
    vectors : np.ndarray [shape=(n, d)]
        Of any length but 0; their directions are kept.
    metadata : sequence of mapping, optional
        What is known of each (`ABOUT_TRACK`); what is unknown is left out.
    version : str
        Hash of the network that made the vectors; vectors of another are refused.
    offset : np.ndarray [shape=(d,)], optional
        Taken from every vector first, such as their mean: what all have in common
        says nothing, and makes all cosines alike.
    exact_up_to : int
        From how many vectors on searches become approximate.
    metric : {"cosine", "euclidean"}
        By which two tracks are compared. By distance vectors keep their length.

    Raises
    ------
    CatalogError
        If an id occurs twice, numbers of rows differ, or a vector is no direction
        (not finite, or 0).
    """

    def __init__(
        self,
        ids: Sequence[str],
        vectors: np.ndarray,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        *,
        version: str,
        offset: np.ndarray | None = None,
        exact_up_to: int = EXACT_UP_TO,
        metric: Metric = "cosine",
    ) -> None:
        vectors, self.metric = np.asarray(vectors, np.float32), metric
        if vectors.ndim != 2:
            raise CatalogError(f"vectors of a catalog have the shape (n, d), these {vectors.shape}")
        self.version, self.exact_up_to, self.dimension = version, exact_up_to, vectors.shape[1]
        self.offset = np.zeros(self.dimension) if offset is None else np.asarray(offset, np.float64)
        self.ids: list[str] = []
        self.metadata: list[dict[str, Any]] = []
        self.vectors = np.zeros((0, self.dimension), np.float32)
        self._row: dict[str, int] = {}
        self._folded: list[tuple[str, str]] | None = None
        self._ordered: list[str] = []
        self._labels = np.zeros(0, np.int64)
        self._next = 0
        self._graph: Graph | None = None
        self.add(ids, vectors, metadata, version=version)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, track_id: object) -> bool:
        return track_id in self._row

    def add(
        self,
        ids: Sequence[str],
        vectors: np.ndarray,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        *,
        version: str,
    ) -> None:
        """Take in tracks; an index that stands is added to, not built anew.

        Parameters
        ----------
        ids, vectors, metadata
            As for the constructor.
        version : str
            Of the network that made these vectors.

        Raises
        ------
        CatalogError
            As the constructor, or if version or dimension differ, or an id is there already.
        """
        units = self.units(vectors, version=version)
        known = [dict(row) for row in metadata] if metadata is not None else [{} for _ in ids]
        if not len(ids) == len(units) == len(known):
            raise CatalogError(f"{len(ids)} ids, {len(units)} vectors and {len(known)} rows of metadata: must agree")
        seen = set(self._row)
        for track_id in ids:
            if track_id in seen:
                raise CatalogError(f"{track_id!r} is in the catalog already; remove it first")
            seen.add(track_id)
        labels = np.arange(self._next, self._next + len(ids), dtype=np.int64)
        self._next += len(ids)
        self.ids += list(ids)
        self.metadata += known
        self.vectors = np.concatenate([self.vectors, units])
        self._labels = np.concatenate([self._labels, labels])
        self._number()
        if self._graph is not None and len(ids):
            self._graph.add(labels, units)

    def remove(self, ids: Sequence[str]) -> None:
        """Let go of tracks.

        Raises
        ------
        CatalogError
            If an id is not there.
        """
        rows = [self.row(i) for i in ids]
        if self._graph is not None:
            for label in self._labels[rows]:
                self._graph.remove(int(label))
        stays = np.setdiff1d(np.arange(len(self)), rows)
        self.ids = [self.ids[i] for i in stays]
        self.metadata = [self.metadata[i] for i in stays]
        self.vectors, self._labels = self.vectors[stays], self._labels[stays]
        self._number()

    def row(self, track_id: str) -> int:
        """Return the position of a track.

        Raises
        ------
        CatalogError
            If it is not there; the message names ids that look alike.
        """
        if track_id not in self._row:
            alike = self._alike(str(track_id))
            hint = f"; do you mean {'; '.join(map(self.line, alike))}?" if alike else ""
            raise CatalogError(f"{track_id!r} is not in the catalog of {format_count(len(self), 'track')}{hint}")
        return self._row[track_id]

    def _alike(self, wanted: str) -> list[str]:
        """Find ids that begin with a text, whose artist or title holds it, or that look like it."""
        if self._folded is None:
            self._folded = [(identity(i) or "", identity(self.line(i)) or "") for i in self.ids]
            self._ordered = sorted(self.ids)
        folded, pairs = identity(wanted) or "", list(zip(self.ids, self._folded, strict=True))
        begin = islice((i for i, (own, _) in pairs if own.startswith(folded)), MAX_SHOWN)
        hold = islice((i for i, (_, line) in pairs if folded in line), MAX_SHOWN)
        alike = list(dict.fromkeys([*begin, *hold]))
        if len(alike) < MAX_SHOWN and len(wanted) <= MAX_COMPARED:
            at = bisect(self._ordered, wanted)
            beside = self._ordered[max(at - N_COMPARED // 2, 0) : at + N_COMPARED // 2]
            alike += get_close_matches(wanted, beside, n=MAX_SHOWN)
        return list(dict.fromkeys(alike))[:MAX_SHOWN]

    def find_by_title(self, name: str) -> str | None:
        """Find the track of a title, or of ``artist - title``, in any spelling that is the same name.

        Returns
        -------
        str or None
            Its id; None if no track is called so.

        Raises
        ------
        CatalogError
            If several tracks are; the message names some.
        """
        key, matches = identity(name), list[str]()
        for track_id, about in zip(self.ids, self.metadata, strict=True):
            title = about.get("title")
            if title and key in (identity(title), identity(f"{about.get('artist') or ''} - {title}")):
                matches.append(track_id)
        if len(matches) > 1:
            examples = "; ".join(self.line(i) for i in matches[:MAX_SHOWN])
            raise CatalogError(
                f"{name!r} is the title of {len(matches)} tracks: {examples}; give an id, or artist - title"
            )
        return matches[0] if matches else None

    def name(self, track_id: str) -> str:
        """Return artist and title of a track, as far as they are known."""
        known = self.metadata[self.row(track_id)]
        return " - ".join(str(known[k]) for k in ("artist", "title") if known.get(k))

    def line(self, track_id: str) -> str:
        """Return a track's id and name."""
        return f"{track_id} {self.name(track_id)}".rstrip()

    def units(self, vectors: np.ndarray, *, version: str) -> np.ndarray:
        """Take the offset from vectors and scale them to length 1, if they are of this catalog's network.

        Where tracks are compared by distance, their length stays.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, d)]
        version : str

        Returns
        -------
        np.ndarray [shape=(n, d), dtype=float32]
        """
        vectors = np.asarray(vectors, np.float64)
        if version != self.version:
            raise CatalogError(
                f"vectors of network {version[:12]!r} do not belong in a catalog of network {self.version[:12]!r}; "
                f"{BUILD_ADVICE}"
            )
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise CatalogError(f"vectors of shape {vectors.shape} do not fit a catalog of dimension {self.dimension}")
        vectors = vectors - self.offset
        length = np.linalg.norm(vectors, axis=1)
        wrong = np.flatnonzero(~np.isfinite(length) | ((length == 0) & (self.metric == "cosine")))
        if len(wrong):
            raise CatalogError(f"vector {wrong[0]} is {'0' if length[wrong[0]] == 0 else 'not finite'}; embed it again")
        scale = length[:, np.newaxis] if self.metric == "cosine" else 1.0
        return (vectors / scale).astype(np.float32)

    def similarity(self, vector: np.ndarray, rows: np.ndarray | list[int] | None = None) -> np.ndarray:
        """Return how like a vector tracks are.

        Parameters
        ----------
        vector : np.ndarray [shape=(d,)]
            By `units`.
        rows : np.ndarray [shape=(n,)], optional
            Positions. Default: all.

        Returns
        -------
        np.ndarray [shape=(n,), dtype=float32]
            The cosine; by distance d, 1 / (1 + d).
        """
        vectors = self.vectors if rows is None else self.vectors[rows]
        if self.metric == "cosine":
            return vectors @ vector
        distance = np.linalg.norm(vectors - np.asarray(vector, np.float32), axis=1)
        return (1 / (1 + distance)).astype(np.float32)

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest tracks.

        Parameters
        ----------
        queries : np.ndarray [shape=(d,) or (n, d)]
            Unit vectors.
        k : int
            As many as there are, if there are fewer.
        allowed : np.ndarray [shape=(n_tracks,), dtype=bool], optional
            Which tracks may be found.

        Returns
        -------
        rows : np.ndarray [shape=(k,) or (n, k), dtype=int64]
            Positions, best first.
        scores : np.ndarray [dtype=float32]
            By `similarity`, in the same shape.

        Raises
        ------
        CatalogError
            If the catalog is empty or k is not positive.
        """
        if not len(self):
            raise CatalogError(f"the catalog is empty; add tracks, or {BUILD_ADVICE}")
        if k < 1:
            raise CatalogError(f"k is {k}; ask for 1 track or more")
        many = np.atleast_2d(np.asarray(queries, np.float32))
        k = min(k, len(self) if allowed is None else int(allowed.sum()))
        find = self._exact if len(self) <= self.exact_up_to else self._approximate
        rows = find(many, k, allowed) if k else np.zeros((len(many), 0), np.int64)
        scores = np.stack([self.similarity(q, r) for r, q in zip(rows, many, strict=True)])
        return (rows[0], scores[0]) if np.ndim(queries) == 1 else (rows, scores)

    def column(self, key: str) -> list[Any]:
        """Return what is known of each track under a key; None where nothing is."""
        return [known.get(key) for known in self.metadata]

    def names(self, level: str) -> list[str | None]:
        """Name each track's artist or album in one spelling; an album by its artist too, where several have one.

        Parameters
        ----------
        level : {"artist", "album"}

        Returns
        -------
        list of str or None
            None where it is unknown.
        """
        if level not in LEVELS:
            raise CatalogError(f"there are no catalogs of {level!r}; there are {', '.join(LEVELS)}")
        artists, named = (unify(self.column(column)) for column in ("artist", level))
        if level == "artist":
            return artists
        owners: dict[Any, set[Any]] = {}
        for album, artist in zip(named, artists, strict=True):
            owners.setdefault(album, set()).add(artist)
        both = [f"{artist} - {album}" if artist else str(album) for artist, album in zip(artists, named, strict=True)]
        return [None if a is None else a if len(owners[a]) == 1 else b for a, b in zip(named, both, strict=True)]

    def by(self, level: str) -> "Catalog":
        """Make the catalog of artists or albums: the mean direction of their tracks.

        Parameters
        ----------
        level : {"artist", "album"}

        Returns
        -------
        Catalog
            Of the same version; its metadata are those of the first track, without
            title, path and duration. Tracks of which the level is unknown are left
            out, and so is an artist whose vectors cancel out.
        """
        members: dict[str, list[int]] = {}
        for row, name in enumerate(self.names(level)):
            if name is not None:
                members.setdefault(name, []).append(row)
        means = {name: self.vectors[rows].mean(axis=0) for name, rows in members.items()}
        names = [name for name, mean in means.items() if self.metric != "cosine" or np.linalg.norm(mean) > 1e-6]
        dropped = {"title", "path", "duration"}
        known = [{k: v for k, v in self.metadata[members[n][0]].items() if k not in dropped} for n in names]
        vectors = np.stack([means[n] for n in names]) if names else np.zeros((0, self.dimension))
        return Catalog(names, vectors, known, version=self.version, exact_up_to=self.exact_up_to, metric=self.metric)

    def save(self, folder: Path) -> None:
        """Write the catalog, and its graph if it has one."""
        about = {"version": self.version, "exact_up_to": self.exact_up_to, "next": self._next}
        about |= {"offset": self.offset.tolist(), "metric": self.metric}
        about |= {"ids": self.ids, "metadata": self.metadata, "labels": self._labels.tolist()}
        with atomic_write(folder / VECTORS) as partial, open(partial, "wb") as file:
            np.save(file, self.vectors, allow_pickle=False)
        names = [VECTORS]
        if len(self) > self.exact_up_to:
            names.append(GRAPH)
            with atomic_write(folder / GRAPH) as partial:
                self._open_graph().save(partial)
        write_json(folder / ABOUT, about | {"files": compute_digests(folder, names)})

    @classmethod
    def load(cls, folder: Path) -> "Catalog":
        """Read a catalog.

        Raises
        ------
        CatalogError
            If files are absent or do not belong together, or no space was good
            enough for a catalog.
        """
        if (folder / SKIPPED).exists():
            raise CatalogError(f"{folder}: {_explain_absence(read_json(folder / SKIPPED))}")
        if not (folder / ABOUT).exists() or not (folder / VECTORS).exists():
            raise CatalogError(f"{folder}: holds no catalog; {BUILD_ADVICE}")
        check_digests(folder)
        about = read_json(folder / ABOUT)
        expected = about.get("files", {})
        present = compute_digests(folder, expected)
        if damaged := [name for name in expected if present.get(name) != expected[name]]:
            raise CatalogError(f"{folder / damaged[0]}: is not the file that {ABOUT} was written with; {BUILD_ADVICE}")
        try:
            vectors = np.load(folder / VECTORS, allow_pickle=False)
            metric = about.get("metric", "cosine")
            catalog = cls([], vectors[:0], version=about["version"], offset=about["offset"], metric=metric)
            catalog.exact_up_to, catalog._next = about["exact_up_to"], about["next"]
            catalog.ids, catalog.metadata, catalog.vectors = about["ids"], about["metadata"], vectors
            catalog._labels = np.array(about["labels"], np.int64)
        except (OSError, ValueError, EOFError, LookupError, TypeError) as error:
            raise CatalogError(f"{folder}: is damaged ({error}); {BUILD_ADVICE}") from error
        if not len(catalog.vectors) == len(catalog.ids) == len(catalog.metadata) == len(catalog._labels):
            raise CatalogError(f"{folder}: {len(vectors)} vectors for {len(catalog.ids)} tracks; {BUILD_ADVICE}")
        catalog._number()
        if (folder / GRAPH).exists() and len(catalog) > catalog.exact_up_to:
            catalog._graph = Graph.load(folder / GRAPH)
        return catalog

    def _number(self) -> None:
        self._row = {track_id: row for row, track_id in enumerate(self.ids)}
        self._folded, self._ordered = None, []

    def _exact(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> np.ndarray:
        open_rows = np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)
        return np.stack(
            [open_rows[top(self.similarity(q, None if allowed is None else open_rows), k)] for q in queries]
        )

    def _approximate(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> np.ndarray:
        """Ask the graph for more than k where some are not allowed; compare all where too few of them are left."""
        share = 1.0 if allowed is None else float(allowed.mean())
        n_neighbors = min(len(self), int(2 * k / share) + k)
        if allowed is not None and n_neighbors > self.exact_up_to:
            return self._exact(queries, k, allowed)
        candidates = np.searchsorted(
            self._labels, self._open_graph().search(queries, k if allowed is None else n_neighbors)
        )
        if allowed is None:
            return candidates
        nearest = [rows[allowed[rows]][:k] for rows in candidates]
        if min(map(len, nearest)) < k:
            return self._exact(queries, k, allowed)
        return np.stack(nearest)

    def _open_graph(self) -> Graph:
        """Return the graph; build it if there is none yet."""
        if self._graph is None:
            self._graph = Graph(self.dimension, metric=self.metric)
            self._graph.add(self._labels, self.vectors)
        return self._graph


def open_whole(folder: Path) -> Catalog:
    """Open a catalog that lies beside the network of its space.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OstinatoError
        If it cannot be read, or another network than the one beside it placed its tracks.
    """
    catalog, network = Catalog.load(folder), compute_digests(folder, [NETWORK])
    if network and network[NETWORK] != catalog.version:
        raise CatalogError(
            f"{folder}: its tracks were embedded by another network than the one in the folder; {BUILD_ADVICE}"
        )
    return catalog


def _explain_absence(skipped: Mapping[str, str]) -> str:
    """Return why the pipeline made no catalog, naming the first spaces that were refused, and what to do."""
    reasons = skipped["skipped"].split("; ")
    more = [f"{len(reasons) - MAX_SHOWN} more"] if len(reasons) > MAX_SHOWN else []
    advice = skipped.get("mend", BUILD_ADVICE)
    return f"no space is accepted for recommendations: {'; '.join([*reasons[:MAX_SHOWN], *more])}; {advice}"
