"""Survey of the collection, compared with that of the last run: files are listed, not decoded."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato import datasets
from ostinato.core import names
from ostinato.core.counts import format_count
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import inventory, remarks
from ostinato.io import tables
from ostinato.io.files import read_json

MAX_SHOWN = 20
EXAMPLES = 3


@dataclass(frozen=True)
class Survey:
    """Collection that a run would find.

    Parameters
    ----------
    tracks : DataFrame
        Columns of a listing, and `duration` if the last run measured it.
    remarks : list of dict
        See `ostinato.curation.remarks`.
    has_last_run : bool
        Whether there was a run before.
    changes : dict of str to list of str
        Track ids by change: ``new``, ``gone``, ``relabelled`` (genre, artist and the like) and
        ``changed`` (size or time of the file).
    n_unmeasured : int
        Number of files that a run would decode.
    """

    tracks: pd.DataFrame
    remarks: list[remarks.Remark]
    has_last_run: bool
    changes: dict[str, list[str]]
    n_unmeasured: int

    @property
    def differs(self) -> bool:
        """Whether the collection differs from that of the last run."""
        return any(self.changes.values())

    def describe(self) -> str:
        """Format the survey as text.

        Returns
        -------
        str
            Several lines: classes with their tracks, changes since the last run, near spellings, and remarks.
        """
        lines = [count_classes("genre", self.tracks["genre"].dropna()), count_classes("tags", self.tracks["tags"])]
        n_unlabelled = int(self.tracks["genre"].isna().sum())
        if 0 < n_unlabelled < len(self.tracks):
            lines.append(f"without a genre: {n_unlabelled:,} of {len(self.tracks):,} tracks")
        for change, ids in self.changes.items() if self.has_last_run else ():
            if ids:
                examples = ", ".join(ids[:EXAMPLES])
                lines.append(f"{change} since the last run: {format_count(len(ids), 'track')}, such as {examples}")
        spellings = names.describe_near_spellings(names.list_near_spellings(self.tracks))
        return "\n".join([*filter(None, lines), *spellings, *map(remarks.format_remark, self.remarks)])


def count_classes(task: str, labels: Iterable[Any]) -> str:
    """List classes with the number of their tracks, the largest first.

    Parameters
    ----------
    task : str
    labels : iterable
        A label or a list of labels for each track.

    Returns
    -------
    str
        A line; empty without labels.

    Examples
    --------
    >>> count_classes("genre", ["rock", "jazz", "rock"])
    'genre: 2 classes: rock 2, jazz 1'
    """
    counts = pd.Series(list(labels), dtype=object).explode().dropna().value_counts()
    if not len(counts):
        return ""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    classes = ", ".join(f"{name} {n:,}" for name, n in ordered[:MAX_SHOWN])
    more = f", and {len(ordered) - MAX_SHOWN} more" if len(ordered) > MAX_SHOWN else ""
    return f"{task}: {format_count(len(ordered), 'class')}: {classes}{more}"


def survey_collection(paths: Paths, params: Params) -> Survey:
    """Survey the collection.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `seed`, `compute`, `dataset` and `ingest`.

    Returns
    -------
    Survey
        A rendered dataset that was listed before is assumed unchanged, since listing would render it.

    Raises
    ------
    DataError
        As from ingest, such as for a table that cannot be read.
    """
    plugin, options = datasets.load(params.dataset)
    old = tables.read(paths.tracks) if paths.tracks.exists() else None
    if old is not None and getattr(plugin, "IS_EMBEDDED", False):
        return Survey(old, remarks.read_remarks(tables.notes(paths.tracks)), True, {}, 0)
    root = datasets.dataset_root(paths, params.dataset)
    known = old["track_id"] if old is not None and _is_same(paths, params) else pd.Series([], dtype=object)
    listing = inventory.list_tracks(plugin, root, options, params, known)
    tracks = inventory.filter_genres(inventory.complete(listing, params.dataset.rename), params.dataset.classes)
    cache = paths.state / inventory.cache_name(root)
    unmeasured = inventory.find_unmeasured(root, tracks, cache)
    notes = remarks.get_remarks(listing)
    notes += [*remarks.list_unlabelled(tracks), *remarks.list_unknown_artists(tracks)]
    if old is None:
        return Survey(tracks, notes, False, {}, len(unmeasured))
    _refuse_vanished(paths, params, old, listing)
    changed_files = set(unmeasured) if cache.exists() else _find_resized(paths, root, unmeasured)
    durations = old.set_index("track_id")["duration"]
    return Survey(
        tracks.assign(duration=tracks["track_id"].map(durations)),
        notes,
        True,
        _compare(old, tracks, changed_files),
        len(unmeasured),
    )


def _find_resized(paths: Paths, root: Path, files: list[str]) -> set[str]:
    """Find the files whose size has changed, if nothing else is known of the last run, as in a clone."""
    sizes = tables.read(paths.files).set_index("path")["n_bytes"].to_dict()
    return {name for name in files if name in sizes and (root / name).stat().st_size != sizes[name]}


def _compare(old: pd.DataFrame, new: pd.DataFrame, changed_files: set[str]) -> dict[str, list[str]]:
    """Return the tracks that are new, gone, relabelled and changed."""
    before, now = (_cells(frame) for frame in (old, new))
    both = [track for track in now if track in before]
    paths = new.set_index("track_id")["path"]
    return {
        "new": [track for track in now if track not in before],
        "gone": [track for track in before if track not in now],
        "relabelled": [track for track in both if before[track] != now[track]],
        "changed": [track for track in both if paths[track] in changed_files],
    }


def _cells(frame: pd.DataFrame) -> dict[str, str]:
    """Return the listed columns of each track as one string, with missing cells in one form."""
    columns = frame.reindex(columns=list(tables.LISTED_COLUMNS))
    rows = zip(*(columns[name].map(_cell) for name in columns), strict=True)
    return {track: repr(row) for track, row in zip(frame["track_id"], rows, strict=True)}


def _cell(cell: Any) -> Any:
    if isinstance(cell, (list, tuple, np.ndarray)):
        return tuple(cell)
    return None if cell is None or cell is pd.NA or cell != cell else cell


def _refuse_vanished(paths: Paths, params: Params, old: pd.DataFrame, listing: pd.DataFrame) -> None:
    """Refuse a collection with too many missing tracks, as ingest would."""
    if _is_same(paths, params):
        root = datasets.dataset_root(paths, params.dataset)
        inventory.refuse_vanished(old["track_id"], listing["track_id"], params.ingest.max_vanished_share, root)


def _is_same(paths: Paths, params: Params) -> bool:
    """Return whether the last run was of the same dataset at the same path."""
    receipt = read_json(paths.receipt("ingest")) if paths.receipt("ingest").exists() else {}
    return bool(receipt.get("dataset") == datasets.identify(params.dataset))
