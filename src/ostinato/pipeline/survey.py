"""The collection as it lies there now, held against that of the last run: files are listed, none is decoded."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ostinato import datasets
from ostinato.core import names
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import inventory, remarks
from ostinato.io import tables
from ostinato.io.files import read_json

SHOWN = 20
EXAMPLES = 3


@dataclass(frozen=True)
class Survey:
    """What a run would find.

    Parameters
    ----------
    tracks : DataFrame
        With the columns of a listing, and `duration` where the last run measured it.
    remarks : list of dict
        See `ostinato.curation.remarks`.
    known : bool
        Whether there was a run before.
    changes : dict of str to list of str
        Track ids by what a run would find: ``new``, ``gone``, ``labelled otherwise`` (genre, artist
        and the like) and ``changed`` (size or time of the file).
    n_unmeasured : int
        Files that a run would decode.
    """

    tracks: pd.DataFrame
    remarks: list[remarks.Remark]
    known: bool
    changes: dict[str, list[str]]
    n_unmeasured: int

    @property
    def differs(self) -> bool:
        """Whether a run would find something else than the last one."""
        return any(self.changes.values())

    def describe(self) -> str:
        """Lay it out for people.

        Returns
        -------
        str
            Several lines: classes with their tracks, what differs from the last run, near spellings, and remarks.
        """
        lines = [count_classes("genre", self.tracks["genre"].dropna()), count_classes("tags", self.tracks["tags"])]
        bare = int(self.tracks["genre"].isna().sum())
        if 0 < bare < len(self.tracks):
            lines.append(f"without a genre: {bare:,} of {len(self.tracks):,} tracks")
        for what, ids in self.changes.items() if self.known else ():
            if ids:
                such = ", ".join(ids[:EXAMPLES])
                lines.append(f"{what} since the last run: {remarks.format_count(len(ids), 'track')}, such as {such}")
        near = names.describe_near_spellings(names.list_near_spellings(self.tracks))
        return "\n".join([*filter(None, lines), *near, *map(remarks.format_remark, self.remarks)])


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
    classes = ", ".join(f"{name} {n:,}" for name, n in ordered[:SHOWN])
    more = f", and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return f"{task}: {remarks.format_count(len(ordered), 'class')}: {classes}{more}"


def survey_collection(paths: Paths, params: Params) -> Survey:
    """Look at the collection.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `seed`, `compute`, `dataset` and `ingest`.

    Returns
    -------
    Survey
        A rendered dataset that was listed before is taken to be as it was: to list it is to render it.

    Raises
    ------
    DataError
        As ingest would raise it, such as for a table that cannot be read.
    """
    plugin, options = datasets.load(params.dataset)
    old = tables.read(paths.tracks) if paths.tracks.exists() else None
    if old is not None and getattr(plugin, "EMBEDDED", False):
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
    altered = set(unmeasured) if cache.exists() else _find_other_sizes(paths, root, unmeasured)
    durations = old.set_index("track_id")["duration"]
    return Survey(
        tracks.assign(duration=tracks["track_id"].map(durations)),
        notes,
        True,
        _compare(old, tracks, altered),
        len(unmeasured),
    )


def _find_other_sizes(paths: Paths, root: Path, files: list[str]) -> set[str]:
    """Find the files of another size than at the last run, where no more is known of it, as in a clone."""
    sizes = tables.read(paths.files).set_index("path")["n_bytes"].to_dict()
    return {name for name in files if name in sizes and (root / name).stat().st_size != sizes[name]}


def _compare(old: pd.DataFrame, new: pd.DataFrame, altered: set[str]) -> dict[str, list[str]]:
    """Return which tracks are new, gone, told otherwise and changed."""
    before, now = (_cells(frame) for frame in (old, new))
    both = [track for track in now if track in before]
    paths = new.set_index("track_id")["path"]
    return {
        "new": [track for track in now if track not in before],
        "gone": [track for track in before if track not in now],
        "labelled otherwise": [track for track in both if before[track] != now[track]],
        "changed": [track for track in both if paths[track] in altered],
    }


def _cells(frame: pd.DataFrame) -> dict[str, str]:
    """Return all that is listed of each track as one text, however missing cells are written."""
    listed = frame.reindex(columns=[name for name in tables.LISTED])
    rows = zip(*(listed[name].map(_cell) for name in listed), strict=True)
    return {track: repr(row) for track, row in zip(frame["track_id"], rows, strict=True)}


def _cell(cell: Any) -> Any:
    if isinstance(cell, (list, tuple, np.ndarray)):
        return tuple(cell)
    return None if cell is None or cell is pd.NA or cell != cell else cell


def _refuse_vanished(paths: Paths, params: Params, old: pd.DataFrame, listing: pd.DataFrame) -> None:
    """Refuse what ingest would refuse: a collection of which much is away."""
    if _is_same(paths, params):
        root = datasets.dataset_root(paths, params.dataset)
        inventory.refuse_vanished(old["track_id"], listing["track_id"], params.ingest.max_vanished_share, root)


def _is_same(paths: Paths, params: Params) -> bool:
    """Return whether the last run was of the same dataset in the same place."""
    receipt = read_json(paths.receipt("ingest")) if paths.receipt("ingest").exists() else {}
    return bool(receipt.get("dataset") == datasets.identify(params.dataset))
