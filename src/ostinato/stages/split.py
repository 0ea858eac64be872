"""Stage split: part the sound, labelled tracks; what was given out before stays."""

import json
import logging
from typing import Any

from ostinato import splits, tables
from ostinato.errors import DataError, ParamsError
from ostinato.files import write_json
from ostinato.paths import Paths

SECTIONS = ("seed", "split")
PLAN = "plan"

log = logging.getLogger(__name__)


def run(paths: Paths, params: Any, name: str | None = None) -> None:
    """Write splits.parquet and classes.json.

    Parameters
    ----------
    paths : Paths
    params : SimpleNamespace
        Sections `SECTIONS`.
    name : str, optional
        Not used.

    Raises
    ------
    DataError
        If no track has a label.
    """
    tracks = tables.read(paths.tracks)
    labelled = tracks["genre"].notna() | tracks["tags"].map(len).gt(0)
    tracks = tracks[labelled & ~tracks["track_id"].isin(tables.read(paths.quarantine)["track_id"])]
    if tracks.empty:
        raise DataError("no track has a genre or tags; put them in directories or give dataset.table")
    settings = params.split
    plan = splits.Plan(
        settings.folds, settings.group_by, settings.validation, settings.test, settings.scarce, params.seed
    )
    signature = json.dumps({**vars(plan), "official": settings.official}, sort_keys=True)
    if settings.official:
        if settings.folds:
            raise ParamsError("split.official: the published split has no folds; set split.folds: 0")
        rows, n_leaks = splits.official(tracks, settings.group_by)
        excluded, title = {}, "official" + (" (artists leak)" if n_leaks else "")
    else:
        kept = paths.splits.exists() and tables.notes(paths.splits).get(PLAN) == signature
        drawn = splits.draw(tracks, plan, tables.read(paths.splits) if kept else None)
        rows, excluded, title = drawn.splits, drawn.excluded, splits.name(plan, tracks)
    for track, reason in excluded.items():
        log.warning("%s: %s", track, reason)
    tables.write(paths.splits, rows, tables.SPLITS, {PLAN: signature})
    write_json(paths.classes, {**splits.describe(tracks, rows, title, settings.min_tag_tracks), "excluded": excluded})
