"""Split the tracks by artist, album and copy.

What was given out before stays.
"""

import json
import logging
from typing import Any

import pandas as pd

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
    """Write splits.parquet, classes.json and receipts of what was checked.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `SECTIONS`.

    Raises
    ------
    DataError
        If no track has a label, or the split leaks or is lopsided.
    """
    for table in RECEIPTS:
        paths.receipt(table).unlink(missing_ok=True)  # none of an earlier run stands beside what this one leaves
    everything = tables.read(paths.tracks)
    labelled = everything["genre"].notna() | everything["tags"].map(len).gt(0)
    quarantined = everything["track_id"].isin(tables.read(paths.quarantine)["track_id"])
    tracks = everything[labelled & ~quarantined]
    if tracks.empty:
        raise DataError("no track has a genre or tags; put them in directories or give dataset.table")
    tracks["copy"] = _recordings(tracks, tables.read(paths.copies))
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
    later = {"balance": (), "compilations": "together", "guests": "together"}  # settings that older splits do not name
    kept_by = {k: v for k, v in vars(plan).items() if k not in later or v != later[k]}
    signature = json.dumps({**kept_by, "official": settings.official}, sort_keys=True)
    if settings.official:
        if settings.folds:
            raise ParamsError("split.official: the published split has no folds; set split.folds: 0")
        rows, n_leaks = splits.use_official(tracks, plan)
        excluded, title = {}, "official" + (" (artists leak)" if n_leaks else "")
        apart = "nothing" if n_leaks else settings.group_by
    else:
        kept = paths.splits.exists() and tables.notes(paths.splits).get(PLAN) == signature
        if not kept:
            splits.check_folds(tracks, plan)
        drawn = splits.assign_splits(tracks, plan, tables.read(paths.splits) if kept else None)
        rows, excluded, title = drawn.splits, drawn.excluded, splits.make_title(plan, tracks)
        apart = settings.group_by
    for track, reason in excluded.items():
        log.warning("%s: %s", track, reason)
    _check(paths, tracks, rows, settings, apart)
    tables.write(paths.splits, rows, tables.SPLITS, {PLAN: signature})
    classes = splits.describe(tracks, rows, title, settings.min_tag_tracks)
    write_json(paths.classes, {**classes, "excluded": excluded})
    lost = {"quarantined": int(quarantined.sum()), "without a genre or tags": int((~labelled & ~quarantined).sum())}
    lost["tied to several splits" if excluded else "without a published split"] = len(tracks) - classes["n_tracks"]
    print("\n".join(_describe(rows, tracks, classes, len(everything), lost)))


def _describe(
    rows: pd.DataFrame, tracks: pd.DataFrame, classes: dict[str, Any], n_tracks: int, lost: dict[str, int]
) -> list[str]:
    """Return how large the parts are, which tracks are in none, and which genres are not judged."""
    sizes = {name: rows["fold"][rows["split"] == name].value_counts() for name in splits.NAMES}
    ranges = {name: (counts.min(), counts.max()) for name, counts in sizes.items()}
    parts = ", ".join(f"{name} {low}" + (f" to {high}" if low < high else "") for name, (low, high) in ranges.items())
    lines = [f"split: {classes['n_tracks']} of {n_tracks} tracks, {classes['name']}: {parts}"]
    if why := ", ".join(f"{n} {reason}" for reason, n in lost.items() if n):
        lines.append(f"split: left out {n_tracks - classes['n_tracks']} of {n_tracks} tracks: {why}")
    if classes["not_evaluable"]:
        counts = tracks["genre"].value_counts()
        rare = ", ".join(f"{genre} ({counts[genre]})" for genre in classes["not_evaluable"])
        lines.append(f"split: genres of too few artists to be judged, with their tracks: {rare}")
    return lines


def _recordings(tracks: pd.DataFrame, copies: pd.DataFrame) -> pd.Series:
    """Name each track's recording: the first track of it."""
    return tracks["track_id"].map(copies.set_index("track_id")["copy_of"]).fillna(tracks["track_id"])


def _check(paths: Paths, tracks: pd.DataFrame, rows: pd.DataFrame, settings: Any, apart: str) -> None:
    """Refuse a split that leaks or is lopsided; write receipts and Data Docs first."""
    session = _session.Session(paths.split_docs)
    of_rows, leaks = session.check(
        "splits", sides.prepare(tracks, rows, settings.compilations, settings.guests), sides.suite(apart)
    )
    measured = parts.prepare(tracks, rows, settings.balance)
    of_parts, _ = session.check("parts", measured, parts.suite(settings))
    of_parts["measured"] = measured.round(6).astype(object).where(measured.notna(), None).to_dict("records")
    for receipt in (of_rows, of_parts):
        write_json(paths.receipt(receipt["table"]), receipt)
    session.write_docs()
    why = [e["reason"] for receipt in (of_rows, of_parts) for e in receipt["expectations"] if not e["success"]]
    if why:
        such = f", such as {leaks['track_id'].iloc[0]}" if len(leaks) else ""
        raise DataError(f"the split cannot be used: {'; '.join(why)}{such}; change split in params.yaml")
