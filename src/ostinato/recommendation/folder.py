"""A catalog of any folder of audio by a released network; the next run reads new files alone.

Beside the catalog stand ``files.npz``, the embedding, tags and length of each file with
its size and time of change, and ``source.json``, where the folder lies from there. From
the embeddings the catalog is made anew each time, so that it is, byte for byte, what a
first run over the same files gives.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ostinato.core.counts import format_count
from ostinato.core.names import unify
from ostinato.datasets import folder
from ostinato.errors import CatalogError, OstinatoError
from ostinato.inference.model import REFERENCE, ReleasedModel
from ostinato.inference.predict import choose_models
from ostinato.inference.reference import explain_sound
from ostinato.inference.streaming import decode_and_measure
from ostinato.inference.threads import map_threads
from ostinato.io.escapes import escape_line
from ostinato.io.files import atomic_write, read_json, write_json
from ostinato.io.locks import exclusive
from ostinato.io.versions import find_models, list_model_files
from ostinato.recommendation.catalog import BUILD_ADVICE, SOURCE, Catalog, describe_track

CACHE = "files.npz"
SAVE_EVERY = 500
SPACE = "artist_embedding"


@dataclass(frozen=True)
class File:
    """What was read of one file.

    Parameters
    ----------
    n_bytes, mtime_ns : int
        The file is read again once one of them differs.
    seconds : float
        Length.
    tags : dict of str to list of str
        As `ostinato.datasets.folder.read_file_tags`.
    reasons : list of str
        Why where it lies is not to be relied on.
    embedding : np.ndarray [shape=(d,), dtype=float32]
    """

    n_bytes: int
    mtime_ns: int
    seconds: float
    tags: dict[str, list[str]]
    reasons: list[str]
    embedding: np.ndarray


@dataclass(frozen=True)
class Summary:
    """What one run did.

    Parameters
    ----------
    n_tracks : int
        In the catalog.
    n_read, n_removed : int
        Files that were read in this run, and files of the last run that are gone.
    unreadable : dict of str to str
        Path and reason of each file that was left out.
    doubtful : dict of str to list of str
        Path and reasons of each track whose sound the network cannot place well, such as silence.
    """

    n_tracks: int
    n_read: int
    n_removed: int
    unreadable: dict[str, str]
    doubtful: dict[str, list[str]]

    def __str__(self) -> str:
        return (
            f"{format_count(self.n_tracks, 'track')}, {self.n_read} read now, {self.n_removed} gone, "
            f"{len(self.unreadable)} unreadable" + (f", {len(self.doubtful)} doubtful" if self.doubtful else "")
        )


def find_network(releases: Path, catalog: Path, task: str | None) -> Path:
    """Choose the network that places the tracks.

    Parameters
    ----------
    releases : Path
        models/released.
    catalog : Path
        The catalog in service: the network of ``artist_embedding`` stands there.
    task : str or None
        None: genre if that is released, else the first that is.

    Returns
    -------
    Path
        A folder with network.onnx and model.json.

    Raises
    ------
    OstinatoError
        If nothing is released for the task.
    """
    if task == SPACE and SPACE not in find_models(releases):
        model = catalog / "model.json"
        if not model.exists() or read_json(model)["task"] != SPACE:
            raise CatalogError(f"{catalog}: holds no network of {SPACE}; {BUILD_ADVICE}; or name another task")
        return catalog
    return choose_models(releases, task)[0]


def build(
    model: Path, root: Path, out: Path, *, table: str | None = None, workers: int = 1, err: TextIO | None = None
) -> Summary:
    """Make the catalog of a folder, or bring it up to date.

    Parameters
    ----------
    model : Path
        A folder with network.onnx and model.json.
    root : Path
        The folder of audio.
    out : Path
        Empty, absent, or the catalog of this folder.
    table : str, optional
        Of artists, albums and more; see `ostinato.datasets.folder`. What it does not
        tell is read from the files' own tags.
    workers : int
        Files under way at once.
    err : file, optional
        Where files that cannot be read are listed. Default: standard error.

    Returns
    -------
    Summary

    Raises
    ------
    OstinatoError
        If `out` holds something else, or no file can be read.
    """
    err, where = err or sys.stderr, os.path.relpath(root.resolve(), out.resolve())
    _refuse_other(out, where)
    network = ReleasedModel(model, threads=1 if workers > 1 else 0)
    version = hashlib.sha256((model / "network.onnx").read_bytes()).hexdigest()
    paths = folder.audio_files(root)
    tracks = folder.describe_files(root, paths, [{} for _ in paths], folder.Options(table=table, genre_from="folder"))
    with exclusive(out / ".catalog.lock"):
        write_json(out / SOURCE, {"folder": where, "unreadable": {}})
        before = _load_files(out / CACHE, version)
        known = {p: f for p in tracks["path"] if (f := before.get(p)) and _stat(root / p) == (f.n_bytes, f.mtime_ns)}
        new = [path for path in tracks["path"] if path not in known]
        unreadable = _read(network, root, new, known, out / CACHE, version, workers)
        for path, reason in unreadable.items():
            print(escape_line(f"{path}: {reason}"), file=err)
        if not known:
            raise CatalogError(f"{root}: none of {format_count(len(tracks), 'file')} can be read")
        readable = [path for path in tracks["path"] if path in known]
        files = [known[path] for path in readable]
        options = folder.Options(table=table, read_tags=True, max_unmatched_share=1)
        tracks = folder.describe_files(root, readable, [f.tags for f in files], options)
        for column in (name for name in ("artist", "genre") if name in tracks):
            tracks[column] = pd.Series(unify(tracks[column]), tracks.index, dtype=object)
        tracks["duration"] = [f.seconds for f in files]
        embeddings = np.stack([f.embedding for f in files]).astype(np.float64)
        offset = None if network.kind == "embedding" else _offset(embeddings)
        about = [describe_track(row) for row in tracks.to_dict("records")]
        catalog = Catalog(tracks["track_id"].tolist(), embeddings, about, version=version, offset=offset)
        for name in [*list_model_files(model), *([REFERENCE] if (model / REFERENCE).exists() else [])]:
            with atomic_write(out / name) as partial:
                shutil.copyfile(model / name, partial)
        catalog.save(out)
        doubtful = {path: known[path].reasons for path in readable if known[path].reasons}
        for path, reasons in doubtful.items():
            print(escape_line(f"{path}: its neighbours are unreliable: {'; '.join(reasons)}"), file=err)
        write_json(out / SOURCE, {"folder": where, "unreadable": unreadable, "doubtful": doubtful})
    return Summary(len(catalog), len(new) - len(unreadable), len(before.keys() - set(known)), unreadable, doubtful)


def _refuse_other(out: Path, where: str) -> None:
    """Refuse to write into a folder that holds something else than the catalog of this folder."""
    if (out / SOURCE).exists():
        other = read_json(out / SOURCE)["folder"]
        if other != where:
            raise CatalogError(f"{out}: holds the catalog of {other} (relative to it); give --out another folder")
    elif out.is_dir() and any(out.iterdir()):
        raise CatalogError(f"{out}: is not empty and is not the catalog of a folder; give --out another folder")


def _read(
    network: ReleasedModel,
    root: Path,
    paths: list[str],
    known: dict[str, File],
    cache: Path,
    version: str,
    workers: int,
) -> dict[str, str]:
    """Read files into `known`, save them every now and then, and give the reasons of those that cannot be read."""
    unreadable: dict[str, str] = {}
    try:
        for number, (path, result) in enumerate(embed_files(network, root, paths, workers), 1):
            if isinstance(result, str):
                unreadable[path] = result
            else:
                known[path] = result
            if number % SAVE_EVERY == 0:
                _save_files(cache, known, version)
    finally:
        _save_files(cache, known, version)
    return unreadable


def embed_files(
    network: ReleasedModel, root: Path, paths: Sequence[str], workers: int
) -> Iterator[tuple[str, File | str]]:
    """Decode files and place them by a network.

    Parameters
    ----------
    network : ReleasedModel
    root : Path
    paths : sequence of str
        Below `root`.
    workers : int
        Files under way at once.

    Yields
    ------
    path : str
        In the order of `paths`.
    result : File or str
        What was read, or why it could not be.
    """

    def read(path: str) -> File | str:
        try:
            return _embed(network, root / path)
        except OstinatoError as error:
            return str(error).removeprefix(f"{root / path}: ")
        except Exception as error:  # no file, whatever is in it, ends the run over the others
            return f"cannot be placed ({type(error).__name__}: {error})"

    shown = tqdm(paths, desc=f"{network.name} catalog", unit="file", disable=None, leave=False)
    with threadpool_limits(1):  # threads of BLAS that wait for work would take the processor from the files
        yield from zip(paths, map_threads(read, shown, workers), strict=True)


def _embed(network: ReleasedModel, path: Path) -> File:
    n_bytes, mtime_ns = _stat(path)
    context, measurement = decode_and_measure(path, network.rates)
    rows = network.compute_inputs(context)
    embedding = np.asarray(network.embedding(rows), np.float32)
    if not np.isfinite(embedding).all() or not embedding.any():
        raise CatalogError("its embedding is 0 or not finite; check that it has sound")
    seconds, reasons = round(measurement.duration, 3), explain_sound(network, measurement, rows)
    return File(n_bytes, mtime_ns, seconds, folder.read_file_tags(path), reasons, embedding)


def _offset(embeddings: np.ndarray) -> np.ndarray | None:
    """Return the mean of embeddings; None if it would leave one of them without a direction, as a single track."""
    mean: np.ndarray = embeddings.mean(axis=0)
    least = np.linalg.norm(embeddings - mean, axis=1).min()
    return mean if least > 1e-6 * np.linalg.norm(embeddings, axis=1).max() else None


def _stat(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _save_files(cache: Path, files: Mapping[str, File], version: str) -> None:
    """Write what was read of files."""
    rows = [asdict(files[path]) for path in sorted(files)]
    columns: dict[str, Any] = {
        name: np.array([row[name] for row in rows]) for name in ("n_bytes", "mtime_ns", "seconds")
    }
    columns["embedding"] = np.array([row["embedding"] for row in rows], np.float32)
    lists = {name: [row[name] for row in rows] for name in ("tags", "reasons")}
    text = json.dumps({"version": version, "paths": sorted(files), **lists})
    with atomic_write(cache) as partial, open(partial, "wb") as file:
        np.savez(file, about=np.frombuffer(text.encode(), np.uint8), **columns)


def _several(tags: Mapping[str, Any]) -> dict[str, list[str]]:
    """Read tags as they were once kept: one value of each."""
    return {name: [values] if isinstance(values, str) else values for name, values in tags.items()}


def _load_files(cache: Path, version: str) -> dict[str, File]:
    """Read what was read of files; nothing if another network read them or the cache is broken."""
    if not cache.exists():
        return {}
    try:
        with np.load(cache, allow_pickle=False) as columns:
            about = json.loads(columns["about"].tobytes())
            if about["version"] != version or "reasons" not in about:  # or of a time when sound was not looked at
                return {}
            rows = zip(
                *(columns[name].tolist() for name in ("n_bytes", "mtime_ns", "seconds")),
                map(_several, about["tags"]),
                about["reasons"],
                columns["embedding"],
                strict=True,
            )
            return {path: File(*row) for path, row in zip(about["paths"], rows, strict=True)}
    except (BadZipFile, OSError, ValueError, EOFError, LookupError, TypeError) as error:
        print(f"{cache}: is damaged ({error}); every file is read again", file=sys.stderr)
        return {}
