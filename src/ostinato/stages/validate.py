"""Check tracks and files, and quarantine broken ones; stop if too few remain."""

import logging
from typing import Any

import pandas as pd

from ostinato import datasets
from ostinato.core import names
from ostinato.core.counts import format_count
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import duplicates, remarks
from ostinato.errors import DataError
from ostinato.expectations import _session, collection, files, spellings, tracks, unnamed
from ostinato.expectations import copies as repeats
from ostinato.io import tables
from ostinato.io.files import write_json

SECTIONS = ("dataset", "validate")
RECEIPTS = ("files", "copies", "tracks", "spellings", "collection", "warnings")

log = logging.getLogger(__name__)


def run(paths: Paths, params: Params) -> None:
    """Write quarantine.parquet, warnings.parquet, copies.parquet, a receipt per table and the Data Docs.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `SECTIONS`.

    Raises
    ------
    DataError
        If an expectation of the whole collection fails; the message holds the
        table of reasons. All outputs are written nevertheless.
    """
    for table in RECEIPTS:
        paths.receipt(table).unlink(missing_ok=True)  # without receipts of an earlier run
    bounds, promised = params.validate_, getattr(datasets.load(params.dataset)[0], "PROMISED_COLUMNS", ())
    all_tracks = tables.read(paths.tracks)
    session = _session.Session(paths.docs)
    measurements = tables.read(paths.files)
    file_receipt, faults = session.check("files", files.prepare(measurements), files.suite(bounds))
    broken = all_tracks["track_id"].isin(faults["track_id"])
    copies = duplicates.find(measurements[~measurements["track_id"].isin(faults["track_id"])])
    tables.write(paths.copies, copies, tables.COPIES)
    copy_receipt, more = session.check("copies", repeats.prepare(all_tracks, copies), repeats.suite(bounds))
    faults = pd.concat([faults, more], ignore_index=True)
    broken = all_tracks["track_id"].isin(faults["track_id"])
    track_receipt, more = session.check(
        "tracks", _describe_tracks(paths, params, all_tracks, broken), tracks.suite(bounds, promised)
    )
    _check_unnamed(session, track_receipt, paths, params, all_tracks)
    spelling_receipt = _check_spellings(session, all_tracks)
    faults = pd.concat([faults, more], ignore_index=True)
    broken = all_tracks["track_id"].isin(faults["track_id"])
    collection_receipt, _ = session.check(
        "collection", collection.prepare(all_tracks, broken), collection.suite(bounds)
    )
    quarantine = _with_paths(faults, all_tracks)
    tables.write(paths.quarantine, quarantine, tables.QUARANTINE)
    valid = measurements[~measurements["track_id"].isin(faults["track_id"])]
    warning_receipt, doubts = session.check("warnings", files.prepare(valid), files.warnings(bounds))
    warnings = _with_paths(doubts, all_tracks)
    tables.write(paths.warnings, warnings, tables.QUARANTINE)
    _log_outcome(quarantine, warnings, all_tracks, broken)
    track_receipt["remarks"] = remarks.read_remarks(tables.notes(paths.tracks))
    receipts = (
        *(file_receipt, copy_receipt, track_receipt),
        *(spelling_receipt, collection_receipt, warning_receipt),
    )
    for receipt in receipts:
        write_json(paths.receipt(receipt["table"]), receipt)
    session.write_docs()
    if not collection_receipt["success"]:
        raise DataError(describe_failure(collection_receipt, quarantine, all_tracks, params.dataset))


def _log_outcome(quarantine: pd.DataFrame, warnings: pd.DataFrame, all_tracks: pd.DataFrame, broken: pd.Series) -> None:
    """Log the reasons for quarantine and warnings and the unlabelled tracks, and print the number that passed."""
    _log_reasons(quarantine, "left out", len(all_tracks))
    _log_reasons(warnings, "kept with a warning", len(all_tracks))
    for remark in remarks.list_unlabelled(all_tracks[~broken]):
        log.warning("%s", remarks.format_remark(remark))
    print(f"validate: passed {len(all_tracks) - int(broken.sum())} of {format_count(len(all_tracks), 'track')}")


def _log_reasons(faults: pd.DataFrame, outcome: str, n_tracks: int) -> None:
    """Log each reason with the number of its tracks and an example."""
    for reason, rows in faults.groupby("reason"):
        n, total = rows["track_id"].nunique(), format_count(n_tracks, "track")
        example = f"{rows['path'].iloc[0]}: {rows['evidence'].iloc[0]}"
        log.warning("%s %d of %s: %s, such as %s", outcome, n, total, reason, example)


def _with_paths(faults: pd.DataFrame, all_tracks: pd.DataFrame) -> pd.DataFrame:
    """Add the path of the track to each fault, and sort."""
    table = faults.merge(all_tracks[["track_id", "path"]].drop_duplicates("track_id"), on="track_id")
    return table.sort_values(["track_id", "reason", "evidence"])


def _describe_tracks(paths: Paths, params: Params, all_tracks: pd.DataFrame, broken: pd.Series) -> pd.DataFrame:
    """Prepare the table of tracks with the classes that the dataset declares."""
    plugin, root = datasets.load(params.dataset)[0], datasets.dataset_root(paths, params.dataset)
    declared = getattr(plugin, "CLASSES", {})
    renamed = {task: (*classes, *params.dataset.rename.values()) for task, classes in declared.items()}
    return tracks.prepare(all_tracks, broken, root, renamed)


def _check_unnamed(
    session: _session.Session, receipt: dict[str, Any], paths: Paths, params: Params, all_tracks: pd.DataFrame
) -> None:
    """Add the number of files that belong to no track to the receipt of tracks.

    It is not counted if `dataset.classes` excludes tracks, nor for a rendered dataset, whose folder it shares with
    larger ones.
    """
    if params.dataset.classes is not None or getattr(datasets.load(params.dataset)[0], "IS_EMBEDDED", False):
        return
    files_left = unnamed.prepare(all_tracks, datasets.dataset_root(paths, params.dataset))
    unnamed_receipt, _ = session.check("unnamed", files_left, unnamed.suite(params.validate_))
    receipt["expectations"] += unnamed_receipt["expectations"]
    receipt["success"] &= unnamed_receipt["success"]
    if n := len(files_left):
        log.warning("%s without a track, such as %s", format_count(n, "file"), files_left["unnamed"].iloc[0])


def _check_spellings(session: _session.Session, all_tracks: pd.DataFrame) -> dict[str, Any]:
    """Warn of genres, tags and artists that may be the same."""
    groups = names.list_near_spellings(all_tracks)
    receipt, _ = session.check("spellings", spellings.prepare(groups), spellings.suite())
    for line in names.describe_near_spellings(groups):
        log.warning("%s", line)
    return {**receipt, "groups": groups}


def describe_failure(
    receipt: dict[str, Any], quarantine: pd.DataFrame, tracks: pd.DataFrame, dataset: Any = None
) -> str:
    """Describe why the pipeline stops, with the table of reasons.

    Parameters
    ----------
    receipt : dict
        Receipt of the collection.
    quarantine : DataFrame
    tracks : DataFrame
        All tracks.
    dataset : params.Dataset, optional
        Source of genres.

    Returns
    -------
    str
        Several lines.
    """
    failures = "; ".join(e["reason"] for e in receipt["expectations"] if not e["success"])
    reasons = [
        f"  {rows['track_id'].nunique():>8}  {reason}, such as {rows['path'].iloc[0]}: {rows['evidence'].iloc[0]}"
        for reason, rows in quarantine.groupby("reason")
    ]
    advice = ["fix or remove these files, or change the bounds of validate in params.yaml"] if reasons else []
    for remark in remarks.list_unlabelled(tracks):
        reasons.append(f"  {remark['n']:>8}  neither a genre nor tags, such as {remark['examples'][0]}")
        source = dataset.options.get("genre_from") if dataset is not None else None
        where = f"dataset.genre_from: {source} finds no genre for them; " if source else ""
        advice.append(f"{where}choose another source of genres: folders, the files' own tags or dataset.table")
    if not reasons:
        counts = tracks["genre"].value_counts()
        reasons = [f"  {n:>8}  {genre}" for genre, n in counts.items()]
        advice.append("choose a folder, a table or tags with at least two genres")
    table = [f"  {'tracks':>8}  reason (of {format_count(len(tracks), 'track')})", *reasons]
    return "\n".join([f"the collection cannot be used: {failures}", *table, *advice])
