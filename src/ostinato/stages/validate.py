"""Check tracks and files, and quarantine what is broken; stop where too little is left."""

import logging
from typing import Any

import pandas as pd

from ostinato import datasets
from ostinato.core import names
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
        If an expectation of the whole collection is broken; the message holds
        the table of reasons. What was found is written all the same.
    """
    for table in RECEIPTS:
        paths.receipt(table).unlink(missing_ok=True)  # none of an earlier run stands beside what this one leaves
    bounds, promised = params.validate_, getattr(datasets.load(params.dataset)[0], "PROMISED", ())
    all_tracks = tables.read(paths.tracks)
    session = _session.Session(paths.docs)
    measured = tables.read(paths.files)
    of_files, faults = session.check("files", files.prepare(measured), files.suite(bounds))
    broken = all_tracks["track_id"].isin(faults["track_id"])
    found = duplicates.find(measured[~measured["track_id"].isin(faults["track_id"])])
    tables.write(paths.copies, found, tables.COPIES)
    of_copies, more = session.check("copies", repeats.prepare(all_tracks, found), repeats.suite(bounds))
    faults = pd.concat([faults, more], ignore_index=True)
    broken = all_tracks["track_id"].isin(faults["track_id"])
    of_tracks, more = session.check(
        "tracks", _describe_tracks(paths, params, all_tracks, broken), tracks.suite(bounds, promised)
    )
    _look_around(session, of_tracks, paths, params, all_tracks)
    of_names = _check_spellings(session, all_tracks)
    faults = pd.concat([faults, more], ignore_index=True)
    broken = all_tracks["track_id"].isin(faults["track_id"])
    of_all, _ = session.check("collection", collection.prepare(all_tracks, broken), collection.suite(bounds))
    quarantine = _with_paths(faults, all_tracks)
    tables.write(paths.quarantine, quarantine, tables.QUARANTINE)
    kept = measured[~measured["track_id"].isin(faults["track_id"])]
    of_kept, doubts = session.check("warnings", files.prepare(kept), files.warnings(bounds))
    warnings = _with_paths(doubts, all_tracks)
    tables.write(paths.warnings, warnings, tables.QUARANTINE)
    _tell_reasons(quarantine, "left out", len(all_tracks))
    _tell_reasons(warnings, "kept with a warning", len(all_tracks))
    for remark in remarks.list_unlabelled(all_tracks[~broken]):
        log.warning("%s", remarks.format_remark(remark))
    print(f"validate: passed {len(all_tracks) - int(broken.sum())} of {remarks.format_count(len(all_tracks), 'track')}")
    of_tracks["remarks"] = remarks.read_remarks(tables.notes(paths.tracks))
    for receipt in (of_files, of_copies, of_tracks, of_names, of_all, of_kept):
        write_json(paths.receipt(receipt["table"]), receipt)
    session.write_docs()
    if not of_all["success"]:
        raise DataError(refusal(of_all, quarantine, all_tracks, params.dataset))


def _tell_reasons(faults: pd.DataFrame, where: str, n_tracks: int) -> None:
    """Print for each reason how many tracks have it, with an example."""
    for reason, rows in faults.groupby("reason"):
        such = f"such as {rows['path'].iloc[0]}: {rows['evidence'].iloc[0]}"
        log.warning("%s %d of %d tracks: %s, %s", where, rows["track_id"].nunique(), n_tracks, reason, such)


def _with_paths(faults: pd.DataFrame, all_tracks: pd.DataFrame) -> pd.DataFrame:
    """Put beside each fault the path of its track, and sort."""
    named = faults.merge(all_tracks[["track_id", "path"]].drop_duplicates("track_id"), on="track_id")
    return named.sort_values(["track_id", "reason", "evidence"])


def _describe_tracks(paths: Paths, params: Params, all_tracks: pd.DataFrame, broken: pd.Series) -> pd.DataFrame:
    """Put beside each track what its dataset declares and holds."""
    plugin, root = datasets.load(params.dataset)[0], datasets.dataset_root(paths, params.dataset)
    declared = getattr(plugin, "CLASSES", {})
    renamed = {task: (*classes, *params.dataset.rename.values()) for task, classes in declared.items()}
    return tracks.prepare(all_tracks, broken, root, renamed)


def _look_around(
    session: _session.Session, receipt: dict[str, Any], paths: Paths, params: Params, all_tracks: pd.DataFrame
) -> None:
    """Add to the receipt of tracks how many files lie beside theirs that no track names.

    Where `dataset.classes` leaves tracks out, their files are named by none and nothing is said; nor of a rendered
    dataset, whose folder holds what larger ones of it share.
    """
    if params.dataset.classes is not None or getattr(datasets.load(params.dataset)[0], "EMBEDDED", False):
        return
    found = unnamed.prepare(all_tracks, datasets.dataset_root(paths, params.dataset))
    of_files, _ = session.check("unnamed", found, unnamed.suite(params.validate_))
    receipt["expectations"] += of_files["expectations"]
    receipt["success"] &= of_files["success"]
    if len(found):
        log.warning("%d files lie there that no track names, such as %s", len(found), found["unnamed"].iloc[0])


def _check_spellings(session: _session.Session, all_tracks: pd.DataFrame) -> dict[str, Any]:
    """Name the genres, tags and artists that may be one; nothing is left out for it."""
    groups = names.list_near_spellings(all_tracks)
    receipt, _ = session.check("spellings", spellings.prepare(groups), spellings.suite())
    for line in names.describe_near_spellings(groups):
        log.warning("%s", line)
    return {**receipt, "groups": groups}


def refusal(receipt: dict[str, Any], quarantine: pd.DataFrame, tracks: pd.DataFrame, dataset: Any = None) -> str:
    """Return why the pipeline stops, with the table of reasons.

    Parameters
    ----------
    receipt : dict
        Of the collection.
    quarantine : DataFrame
    tracks : DataFrame
        The whole collection.
    dataset : params.Dataset, optional
        Where genres come from.

    Returns
    -------
    str
        Several lines.
    """
    why = "; ".join(e["reason"] for e in receipt["expectations"] if not e["success"])
    reasons = [
        f"  {rows['track_id'].nunique():>8}  {reason}, such as {rows['path'].iloc[0]}: {rows['evidence'].iloc[0]}"
        for reason, rows in quarantine.groupby("reason")
    ]
    mends = ["mend or remove these files, or change the bounds under validate in params.yaml"] if reasons else []
    for remark in remarks.list_unlabelled(tracks):
        reasons.append(f"  {remark['n']:>8}  neither a genre nor tags, such as {remark['examples'][0]}")
        source = dataset.options.get("genre_from") if dataset is not None else None
        where = f"dataset.genre_from: {source} finds no genre for them; " if source else ""
        mends.append(f"{where}name a source that tells the genre: folders, the files' own tags or dataset.table")
    if not reasons:
        counts = tracks["genre"].value_counts()
        reasons = [f"  {n:>8}  {genre}" for genre, n in counts.items()]
        mends.append("name a folder, a table or tags that tell at least two genres")
    table = [f"  {'tracks':>8}  reason (of {len(tracks)} tracks)", *reasons]
    return "\n".join([f"the collection cannot be used: {why}", *table, *mends])
