"""Where a candidate is good and where it is not: one figure for each genre, length, loudness, year and place.

The figure is a mean over tracks, so that it stands for any number of them:
`accuracy` for one label a track, `map_samples` for tags. What is small is noisy:
intervals leave out artists, and a slice of few artists has none.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ostinato.core.scores import Kind
from ostinato.curation.strata import UNKNOWN, decades, places
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.metrics.jackknife import jackknife

FIGURE: dict[Kind, str] = {"single": "accuracy", "multi": "map_samples"}
PARTS = ("less", "middle", "more")


def describe(tracks: pd.DataFrame, files: pd.DataFrame, splits: pd.DataFrame, rows: ScoredTracks) -> pd.DataFrame:
    """Put beside each test track what it may be sliced by.

    Parameters
    ----------
    tracks : DataFrame
        track_id, artist, genre, year, latitude, longitude, duration; any but the first may lack.
    files : DataFrame
        track_id, rms_db.
    splits : DataFrame
        track_id, fold, split.
    rows : ScoredTracks

    Returns
    -------
    DataFrame
        A row for each of `rows`, a column of text for each way to slice: genre, artist
        (seen or unseen by the network that scored the track), duration, loudness,
        year, place. A way that splits nothing, since all or but one are unknown, is left out.
    """
    known = pd.DataFrame({"track_id": rows.track_id, "fold": rows.fold})
    known = known.merge(tracks, on="track_id", how="left").merge(files, on="track_id", how="left")
    empty = pd.Series(np.nan, known.index)
    found = pd.DataFrame(index=known.index)
    found["genre"] = known.get("genre", empty).astype(object).where(known.get("genre", empty).notna(), UNKNOWN)
    found["artist"] = _artist_in_training(known, tracks, splits)
    found["duration"] = _thirds(known.get("duration", empty), "{:.0f} s")
    found["loudness"] = _thirds(known.get("rms_db", empty), "{:.0f} dB")
    found["year"] = decades(known)
    found["place"] = places(known)
    acquainted = found["artist"].ne(UNKNOWN).any()
    return found[[way for way in found if found[way].nunique() > 1 or (way == "artist" and acquainted)]]


def slices(rows: ScoredTracks, ways: pd.DataFrame, kind: Kind, threshold: float, confidence: float) -> dict[str, Any]:
    """Judge each slice by itself.

    Parameters
    ----------
    rows : ScoredTracks
        Test tracks.
    ways : DataFrame
        By `describe`.
    kind : {"single", "multi"}
    threshold, confidence
        As in params.yaml: evaluate.

    Returns
    -------
    dict
        ``figure``, its name; ``by``, for each way a list of slices with ``slice``,
        ``value``, ``low``, ``high``, ``n_tracks``, ``n_groups``.
    """
    metric = get_metrics(kind)[FIGURE[kind]]
    preds = metric.prepare(rows.scores, kind, threshold)

    def figure(name: str, chosen: np.ndarray) -> dict[str, Any]:
        replicates = jackknife(rows.group[chosen], confidence)
        values = metric.over(preds[chosen], rows.target[chosen], replicates.group, replicates.counts)
        counts = {"n_tracks": len(chosen), "n_groups": replicates.n_groups}
        return {"slice": name, **replicates.estimate(values, 0, metric.most).to_dict(), **counts}

    by = {way: [figure(name, np.flatnonzero(ways[way] == name)) for name in _order(ways[way])] for way in ways}
    return {"figure": FIGURE[kind], "by": by}


def _order(column: pd.Series) -> Iterator[str]:
    """Yield the names of the slices, the unknown last; thirds as they grow."""
    yield from sorted(column.unique(), key=lambda name: (name == UNKNOWN, _part(name), name))


def _part(name: str) -> int:
    first = name.split(",")[0]
    return PARTS.index(first) if first in PARTS else 0


def _artist_in_training(known: pd.DataFrame, tracks: pd.DataFrame, splits: pd.DataFrame) -> list[str]:
    """Return for each track whether the network that scored it was trained on its artist."""
    if "artist" not in known:
        return [UNKNOWN] * len(known)
    trained = splits[splits["split"] == "train"].merge(tracks[["track_id", "artist"]], on="track_id").dropna()
    pairs = set(zip(trained["fold"], trained["artist"], strict=True))
    asked = zip(known["fold"], known["artist"], strict=True)
    return [UNKNOWN if pd.isna(a) else "seen" if (fold, a) in pairs else "unseen" for fold, a in asked]


def _thirds(values: pd.Series, unit: str) -> list[str]:
    """Cut at the first and second third of the known values."""
    numbers = values.to_numpy(float)
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return [UNKNOWN] * len(numbers)
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    names = (f"less, under {unit}".format(low), "middle", f"more, from {unit}".format(high))
    return [UNKNOWN if not np.isfinite(x) else names[int(x >= low) + int(x >= high)] for x in numbers]
