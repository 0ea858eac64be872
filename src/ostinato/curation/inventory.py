"""From a listing to numbered and measured tracks: what is old is kept, what is new is decoded once."""

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

from ostinato.audio import ABSENT, Identity, open_snapshot
from ostinato.core import names, parallel
from ostinato.core.code_hash import hash_modules, list_modules
from ostinato.core.malloc import keep_freed
from ostinato.core.params.schema import Params
from ostinato.errors import DataError, OstinatoError, ParamsError, ReadError
from ostinato.io import tables

BATCH = 1_000
"""Files that a killed run may have measured in vain."""
TASK = 64
"""Files that a worker of a cluster is given at once."""
MEASURING_MODULES = ("ostinato.audio", "ostinato.audio.measurement", "ostinato.audio.fingerprint")
"""The modules that say how a file is measured."""
TEXTS = ("error", "content_hash", "audio_hash")
LEAST = 16
SHOWN = 10
IDENTITY = tuple(field.name for field in fields(Identity))
CACHE = reduce(pa.Schema.append, (pa.field(name, pa.int64()) for name in IDENTITY[1:]), tables.FILES.remove(0))


def complete(listing: pd.DataFrame, renaming: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Fill a plugin's listing up to all columns, with "unknown" where it says nothing, and one spelling a name.

    Parameters
    ----------
    listing : DataFrame
        With `track_id` and `path` at least.
    renaming : mapping of str to str, optional
        A genre or tag, in any spelling, to the one that it becomes.

    Returns
    -------
    DataFrame
        With the columns of `tables.LISTED`.

    Raises
    ------
    DataError
        If a track_id stands twice, or no track has a genre or tag that is to be renamed.
    """
    frame = listing.reindex(columns=list(tables.LISTED)).reset_index(drop=True)
    twice = frame["track_id"].duplicated()
    if twice.any():
        raise DataError(f"track_id {frame['track_id'][twice].iloc[0]!r} stands twice; name each track once")
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
    """Keep the tracks of some genres.

    Parameters
    ----------
    tracks : DataFrame
    classes : list of str, optional
        In any spelling. Default: all tracks.

    Returns
    -------
    DataFrame

    Raises
    ------
    ParamsError
        If a genre has no track.
    """
    if classes is None:
        return tracks
    there = names.choose_spellings(tracks["genre"])
    absent = sorted(name for name in classes if names.identity(name) not in there)
    if absent:
        raise ParamsError(f"dataset.classes: no track is {absent[0]!r}; there are {', '.join(sorted(there.values()))}")
    wanted = [there[same] for name in classes if (same := names.identity(name))]
    return tracks[tracks["genre"].isin(wanted)].reset_index(drop=True)


def assign_ordinals(track_ids: pd.Series, known: pd.DataFrame, first_free: int) -> tuple[list[int], int]:
    """Assign each track its ordinal: its old one, or the next that nobody ever had.

    Parameters
    ----------
    track_ids : Series of str
    known : DataFrame
        `track_id` and `ordinal` of the tracks there were.
    first_free : int
        No ordinal given so far reaches it.

    Returns
    -------
    ordinals : list of int
    first_free : int
        For the next time.

    Examples
    --------
    >>> known = pd.DataFrame({"track_id": ["a", "b"], "ordinal": [0, 1]})
    >>> assign_ordinals(pd.Series(["b", "c"]), known, 2)
    ([1, 2], 3)
    """
    ordinals = dict(zip(known["track_id"], known["ordinal"].astype(int), strict=True))
    free = itertools.count(max([first_free, *(o + 1 for o in ordinals.values())]))
    given = [ordinals[t] if t in ordinals else next(free) for t in track_ids]
    return given, next(free)


def remember(known: pd.DataFrame, gone: Mapping[str, int]) -> pd.DataFrame:
    """Merge tracks of earlier runs into the last table, so that one that returns keeps its ordinal.

    Parameters
    ----------
    known : DataFrame
        `track_id` and `ordinal` of the tracks of the last time.
    gone : mapping of str to int
        Ordinals of older ones.

    Returns
    -------
    DataFrame
        `track_id` and `ordinal`.
    """
    here = known[["track_id", "ordinal"]]
    older = {i: ordinal for i, ordinal in gone.items() if i not in set(here["track_id"])}
    return pd.concat(
        [here, pd.DataFrame({"track_id": list(older), "ordinal": list(older.values())})], ignore_index=True
    )


def list_tracks(plugin: Any, root: Path, options: Any, params: Params, known: pd.Series) -> pd.DataFrame:
    """List the tracks of a dataset.

    Parameters
    ----------
    plugin : module
        Of `ostinato.datasets`.
    root : Path
    options : plugin.Options
    params : Params
        Sections `seed` and `compute`.
    known : Series of str
        Ids of its tracks in the last run.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        As the plugin, and of a folder that is empty now, how many tracks were in it.
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
    """Refuse to go on where much of a collection is away, as when a share is not mounted.

    Parameters
    ----------
    known, listed : Series of str
        Track ids of the last time and of now.
    max_share : float
        Of the known tracks.
    root : Path
        For the message.

    Raises
    ------
    DataError
        Naming the folder from which most are gone.
    """
    away = known[~known.isin(listed)]
    if len(away) <= max_share * len(known):
        return
    folders = away[away.str.contains("/")].str.split("/").str[0].value_counts()
    of = f", {folders.iloc[0]} of them below {folders.index[0]}" if len(folders) else ""
    raise DataError(
        f"{root}: {len(away)} of {len(known)} known tracks are gone, such as {away.iloc[0]}{of}; nothing was changed: "
        "mount or restore what is away, or raise ingest.max_vanished_share in params.yaml if they are gone on purpose"
    )


def measure_files(root: Path, tracks: pd.DataFrame, cache: Path, settings: parallel.Settings) -> pd.DataFrame:
    """Measure the files of tracks, decoding only those that changed since the last time.

    Parameters
    ----------
    root : Path
        The folder below which the paths lie.
    tracks : DataFrame
        With `track_id` and `path`.
    cache : Path
        What was measured before, with each file's size, times and inode. Each 1000 files are
        written beside it as they are measured, so that a run that is killed goes on where it
        stopped, and put into it at the end. What another way to measure left of the same
        folder is deleted.
    settings : compute.Settings
        Processes or cluster.

    Returns
    -------
    DataFrame
        With the columns of `tables.FILES`, in the order of `tracks`.
    """
    rows = _read_cache(cache)
    new = _find_new(root, tracks["path"], rows)
    jobs, measured = [(path, rows.get(path)) for path in new], list[dict[str, Any]]()
    results = parallel.map(partial(_measure_again, root), jobs, settings, least=LEAST, batch=TASK)
    for i, row in enumerate(tqdm(results, total=len(new), desc="measuring", unit="file", disable=not new), start=1):
        measured.append(row)
        if len(measured) == BATCH or i == len(new):
            tables.write(_name_part(cache, len(_list_parts(cache))), pd.DataFrame(measured), CACHE)
            rows |= {row["path"]: row for row in measured}
            measured.clear()
    if _list_parts(cache):
        tables.write(cache, pd.DataFrame(list(rows.values())), CACHE)
    others = set(cache.parent.glob(f"{cache.stem.rpartition('-')[0]}-*{cache.suffix}")) - {cache}
    for old in others | set(_list_parts(cache)):
        old.unlink()
    frame = pd.DataFrame([rows[path] for path in tracks["path"]], columns=CACHE.names)
    return frame.assign(track_id=tracks["track_id"].to_numpy())


def find_unmeasured(root: Path, tracks: pd.DataFrame, cache: Path) -> list[str]:
    """Find the files that `measure_files` would read: those that are new, or of another size, time or inode.

    Parameters
    ----------
    root : Path
    tracks : DataFrame
        With `path`; tracks without one have no file.
    cache : Path

    Returns
    -------
    list of str
        Paths below `root`.
    """
    return _find_new(root, tracks["path"].dropna(), _read_cache(cache))


def join_measurements(tracks: pd.DataFrame, files: pd.DataFrame, listing: pd.DataFrame) -> pd.DataFrame:
    """Join the measurements of files to tracks.

    Parameters
    ----------
    tracks : DataFrame
        With `track_id` and `path`.
    files : DataFrame
        With `track_id` and the columns of `tables.MEASURED`.
    listing : DataFrame
        As the plugin gave it; a track without a file may have a `content_hash` there.

    Returns
    -------
    DataFrame
        With the columns of `tables.MEASURED`, by the index of `tracks`.
    """
    found = files.set_index("track_id").reindex(tracks["track_id"])[list(tables.MEASURED)].set_axis(tracks.index)
    counts = ["sample_rate", "channels", "n_samples"]
    found[counts] = found[counts].fillna(0)
    if "content_hash" in listing:
        told = tracks["track_id"].map(listing.set_index("track_id")["content_hash"])
        found["content_hash"] = found["content_hash"].astype(object).where(tracks["path"].notna(), told)
    return found


def measure(root: Path, path: str, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read one file once, hash it and decode it.

    Parameters
    ----------
    root : Path
    path : str
        Relative to `root`.
    known : dict, optional
        Its row of the last time, which holds if the bytes are the same.

    Returns
    -------
    dict
        A row of `tables.FILES`, without its track, and what tells that the file is the same. What cannot
        be decoded has an `error`, what cannot be read no `content_hash` either; nothing is raised.
    """
    from ostinato.audio import measurement  # a run without new files is spared it

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
    """Refuse to go on where files cannot be read: that says nothing of what they hold.

    A file that is listed but was never there, such as one that a table names, is left to validation.

    Parameters
    ----------
    files : DataFrame
        As `measure_files` gives it.
    known : DataFrame
        `track_id` and `content_hash` of the last time.

    Raises
    ------
    ReadError
        Naming the files.
    """
    read = known["track_id"][known["content_hash"].notna()] if "content_hash" in known else ()
    is_new = ~files["track_id"].isin(read)
    unread = files[files["content_hash"].isna() & files["error"].notna() & ~(is_new & (files["error"] == ABSENT))]
    if len(unread):
        named = "; ".join(f"{row.path} {row.error}" for row in unread.head(SHOWN).itertuples())
        more = f"; and {len(unread) - SHOWN} more" if len(unread) > SHOWN else ""
        raise ReadError(
            f"{len(unread)} of {len(files)} files cannot be read: {named}{more}; what was measured is kept: "
            "restore them, or delete them or their rows if they are gone on purpose, and run again"
        )


def cache_name(root: Path) -> str:
    """Name the cache of measurements of a folder; another way to measure is another cache.

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
    """Read the cache and the parts beside it; one that is absent or broken is as good as empty."""
    rows: dict[str, dict[str, Any]] = {}
    for file in (cache, *_list_parts(cache)):
        with suppress(OstinatoError, KeyError):
            table = tables.read(file)[CACHE.names].astype(dict.fromkeys(TEXTS, object))
            rows |= {row["path"]: row for row in table.to_dict("records")}
    return rows


def _name_part(cache: Path, number: int) -> Path:
    return cache.with_name(f"{cache.stem}.{number:05d}{cache.suffix}")


def _list_parts(cache: Path) -> list[Path]:
    """List what runs that were killed left beside the cache, the oldest first."""
    return sorted(cache.parent.glob(f"{cache.stem}.*{cache.suffix}"))


def _find_new(root: Path, paths: Iterable[str], rows: Mapping[str, dict[str, Any]]) -> list[str]:
    return [path for path in paths if not _is_known(root / path, rows.get(path))]


def _is_known(path: Path, row: dict[str, Any] | None) -> bool:
    """Return whether a file is the one that was measured; one that could not be read may be allowed by now."""
    if row is None or pd.isna(row["content_hash"]):
        return False
    return tuple(row[name] for name in IDENTITY) == astuple(_identify(path))


def _identify(path: Path) -> Identity:
    try:
        return Identity.of(path.stat())
    except OSError:
        return Identity()
