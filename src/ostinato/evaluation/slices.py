"""Metrics by slice of the test tracks: genre, artist, duration, loudness, year and place.

The metric is a mean over tracks, so that it is defined for slices of any size: `accuracy`
for single labels, `map_samples` for tags. Intervals are over artists; slices with few
artists have none.
"""

from typing import Any

import numpy as np
import pandas as pd

from ostinato.core.scores import Kind
from ostinato.curation.strata import NO_VALUE, decades, places
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.metrics.jackknife import jackknife

METRIC: dict[Kind, str] = {"single": "accuracy", "multi": "map_samples"}
THIRDS = ("less", "middle", "more")


def describe(tracks: pd.DataFrame, files: pd.DataFrame, splits: pd.DataFrame, rows: ScoredTracks) -> pd.DataFrame:
    """Describe each test track by the attributes for slicing.

    Parameters
    ----------
    tracks : DataFrame
        track_id, artist, genre, year, latitude, longitude, duration; all but the first may be missing.
    files : DataFrame
        track_id, rms_db.
    splits : DataFrame
        track_id, fold, split.
    rows : ScoredTracks

    Returns
    -------
    DataFrame
        One row for each of `rows`, one column of names per attribute: genre, artist (seen
        or unseen in training of the network that scored the track), duration, loudness, year,
        place. Attributes with a single value are left out.
    """
    table = pd.DataFrame({"track_id": rows.track_id, "fold": rows.fold})
    table = table.merge(tracks, on="track_id", how="left").merge(files, on="track_id", how="left")
    empty = pd.Series(np.nan, table.index)
    attributes = pd.DataFrame(index=table.index)
    attributes["genre"] = table.get("genre", empty).astype(object).where(table.get("genre", empty).notna(), NO_VALUE)
    attributes["artist"] = _find_seen_artists(table, tracks, splits)
    attributes["duration"] = _name_thirds(table.get("duration", empty), "{:.0f} s")
    attributes["loudness"] = _name_thirds(table.get("rms_db", empty), "{:.0f} dB")
    attributes["year"] = decades(table)
    attributes["place"] = places(table)
    has_artists = attributes["artist"].ne(NO_VALUE).any()
    return attributes[[a for a in attributes if attributes[a].nunique() > 1 or (a == "artist" and has_artists)]]


def evaluate_slices(
    rows: ScoredTracks, attributes: pd.DataFrame, kind: Kind, threshold: float, confidence: float
) -> dict[str, Any]:
    """Compute the metric of each slice.

    Parameters
    ----------
    rows : ScoredTracks
        Test tracks.
    attributes : DataFrame
        From `describe`.
    kind : {"single", "multi"}
    threshold, confidence
        As in params.yaml: evaluate.

    Returns
    -------
    dict
        ``figure``, the name of the metric; ``by``, for each attribute a list of slices with
        ``slice``, ``value``, ``low``, ``high``, ``n_tracks``, ``n_groups``.
    """
    metric = get_metrics(kind)[METRIC[kind]]
    preds = metric.prepare(rows.scores, kind, threshold)

    def evaluate(name: str, index: np.ndarray) -> dict[str, Any]:
        replicates = jackknife(rows.group[index], confidence)
        values = metric.compute(preds[index], rows.target[index], replicates.group, replicates.counts)
        counts = {"n_tracks": len(index), "n_groups": replicates.n_groups}
        return {"slice": name, **replicates.estimate(values, 0, metric.maximum).to_dict(), **counts}

    by = {
        attribute: [evaluate(name, np.flatnonzero(names == name)) for name in _sort_names(names)]
        for attribute, names in attributes.items()
    }
    return {"figure": METRIC[kind], "by": by}


def _sort_names(names: pd.Series) -> list[str]:
    """Sort the names of slices: thirds in ascending order, others alphabetically, the unknown last."""
    return sorted(names.unique(), key=lambda name: (name == NO_VALUE, _find_third(name), name))


def _find_third(name: str) -> int:
    first = name.split(",")[0]
    return THIRDS.index(first) if first in THIRDS else 0


def _find_seen_artists(table: pd.DataFrame, tracks: pd.DataFrame, splits: pd.DataFrame) -> list[str]:
    """Return for each track whether its artist was in training of the network that scored it."""
    if "artist" not in table:
        return [NO_VALUE] * len(table)
    training = splits[splits["split"] == "train"].merge(tracks[["track_id", "artist"]], on="track_id").dropna()
    pairs = set(zip(training["fold"], training["artist"], strict=True))
    rows = zip(table["fold"], table["artist"], strict=True)
    return [NO_VALUE if pd.isna(artist) else "seen" if (fold, artist) in pairs else "unseen" for fold, artist in rows]


def _name_thirds(values: pd.Series, unit: str) -> list[str]:
    """Return the third of each value among the known ones, by name."""
    numbers = values.to_numpy(float)
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return [NO_VALUE] * len(numbers)
    low, high = np.quantile(finite, [1 / 3, 2 / 3])
    names = (f"less, under {unit}".format(low), "middle", f"more, from {unit}".format(high))
    return [NO_VALUE if not np.isfinite(x) else names[int(x >= low) + int(x >= high)] for x in numbers]
