"""Split the tracks by artist, album and copy.

Tracks of the last split keep their part.
"""

import json
import logging
from typing import Any

import pandas as pd

from ostinato.core.counts import format_count
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import splits
from ostinato.errors import DataError, ParamsError
from ostinato.expectations import _session, parts
from ostinato.expectations import splits as sides
from ostinato.io import tables
from ostinato.io.files import write_json

SECTIONS = ("seed", "split")
PLAN = "plan"
RECEIPTS = ("splits", "parts")

log = logging.getLogger(__name__)


def run(paths: Paths, params: Params) -> None:
    """Write splits.parquet, classes.json and receipts of the checks.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `SECTIONS`.

    Raises
    ------
    DataError
        If no track has a label, or the split leaks or is unbalanced.
    """
    for table in RECEIPTS:
        paths.receipt(table).unlink(missing_ok=True)  # without receipts of an earlier run
    all_tracks = tables.read(paths.tracks)
    labelled = all_tracks["genre"].notna() | all_tracks["tags"].map(len).gt(0)
    in_quarantine = all_tracks["track_id"].isin(tables.read(paths.quarantine)["track_id"])
    tracks = all_tracks[labelled & ~in_quarantine]
    if tracks.empty:
        raise DataError("no track has a genre or tags; make a folder for each genre, or set dataset.table")
    tracks["copy"] = _find_recordings(tracks, tables.read(paths.copies))
    settings = params.split
    plan = splits.SplitPlan(
        settings.folds,
        settings.group_by,
        settings.validation,
        settings.test,
        settings.scarce_genres,
        params.seed,
        tuple(settings.balance),
        settings.compilations,
        settings.guests,
    )
    defaults = {"balance": (), "compilations": "together", "guests": "together"}  # not in the notes of older splits
    options = {k: v for k, v in vars(plan).items() if k not in defaults or v != defaults[k]}
    signature = json.dumps({**options, "official": settings.official}, sort_keys=True)
    if settings.official:
        if settings.folds:
            raise ParamsError("split.official: the published split has no folds; set split.folds: 0")
        rows, n_leaks = splits.use_official(tracks, plan)
        excluded, title = {}, "official" + (" (artists leak)" if n_leaks else "")
        group_by = "nothing" if n_leaks else settings.group_by
    else:
        is_update = paths.splits.exists() and tables.notes(paths.splits).get(PLAN) == signature
        if not is_update:
            splits.check_folds(tracks, plan)
        assignment = splits.assign_splits(tracks, plan, tables.read(paths.splits) if is_update else None)
        rows, excluded, title = assignment.splits, assignment.excluded, splits.make_title(plan, tracks)
        group_by = settings.group_by
    for track, reason in excluded.items():
        log.warning("%s: %s", track, reason)
    _check(paths, tracks, rows, settings, group_by)
    tables.write(paths.splits, rows, tables.SPLITS, {PLAN: signature})
    classes = splits.describe(tracks, rows, title, settings.min_tag_tracks)
    write_json(paths.classes, {**classes, "excluded": excluded})
    losses = {"quarantined": int(in_quarantine.sum())}
    losses["without a genre or tags"] = int((~labelled & ~in_quarantine).sum())
    losses["tied to several splits" if excluded else "without a published split"] = len(tracks) - classes["n_tracks"]
    print("\n".join(_describe(rows, tracks, classes, len(all_tracks), losses)))


def _describe(
    rows: pd.DataFrame, tracks: pd.DataFrame, classes: dict[str, Any], n_tracks: int, losses: dict[str, int]
) -> list[str]:
    """Return lines with the sizes of the parts, the excluded tracks, and the genres that cannot be evaluated."""
    sizes = {name: rows["fold"][rows["split"] == name].value_counts() for name in splits.NAMES}
    ranges = {name: (counts.min(), counts.max()) for name, counts in sizes.items()}
    parts = ", ".join(f"{name} {low}" + (f" to {high}" if low < high else "") for name, (low, high) in ranges.items())
    n = format_count(n_tracks, "track")
    lines = [f"split: {classes['n_tracks']} of {n}, {classes['name']}: {parts}"]
    if reasons := ", ".join(f"{n} {reason}" for reason, n in losses.items() if n):
        lines.append(f"split: left out {n_tracks - classes['n_tracks']} of {n}: {reasons}")
    if classes["not_evaluable"]:
        counts = tracks["genre"].value_counts()
        rare = ", ".join(f"{genre} ({counts[genre]})" for genre in classes["not_evaluable"])
        lines.append(f"split: genres with too few artists to be evaluated, with their tracks: {rare}")
    return lines


def _find_recordings(tracks: pd.DataFrame, copies: pd.DataFrame) -> pd.Series:
    """Return the recording of each track: its first track."""
    return tracks["track_id"].map(copies.set_index("track_id")["copy_of"]).fillna(tracks["track_id"])


def _check(paths: Paths, tracks: pd.DataFrame, rows: pd.DataFrame, settings: Any, group_by: str) -> None:
    """Refuse a split that leaks or is unbalanced; write receipts and Data Docs first."""
    session = _session.Session(paths.split_docs)
    row_receipt, leaks = session.check(
        "splits", sides.prepare(tracks, rows, settings.compilations, settings.guests), sides.suite(group_by)
    )
    table = parts.prepare(tracks, rows, settings.balance)
    part_receipt, _ = session.check("parts", table, parts.suite(settings))
    part_receipt["measured"] = table.round(6).astype(object).where(table.notna(), None).to_dict("records")
    for receipt in (row_receipt, part_receipt):
        write_json(paths.receipt(receipt["table"]), receipt)
    session.write_docs()
    expectations = [*row_receipt["expectations"], *part_receipt["expectations"]]
    reasons = [e["reason"] for e in expectations if not e["success"]]
    if reasons:
        example = f", such as {leaks['track_id'].iloc[0]}" if len(leaks) else ""
        raise DataError(f"the split cannot be used: {'; '.join(reasons)}{example}; change split in params.yaml")
