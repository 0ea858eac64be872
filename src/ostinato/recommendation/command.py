"""`ostinato recommend`: seeds in words or as files, answers in text, JSON or a playlist."""

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
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.filters import Filter
from ostinato.recommendation.history import Listen
from ostinato.recommendation.playlist import m3u, order_greedily, path
from ostinato.recommendation.recommend import Level, Seed, recommend


@dataclass(frozen=True)
class Request:
    """What a person asked for.

    Parameters
    ----------
    k : int
    diversity : float
    per_artist : int, optional
    weights : tuple of float
        Of the seeds; empty: all alike.
    dislikes : tuple of str
        Tracks or files.
    history : tuple of Listen
    keep : Filter, optional
        What the answers must have.
    level : {"track", "album", "artist"}
    smooth : bool
        Order the answers so that each is like the one before; with two tracks of
        the catalog as seeds, go from the first to the second.
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
    """Recommend, and print or write the answer.

    Parameters
    ----------
    seeds : sequence of str
        Tracks of the catalog by id or name, else audio files, or rows of a table as ``tracks.csv#12``.
    folder : Path
        models/catalog.
    request : Request
    as_json : bool
    playlist : Path, optional
        Where an extended M3U file shall stand.
    root : Path
        Of the dataset, for the paths in the playlist.
    out, err : file
        Default: standard output and error.

    Raises
    ------
    CatalogError
        As `recommend`, or if the catalog is of another network than the one beside it.
    """
    out, err = out or sys.stdout, err or sys.stderr
    catalog = Catalog.load(folder)
    network = SeedEmbedder(folder, catalog)
    ids, scores = _answer(catalog, network, seeds, request)
    if network.embedded:
        print(
            f"{network.name}: learned from the embedded corpus; its similarity means nothing for real music", file=err
        )
    for seed, reasons in network.reasons.items():
        print(escape_line(f"{seed}: do not rely on what is near to it: {'; '.join(reasons)}"), file=err)
    if playlist is not None:
        if request.level != "track":
            raise CatalogError(f"a playlist is of tracks, not of {request.level}s; leave --of out")
        with atomic_write(playlist) as partial:
            partial.write_text(m3u(catalog, ids, root))
    if as_json:
        rounded = [round(float(s), 6) for s in scores]
        answer: dict[str, Any] = {"seeds": list(seeds), "model": network.name, "track_ids": ids, "scores": rounded}
        answer |= {"reasons": network.reasons}
        print(escape_line(json.dumps(answer, ensure_ascii=False)), file=out)
        return
    for answered, score in zip(ids, scores, strict=True):
        print(escape_line(_line(catalog, answered, float(score))), file=out)


class SeedEmbedder:
    """The network beside a catalog; opened when a file must be placed.

    Parameters
    ----------
    folder : Path
    catalog : Catalog
    """

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        from ostinato.io.files import read_json

        about = read_json(folder / "model.json")
        self.folder, self.catalog = folder, catalog
        self.name, self.embedded = str(about["name"]), bool(about["dataset"]["embedded"])
        self.reasons: dict[str, list[str]] = {}
        """Why what is near to a file that was placed is not to be relied on, by the file."""
        self._model: Any = None

    def place(self, file: Path) -> np.ndarray:
        """Embed an audio file.

        Returns
        -------
        np.ndarray [shape=(d,), dtype=float64]
            As the network gives it.

        Raises
        ------
        CatalogError
            If the network is not the one that placed the catalog.
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

    def place_row(self, told: Row) -> np.ndarray:
        """Embed a row of a table; see `place`."""
        vector = self._open().predict_row(told).embedding
        self.catalog.units(vector[np.newaxis], version=self._version())
        return vector

    def seed(self, given: str, names: frozenset[str] = frozenset()) -> Seed:
        """Take a track of the catalog by its id or name, or place a file or a row of a table.

        Raises
        ------
        CatalogError
            If it is nothing of these.
        """
        if given in self.catalog:
            return given
        if (called := next((name for name in names if are_same(name, given)), None)) is not None:
            return called
        if tabular.is_table(Path(given.rpartition(tabular.MARK)[0])):
            return self.place_row(tabular.row(given))
        if Path(given).is_file():
            return self.place(Path(given))
        if Path(given).is_dir():
            raise CatalogError(f"{given}: is a folder; name files in it")
        found = self.catalog.find_by_title(given)
        if found is None and _like_a_file(given):
            raise CatalogError(f"{given}: there is no such file, and no track of the catalog is called so")
        return found or given

    def near(self, file: str, told: Row | None, k: int) -> list[dict[str, Any]]:
        """Return the neighbours of a file or of a row of a table; the same recording is none.

        Parameters
        ----------
        file : str
        told : mapping of str to float, optional
            The row; then the file is not read.
        k : int

        Returns
        -------
        list of dict
            ``{"track_id", "score", "name"}``, best first.
        """
        seed = self.place(Path(file)) if told is None else self.place_row(told)
        ids, scores = recommend(self.catalog, [seed], k=k)
        named = [{"name": name} if (name := self.catalog.name(i)) else {} for i in ids]
        found = zip(ids.tolist(), scores, named, strict=True)
        return [{"track_id": i, "score": round(float(s), 6), **n} for i, s, n in found]

    def _open(self) -> Any:
        from ostinato.inference.model import ReleasedModel

        self._model = self._model or ReleasedModel(self.folder)
        return self._model

    def _version(self) -> str:
        return hashlib.sha256((self.folder / "network.onnx").read_bytes()).hexdigest()


def make_neighbour_lookup(folder: Path, k: int) -> Near:
    """Open a catalog to give the neighbours of files and rows.

    Parameters
    ----------
    folder : Path
        models/catalog.
    k : int
        Of each.

    Returns
    -------
    callable
        Of a path, and of the row of a table that is told, if one is.
    """
    network = SeedEmbedder(folder, Catalog.load(folder))
    return lambda file, told: network.near(file, told, k)


def _like_a_file(given: str) -> bool:
    from ostinato.audio import SUFFIXES

    return "/" in given or Path(given).suffix.lower() in SUFFIXES


def _answer(
    catalog: Catalog, network: SeedEmbedder, seeds: Sequence[str], request: Request
) -> tuple[list[str], np.ndarray]:
    """Return ids and their cosines to the taste, or along a path to its start."""
    names = frozenset(filter(None, catalog.names(request.level))) if request.level != "track" else frozenset()
    liked = [network.seed(s, names) for s in seeds]
    match liked:
        case [str(first), str(last)] if (
            request.smooth and request.level == "track" and first in catalog and last in catalog
        ):
            if request.keep or request.weights or request.dislikes or request.history:
                raise CatalogError(
                    "a path between two tracks takes no filter, weight, dislike or history; leave --smooth out"
                )
            ids = path(catalog, first, last, request.k)
            return ids, catalog.similarity(catalog.vectors[catalog.row(ids[0])], [catalog.row(i) for i in ids])
    found, scores = recommend(
        catalog,
        liked,
        k=request.k,
        weights=request.weights or None,
        dislikes=[network.seed(s, names) for s in request.dislikes],
        history=request.history,
        keep=request.keep,
        diversity=request.diversity,
        per_artist=request.per_artist,
        level=request.level,
    )
    ids = found.tolist()
    if not request.smooth or request.level != "track":
        return ids, scores
    score = dict(zip(ids, scores, strict=True))
    ids = order_greedily(catalog, ids)
    return ids, np.array([score[i] for i in ids])


def _line(catalog: Catalog, answered: str, score: float) -> str:
    """Put one answer on a line."""
    known = catalog.metadata[catalog.row(answered)] if answered in catalog else {}
    names = catalog.name(answered) if known else ""
    return (
        f"{score:6.3f}  {answered}"
        + (f"  {names}" if names else "")
        + (f"  ({known['genre']})" if known.get("genre") else "")
    )
