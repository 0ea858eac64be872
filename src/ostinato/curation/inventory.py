"""Inventory of tracks: ordinals and measurements of files; only new and changed files are decoded."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple, fields
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from ostinato.audio import ABSENCE, Identity, open_snapshot
from ostinato.core import names, parallel
from ostinato.core.code_hash import hash_modules, list_modules
from ostinato.core.counts import format_count
from ostinato.core.malloc import keep_freed
from ostinato.core.params.schema import Params
from ostinato.errors import DataError, OstinatoError, ParamsError, ReadError
from ostinato.io import tables

BATCH = 1_000
"""Files per partial file of the cache: what a killed run can lose."""
TASK = 64
"""Files per task of a cluster."""
MEASURING_MODULES = ("ostinato.audio", "ostinato.audio.measurement", "ostinato.audio.fingerprint")
"""Modules whose code determines the measurements."""
TEXTS = ("error", "content_hash", "audio_hash")
FILES_PER_PROCESS = 16
"""Files for which one more process pays off."""
MAX_NAMES = 10
"""Files that a message names."""
IDENTITY = tuple(field.name for field in fields(Identity))
CACHE = reduce(pa.Schema.append, (pa.field(name, pa.int64()) for name in IDENTITY[1:]), tables.FILES.remove(0))


def complete(listing: pd.DataFrame, renaming: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Complete a plugin's listing: add missing columns as unknown, and unify the spelling of names.

    Parameters
    ----------
    listing : DataFrame
        With at least `track_id` and `path`.
    renaming : mapping of str to str, optional
        New name of a genre or tag, by the old one in any spelling.

    Returns
    -------
    DataFrame
        With the columns of `tables.LISTED_COLUMNS`.

    Raises
    ------
    DataError
        If a track_id is not unique, or no track has a genre or tag that is to be renamed.
    """
    frame = listing.reindex(columns=list(tables.LISTED_COLUMNS)).reset_index(drop=True)
    is_duplicate = frame["track_id"].duplicated()
    if is_duplicate.any():
        raise DataError(f"track_id {frame['track_id'][is_duplicate].iloc[0]!r} is listed twice; list each track once")
    frame["path"] = frame["path"].astype(object).where(frame["path"].notna(), None)
    for name in ("tags", "artists"):
        frame[name] = [list(cell) if pd.api.types.is_list_like(cell) else [] for cell in frame[name]]
    names.check_renaming(renaming or {}, [*frame["genre"], *frame["tags"]], "dataset.rename: {{{}: {}}}")
    for name in ("genre", "tags"):
        frame[name] = pd.Series(names.unify(frame[name], renaming), frame.index, dtype=object)
    for name in ("artist", "artists", "album_artist"):
        frame[name] = pd.Series(names.unify(frame[name]), frame.index, dtype=object)
    for name in ("year", "latitude", "longitude"):
        frame[name] = frame[name].astype("float64")
    return frame


def filter_genres(tracks: pd.DataFrame, classes: list[str] | None) -> pd.DataFrame:
    """Return the tracks of some genres.

    Parameters
    ----------
    tracks : DataFrame
    classes : list of str, optional
        Genres in any spelling; default: all tracks.

    Returns
    -------
    DataFrame

    Raises
    ------
    ParamsError
        If a genre has no tracks.
    """
    if classes is None:
        return tracks
    spellings = names.choose_spellings(tracks["genre"])
    missing = sorted(name for name in classes if names.identity(name) not in spellings)
    if missing:
        raise ParamsError(
            f"dataset.classes: no track has the class {missing[0]!r}; there are {', '.join(sorted(spellings.values()))}"
        )
    genres = [spellings[key] for name in classes if (key := names.identity(name))]
    return tracks[tracks["genre"].isin(genres)].reset_index(drop=True)


def assign_ordinals(track_ids: pd.Series, known: pd.DataFrame, first_free: int) -> tuple[list[int], int]:
    """Assign ordinals: known tracks keep theirs, new ones get the next that was never used.

    Parameters
    ----------
    track_ids : Series of str
    known : DataFrame
        `track_id` and `ordinal` of the known tracks.
    first_free : int
        Lower bound of unused ordinals.

    Returns
    -------
    ordinals : list of int
    first_free : int
        Lower bound for the next run.

    Examples
    --------
    >>> known = pd.DataFrame({"track_id": ["a", "b"], "ordinal": [0, 1]})
    >>> assign_ordinals(pd.Series(["b", "c"]), known, 2)
    ([1, 2], 3)
    """
    ordinals = dict(zip(known["track_id"], known["ordinal"].astype(int), strict=True))
    free = itertools.count(max([first_free, *(o + 1 for o in ordinals.values())]))
    return [ordinals[t] if t in ordinals else next(free) for t in track_ids], next(free)


def merge_known(known: pd.DataFrame, gone: Mapping[str, int]) -> pd.DataFrame:
    """Merge tracks of earlier runs into the last table, so that one that returns keeps its ordinal.

    Parameters
    ----------
    known : DataFrame
        `track_id` and `ordinal` of the tracks of the last run.
    gone : mapping of str to int
        Ordinals of tracks of earlier runs.

    Returns
    -------
    DataFrame
        `track_id` and `ordinal`.
    """
    last = known[["track_id", "ordinal"]]
    earlier = {i: ordinal for i, ordinal in gone.items() if i not in set(last["track_id"])}
    return pd.concat(
        [last, pd.DataFrame({"track_id": list(earlier), "ordinal": list(earlier.values())})], ignore_index=True
    )


def list_tracks(plugin: Any, root: Path, options: Any, params: Params, known: pd.Series) -> pd.DataFrame:
    """List the tracks of a dataset.

    Parameters
    ----------
    plugin : module
        Module of `ostinato.datasets`.
    root : Path
    options : plugin.Options
    params : Params
        Sections `seed` and `compute`.
    known : Series of str
        Track ids of the last run.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        From the plugin; if the folder is empty now, with the number of tracks that were in it.
    """
    try:
        frame: pd.DataFrame = plugin.tracks(
            root, options, seed=params.seed, workers=params.compute.workers or parallel.cores()
        )
    except DataError as error:
        from ostinato.audio import find_audio

        if not len(known) or find_audio(root).paths:
            raise
        raise DataError(
            f"{error}. All {len(known)} known tracks would be gone, such as {known.iloc[0]}; nothing was changed: "
            "mount or restore the folder, or give another dataset.path"
        ) from error
    return frame


def refuse_vanished(known: pd.Series, listed: pd.Series, max_share: float, root: Path) -> None:
    """Raise an error if many tracks are gone, as when a disk is not mounted.

    Parameters
    ----------
    known, listed : Series of str
        Track ids of the last run and of this one.
    max_share : float
        Tolerated share of the known tracks.
    root : Path
        Folder of the dataset, for the message.

    Raises
    ------
    DataError
        With the folder from which most tracks are gone.
    """
    gone = known[~known.isin(listed)]
    if len(gone) <= max_share * len(known):
        return
    folders = gone[gone.str.contains("/")].str.split("/").str[0].value_counts()
    where = f", {folders.iloc[0]} of them below {folders.index[0]}" if len(folders) else ""
    raise DataError(
        f"{root}: {len(gone)} of {len(known)} known tracks are gone, such as {gone.iloc[0]}{where}; nothing was "
        "changed: mount or restore the folder, or raise ingest.max_vanished_share in params.yaml if they were removed "
        "on purpose"
    )


def measure_files(root: Path, tracks: pd.DataFrame, cache: Path, settings: parallel.Settings) -> pd.DataFrame:
    """Measure the files of tracks; only new and changed ones are decoded.

    Parameters
    ----------
    root : Path
        Folder that the paths are relative to.
    tracks : DataFrame
        With `track_id` and `path`.
    cache : Path
        File of earlier measurements, with each file's size, times and inode. Every 1000 files a
        partial file is written beside it, so that the next run resumes one that was killed; at
        the end all are merged. Caches of the same folder by other code are deleted.
    settings : parallel.Settings
        Number of processes, or the address of a cluster.

    Returns
    -------
    DataFrame
        With the columns of `tables.FILES`, in the order of `tracks`.
    """
    rows = _read_cache(cache)
    new = _find_new(root, tracks["path"], rows)
    jobs, batch = [(path, rows.get(path)) for path in new], list[dict[str, Any]]()
    results = parallel.map(
        partial(_measure_again, root), jobs, settings, items_per_process=FILES_PER_PROCESS, batch=TASK
    )
    for i, row in enumerate(tqdm(results, total=len(new), desc="measuring", unit="file", disable=not new), start=1):
        batch.append(row)
        if len(batch) == BATCH or i == len(new):
            tables.write(_name_part(cache, len(_list_parts(cache))), pd.DataFrame(batch), CACHE)
            rows |= {row["path"]: row for row in batch}
            batch.clear()
    if _list_parts(cache):
        tables.write(cache, pd.DataFrame(list(rows.values())), CACHE)
    outdated = set(cache.parent.glob(f"{cache.stem.rpartition('-')[0]}-*{cache.suffix}")) - {cache}
    for path in outdated | set(_list_parts(cache)):
        path.unlink()
    frame = pd.DataFrame([rows[path] for path in tracks["path"]], columns=CACHE.names)
    return frame.assign(track_id=tracks["track_id"].to_numpy())


def find_unmeasured(root: Path, tracks: pd.DataFrame, cache: Path) -> list[str]:
    """Find the files that `measure_files` would read: new ones, and those with another size, time or inode.

    Parameters
    ----------
    root : Path
    tracks : DataFrame
        With `path`, which may be missing.
    cache : Path

    Returns
    -------
    list of str
        Paths relative to `root`.
    """
    return _find_new(root, tracks["path"].dropna(), _read_cache(cache))


def join_measurements(tracks: pd.DataFrame, files: pd.DataFrame, listing: pd.DataFrame) -> pd.DataFrame:
    """Join the measurements of files to tracks.

    Parameters
    ----------
    tracks : DataFrame
        With `track_id` and `path`.
    files : DataFrame
        With `track_id` and the columns of `tables.MEASURES`.
    listing : DataFrame
        From the plugin; a track without a file may have a `content_hash` there.

    Returns
    -------
    DataFrame
        With the columns of `tables.MEASURES` and the index of `tracks`.
    """
    measured = files.set_index("track_id").reindex(tracks["track_id"])[list(tables.MEASURES)].set_axis(tracks.index)
    counts = ["sample_rate", "channels", "n_samples"]
    measured[counts] = measured[counts].fillna(0)
    if "content_hash" in listing:
        hashes = tracks["track_id"].map(listing.set_index("track_id")["content_hash"])
        measured["content_hash"] = measured["content_hash"].astype(object).where(tracks["path"].notna(), hashes)
    return measured


def measure(root: Path, path: str, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Hash, decode and measure a file, reading it once.

    Parameters
    ----------
    root : Path
    path : str
        Relative to `root`.
    known : dict, optional
        Its row of the last run, which is reused if the content is unchanged.

    Returns
    -------
    dict
        A row of `tables.FILES` without its track, and the identity of the file. A file that cannot be
        decoded has an `error`, one that cannot be read no `content_hash` either; nothing is raised.
    """
    from ostinato.audio import measurement  # slow; not needed without new files

    keep_freed()
    row = {"path": path, "content_hash": None}
    try:
        with open_snapshot(root / path) as snapshot:
            row |= asdict(snapshot.identity) | {"content_hash": snapshot.content_hash}
            if known is not None and known["content_hash"] == snapshot.content_hash:
                return known | row
            return row | asdict(measurement.measure(snapshot.path))
    except ReadError as error:
        unread = measurement.Measurement(error=str(error).removeprefix(f"{root / path}: "))
        return asdict(_identify(root / path)) | row | asdict(unread)


def _measure_again(root: Path, job: tuple[str, dict[str, Any] | None]) -> dict[str, Any]:
    return measure(root, *job)


def refuse_unread(files: pd.DataFrame, known: pd.DataFrame) -> None:
    """Raise an error if files cannot be read.

    A file that is listed but never existed, such as a wrong path in a table, is left to validation.

    Parameters
    ----------
    files : DataFrame
        From `measure_files`.
    known : DataFrame
        `track_id` and `content_hash` of the last run.

    Raises
    ------
    ReadError
        With the paths of the files.
    """
    readable = known["track_id"][known["content_hash"].notna()] if "content_hash" in known else ()
    is_new = ~files["track_id"].isin(readable)
    unread = files[files["content_hash"].isna() & files["error"].notna() & ~(is_new & (files["error"] == ABSENCE))]
    if len(unread):
        errors = "; ".join(f"{row.path} {row.error}" for row in unread.head(MAX_NAMES).itertuples())
        more = f"; and {len(unread) - MAX_NAMES} more" if len(unread) > MAX_NAMES else ""
        raise ReadError(
            f"{len(unread)} of {format_count(len(files), 'file')} cannot be read: {errors}{more}; restore them, or "
            "delete them or their rows in the table, and run again; finished measurements are kept"
        )


def cache_name(root: Path) -> str:
    """Return the file name of a folder's cache of measurements; it depends on the measuring code.

    Parameters
    ----------
    root : Path

    Returns
    -------
    str
    """
    modules = sorted({name for package in MEASURING_MODULES for name in list_modules(package)})
    folder = hashlib.sha256(bytes(root.resolve())).hexdigest()[:16]
    return f"files-{folder}-{hash_modules(modules)[:16]}.parquet"


def _read_cache(cache: Path) -> dict[str, dict[str, Any]]:
    """Read the cache and its partial files; ignore missing and damaged ones."""
    rows: dict[str, dict[str, Any]] = {}
    for file in (cache, *_list_parts(cache)):
        with suppress(OstinatoError, KeyError):
            table = tables.read(file)[CACHE.names].astype(dict.fromkeys(TEXTS, object))
            rows |= {row["path"]: row for row in table.to_dict("records")}
    return rows


def _name_part(cache: Path, number: int) -> Path:
    return cache.with_name(f"{cache.stem}.{number:05d}{cache.suffix}")


def _list_parts(cache: Path) -> list[Path]:
    """List the partial files beside the cache, the oldest first."""
    return sorted(cache.parent.glob(f"{cache.stem}.*{cache.suffix}"))


def _find_new(root: Path, paths: Iterable[str], rows: Mapping[str, dict[str, Any]]) -> list[str]:
    return [path for path in paths if not _is_known(root / path, rows.get(path))]


def _is_known(path: Path, row: dict[str, Any] | None) -> bool:
    """Return whether a file is unchanged since it was measured; False if it could not be read then."""
    if row is None or pd.isna(row["content_hash"]):
        return False
    return tuple(row[name] for name in IDENTITY) == astuple(_identify(path))


def _identify(path: Path) -> Identity:
    try:
        return Identity.of(path.stat())
    except OSError:
        return Identity()
