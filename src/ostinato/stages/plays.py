"""Read the plays of listeners that the dataset brings, and check them."""

import logging

import pandas as pd

from ostinato import datasets
from ostinato.core.params.schema import Listeners, Params
from ostinato.core.paths import Paths
from ostinato.io import tables
from ostinato.io.files import read_parquet, write_json
from ostinato.listening.planted import Habits, place_tracks, plant_plays
from ostinato.listening.plays import COLUMNS, SCHEMA, Plays, describe_plays, read_plays

SECTIONS = ("seed", "dataset", "listeners")

log = logging.getLogger(__name__)


def run(paths: Paths, params: Params) -> None:
    """Write plays.parquet, empty if the dataset has none, and how many rows were left out and why."""
    tracks = read_parquet(paths.tracks, columns=["track_id", "artist", "title"])
    plays = _find_plays(paths, params, tracks)
    tables.write(paths.plays, plays.table, SCHEMA)
    write_json(paths.receipt("plays"), plays.counts)
    for name in ("without_listener", "without_time", "in_future", "unknown_tracks"):
        if n := plays.counts.get(f"n_{name}"):
            log.warning("plays: left out %s of %s: %s", f"{n:,}", f"{plays.counts['n_rows']:,}", name.replace("_", " "))


def _find_plays(paths: Paths, params: Params, tracks: pd.DataFrame) -> Plays:
    path = datasets.dataset_root(paths, params.dataset) / params.listeners.plays
    if path.exists() or params.listeners.plays != Listeners().plays:
        return read_plays(path, tracks, pd.Timestamp.now("UTC"), params.listeners.min_seconds)
    plugin, options = datasets.load(params.dataset)
    if params.listeners.planted and getattr(plugin, "IS_EMBEDDED", False):
        habits, ids = Habits(n_listeners=params.listeners.planted), [str(i) for i in tracks["track_id"]]
        table = plant_plays(ids, place_tracks(ids, options.n_genres, params.seed), habits, params.seed)
        return Plays(table, {"n_rows": len(table), "planted": True} | describe_plays(table))
    reason = f"there are no plays; put {params.listeners.plays} beside the dataset, or set listeners.plays"
    return Plays(pd.DataFrame(columns=list(COLUMNS)), {"skipped": reason})
