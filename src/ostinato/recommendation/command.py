"""`ostinato recommend`: seeds are names or files; results are text, JSON or a playlist."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ostinato.core.names import are_same
from ostinato.errors import CatalogError
from ostinato.inference import tabular
from ostinato.inference.tabular import Near, Row
from ostinato.io.escapes import escape_line
from ostinato.io.files import atomic_write
from ostinato.recommendation.catalog import ABOUT, Catalog
from ostinato.recommendation.filters import Filter
from ostinato.recommendation.history import Listen
from ostinato.recommendation.playlist import m3u, order_greedily, path
from ostinato.recommendation.recommend import Level, Seed, recommend


@dataclass(frozen=True)
class Request:
    """A request for recommendations.

    Parameters
    ----------
    k : int
    diversity : float
    per_artist : int, optional
    weights : tuple of float
        Of the seeds; empty: equal.
    dislikes : tuple of str
        Tracks or files.
    history : tuple of Listen
    keep : Filter, optional
        Filter of the results.
    level : {"track", "album", "artist"}
    smooth : bool
        Order the results so that each resembles the one before; with two tracks of
        the catalog as seeds, build a path from the first to the second.
    """

    k: int = 10
    diversity: float = 0.0
    per_artist: int | None = None
    weights: tuple[float, ...] = ()
    dislikes: tuple[str, ...] = ()
    history: tuple[Listen, ...] = ()
    keep: Filter | None = None
    level: Level = "track"
    smooth: bool = False


def run(
    seeds: Sequence[str],
    folder: Path,
    request: Request,
    *,
    as_json: bool = False,
    playlist: Path | None = None,
    root: Path = Path(),
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> None:
    """Print recommendations, or write them as a playlist.

    Parameters
    ----------
    seeds : sequence of str
        Ids or names of tracks in the catalog, audio files, or rows of a table as ``tracks.csv#12``.
    folder : Path
        models/catalog.
    request : Request
    as_json : bool
    playlist : Path, optional
        Extended M3U file to write.
    root : Path
        Root of the dataset, for the paths in the playlist.
    out, err : file
        Default: standard output and error.

    Raises
    ------
    CatalogError
        As `recommend`, or if the catalog was built by another network than its own.
    """
    out, err = out or sys.stdout, err or sys.stderr
    catalog = Catalog.load(folder)
    network = SeedEmbedder(folder, catalog)
    ids, scores = _answer(catalog, network, seeds, request)
    if network.embedded:
        print(f"{network.name}: trained on the embedded corpus; its similarities mean nothing for real music", file=err)
    for seed, reasons in network.reasons.items():
        print(escape_line(f"{seed}: its neighbours are unreliable: {'; '.join(reasons)}"), file=err)
    if playlist is not None:
        if request.level != "track":
            raise CatalogError(f"a playlist holds tracks, not {request.level}s; remove --of")
        with atomic_write(playlist) as partial:
            partial.write_text(m3u(catalog, ids, root))
    if as_json:
        rounded = [round(float(s), 6) for s in scores]
        response: dict[str, Any] = {"seeds": list(seeds), "model": network.name, "track_ids": ids, "scores": rounded}
        response |= {"reasons": network.reasons}
        print(escape_line(json.dumps(response, ensure_ascii=False)), file=out)
        return
    for track_id, score in zip(ids, scores, strict=True):
        print(escape_line(_line(catalog, track_id, float(score))), file=out)


class SeedEmbedder:
    """The network of a catalog; opened when a file must be embedded.

    Parameters
    ----------
    folder : Path
    catalog : Catalog
    """

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        from ostinato.io.files import read_json

        metadata = read_json(folder / "model.json")
        self.folder, self.catalog = folder, catalog
        self.name, self.embedded = str(metadata["name"]), bool(metadata["dataset"]["embedded"])
        self.reasons: dict[str, list[str]] = {}
        """Why the neighbours of an embedded file are unreliable, by file."""
        self._model: Any = None

    def place(self, file: Path) -> np.ndarray:
        """Embed an audio file.

        Returns
        -------
        np.ndarray [shape=(d,), dtype=float64]
            Output of the network.

        Raises
        ------
        CatalogError
            If the network is not the one that embedded the catalog.
        """
        from ostinato.inference.reference import explain_sound
        from ostinato.inference.streaming import decode_and_measure

        model = self._open()
        context, measurement = decode_and_measure(file, model.rates)
        rows = model.compute_inputs(context)
        if reasons := explain_sound(model, measurement, rows):
            self.reasons[str(file)] = reasons
        vector: np.ndarray = model.embedding(rows)
        self.catalog.units(vector[np.newaxis], version=self._version())
        return vector

    def place_row(self, row: Row) -> np.ndarray:
        """Embed a row of a table; see `place`."""
        vector = self._open().predict_row(row).embedding
        self.catalog.units(vector[np.newaxis], version=self._version())
        return vector

    def seed(self, text: str, names: frozenset[str] = frozenset()) -> Seed:
        """Find a track of the catalog by id or name, or embed a file or a row of a table.

        Raises
        ------
        CatalogError
            If it is none of these.
        """
        if text in self.catalog:
            return text
        if (name := next((name for name in names if are_same(name, text)), None)) is not None:
            return name
        if tabular.is_table(Path(text.rpartition(tabular.MARK)[0])):
            return self.place_row(tabular.row(text))
        if Path(text).is_file():
            return self.place(Path(text))
        if Path(text).is_dir():
            raise CatalogError(f"{text}: is a folder; give files in it")
        track_id = self.catalog.find_by_title(text)
        if track_id is None and _like_a_file(text):
            raise CatalogError(f"{text}: no such file, and no track in the catalog has this name")
        return track_id or text

    def near(self, file: str, row: Row | None, k: int) -> list[dict[str, Any]]:
        """Return the neighbours of a file or of a row of a table, without the same recording.

        Parameters
        ----------
        file : str
        row : mapping of str to float, optional
            If present, the file is not read.
        k : int

        Returns
        -------
        list of dict
            ``{"track_id", "score", "name"}``, best first.
        """
        seed = self.place(Path(file)) if row is None else self.place_row(row)
        ids, scores = recommend(self.catalog, [seed], k=k)
        neighbours = []
        for track_id, score in zip(ids.tolist(), scores, strict=True):
            name = self.catalog.name(track_id)
            neighbours.append(
                {"track_id": track_id, "score": round(float(score), 6)} | ({"name": name} if name else {})
            )
        return neighbours

    def _open(self) -> Any:
        from ostinato.inference.model import ReleasedModel

        self._model = self._model or ReleasedModel(self.folder)
        return self._model

    def _version(self) -> str:
        return hashlib.sha256((self.folder / "network.onnx").read_bytes()).hexdigest()


def make_neighbour_lookup(folder: Path, k: int) -> Near:
    """Open a catalog to look up the neighbours of files and rows.

    Parameters
    ----------
    folder : Path
        models/catalog.
    k : int
        Number of neighbours.

    Returns
    -------
    Near
    """
    network = SeedEmbedder(folder, Catalog.load(folder))
    about = (folder / ABOUT).read_bytes()  # with the digests of the vectors and of the network
    return Near(lambda file, row: network.near(file, row, k), hashlib.sha256(about + f" {k}".encode()).hexdigest())


def _like_a_file(text: str) -> bool:
    from ostinato.audio import SUFFIXES

    return "/" in text or Path(text).suffix.lower() in SUFFIXES


def _answer(
    catalog: Catalog, network: SeedEmbedder, seeds: Sequence[str], request: Request
) -> tuple[list[str], np.ndarray]:
    """Return ids and their similarities to the query, or along a path to its start."""
    names = frozenset(filter(None, catalog.names(request.level))) if request.level != "track" else frozenset()
    query = [network.seed(s, names) for s in seeds]
    match query:
        case [str(first), str(last)] if (
            request.smooth and request.level == "track" and first in catalog and last in catalog
        ):
            if request.keep or request.weights or request.dislikes or request.history:
                raise CatalogError(
                    "a path between two tracks takes no filter, weight, dislike or history; remove --smooth"
                )
            ids = path(catalog, first, last, request.k)
            return ids, catalog.similarity(catalog.vectors[catalog.row(ids[0])], [catalog.row(i) for i in ids])
    result, scores = recommend(
        catalog,
        query,
        k=request.k,
        weights=request.weights or None,
        dislikes=[network.seed(s, names) for s in request.dislikes],
        history=request.history,
        keep=request.keep,
        diversity=request.diversity,
        per_artist=request.per_artist,
        level=request.level,
    )
    ids = result.tolist()
    if not request.smooth or request.level != "track":
        return ids, scores
    score = dict(zip(ids, scores, strict=True))
    ids = order_greedily(catalog, ids)
    return ids, np.array([score[i] for i in ids])


def _line(catalog: Catalog, track_id: str, score: float) -> str:
    """Format one result as a line."""
    metadata = catalog.metadata[catalog.row(track_id)] if track_id in catalog else {}
    names = catalog.name(track_id) if metadata else ""
    return (
        f"{score:6.3f}  {track_id}"
        + (f"  {names}" if names else "")
        + (f"  ({metadata['genre']})" if metadata.get("genre") else "")
    )
