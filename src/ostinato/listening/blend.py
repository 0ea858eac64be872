"""The hybrid: factors of plays and factors from sound, blended by how much a track has been heard.

With n plays of a track to the end, its score is ``w * factors + (1 - w) * content``, ``w = n / (n + half)``. Without
plays w is 0, so the hybrid ranks such tracks exactly as content does. Each skip lowers the scores of the skipped track
and, in proportion to their cosine, of tracks that sound like it. It lowers no score by more than that of the skipped
track, and changes nothing else, so a skip never raises the rank of a track. `half` and the weight of skips are learned
from plays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from ostinato.listening.factors import Factors, FactorSettings, count_plays, fit_factors, fold_in, weight_plays
from ostinato.listening.sound import learn_factors
from ostinato.metrics.ranking import average_precision

HALVES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, np.inf)
AVERSIONS = (0.0, 0.003, 0.01, 0.03, 0.1)
MAX_LISTENERS = 1000
"""Number of listeners by whom the blend is learned; of more a random sample."""
BATCH = 256


class Blend(NamedTuple):
    """How factors, content and skips are weighted.

    Parameters
    ----------
    half : float
        Plays after which factors and content count the same; 0: factors alone if there are plays, inf: content alone.
    aversion : float
        What a skip takes off the score of its track.
    """

    half: float = 10.0
    aversion: float = 0.0

    def weigh(self, n_plays: np.ndarray) -> np.ndarray:
        """Return the weight of the factors of tracks by their numbers of plays.

        Examples
        --------
        >>> Blend(10.0).weigh(np.array([0, 10, 30])).tolist()
        [0.0, 0.5, 0.75]
        >>> Blend(0.0).weigh(np.array([0, 1])).tolist(), Blend(np.inf).weigh(np.array([0, 1])).tolist()
        ([0.0, 1.0], [0.0, 0.0])
        """
        n = np.asarray(n_plays, np.float64)
        return np.where(n > 0, n / np.maximum(n + self.half, 1e-12), 0.0)


class History(NamedTuple):
    """What listeners heard and skipped until a date.

    Parameters
    ----------
    counts, skips : csr_matrix [shape=(n_listeners, n_tracks)]
        Plays to the end; skips.
    """

    counts: csr_matrix
    skips: csr_matrix


def count_history(plays: pd.DataFrame, listeners: pd.Index, tracks: pd.Index) -> History:
    """Count plays and skips by listener and track."""
    return History(
        count_plays(plays, listeners, tracks).tocsr(), count_plays(plays, listeners, tracks, skipped=True).tocsr()
    )


@dataclass(frozen=True)
class Content:
    """Factors from sound.

    Parameters
    ----------
    tracks : np.ndarray [shape=(n_tracks, d)]
    listeners : np.ndarray [shape=(n_listeners, d)]
    """

    tracks: np.ndarray
    listeners: np.ndarray

    @cached_property
    def directions(self) -> np.ndarray:
        """Unit vectors from the mean of all tracks, by which skips count for similar ones, (n_tracks, d)."""
        centred = self.tracks - self.tracks.mean(axis=0)
        norm = np.linalg.norm(centred, axis=1, keepdims=True)
        return np.asarray(centred / np.where(norm > 0, norm, 1))


@dataclass(frozen=True)
class Hybrid:
    """Factors from plays and from sound, and how they are blended.

    Parameters
    ----------
    factors : Factors
        With factors of listeners.
    content : Content
    n_plays : np.ndarray [shape=(n_tracks,)]
        Plays to the end.
    has_history : np.ndarray [shape=(n_listeners,), dtype=bool]
        Whether a listener has heard a track to the end.
    blend : Blend
    """

    factors: Factors
    content: Content
    n_plays: np.ndarray
    has_history: np.ndarray
    blend: Blend

    def score(self, rows: np.ndarray, skips: csr_matrix) -> dict[str, np.ndarray]:
        """Score all tracks for some listeners; all three know the skips.

        Parameters
        ----------
        rows : np.ndarray [shape=(n,), dtype=int64]
            Listeners. For one without a history, `factors` are the plays of a track per listener.
        skips : csr_matrix [shape=(n_listeners, n_tracks)]

        Returns
        -------
        dict of str to np.ndarray [shape=(n, n_tracks)]
            content, factors and hybrid.
        """
        assert self.factors.listeners is not None
        content = self.content.listeners[rows] @ self.content.tracks.T
        factors = self.factors.listeners[rows] @ self.factors.tracks.T
        factors[~self.has_history[rows]] = self.n_plays / max(int(self.has_history.sum()), 1)
        weight = self.blend.weigh(self.n_plays)
        scores = {"content": content, "factors": factors, "hybrid": weight * factors + (1 - weight) * content}
        if not self.blend.aversion:
            return scores
        penalty = self.blend.aversion * sum_aversions(skips[rows], self.content.directions)
        return {name: x - penalty for name, x in scores.items()}


def sum_aversions(skips: csr_matrix, directions: np.ndarray) -> np.ndarray:
    """Sum the cosines of each track with the skipped ones, negative ones as 0; with itself it is 1.

    Parameters
    ----------
    skips : csr_matrix [shape=(n, n_tracks)]
    directions : np.ndarray [shape=(n_tracks, d)]
        Unit vectors.

    Returns
    -------
    np.ndarray [shape=(n, n_tracks)]

    Examples
    --------
    >>> sum_aversions(csr_matrix([[0, 2, 0]]), np.array([[1, 0], [0.6, 0.8], [-1, 0]]))
    array([[1.2, 2. , 0. ]])
    """
    total = np.zeros(skips.shape)
    for row in np.flatnonzero(np.diff(skips.indptr)):
        span = slice(skips.indptr[row], skips.indptr[row + 1])
        skipped = skips.indices[span]
        cosine = np.clip(directions[skipped] @ directions.T, 0, 1)
        cosine[np.arange(len(skipped)), skipped] = 1
        total[row] = skips.data[span] @ cosine
    return total


def fit_content(history: History, vectors: np.ndarray, settings: FactorSettings, seed: int) -> Content:
    """Learn the factors of tracks from their sound, and find those of listeners by what they heard.

    Parameters
    ----------
    history : History
    vectors : np.ndarray [shape=(n_tracks, d)]
        Of the tracks' sound.
    settings : FactorSettings
    seed : int
    """
    found = fit_factors(history.counts, settings, seed)
    tracks = learn_factors(vectors, found.tracks, _count_by_track(history))
    return Content(tracks, fold_in(tracks, history.counts, settings))


def fit_hybrid(history: History, content: Content, settings: FactorSettings, seed: int, blend: Blend) -> Hybrid:
    """Fit factors to a history, beside those from sound.

    Parameters
    ----------
    history : History
    content : Content
    settings : FactorSettings
    seed : int
    blend : Blend
    """
    found = fit_factors(history.counts, settings, seed)
    listeners = found.listeners if found.listeners is not None else fold_in(found.tracks, history.counts, settings)
    has_history = np.diff(history.counts.indptr) > 0
    return Hybrid(replace(found, listeners=listeners), content, _count_by_track(history), has_history, blend)


def choose_content(options: Sequence[FactorSettings]) -> FactorSettings:
    """Return the settings of the factors that are learned from sound: ALS with the most factors of all options.

    Sound tells little of a track, and more factors lose less of it; factors of plays need fewer.
    """
    return replace(options[0], method="als", n_factors=max(option.n_factors for option in options))


def _count_by_track(history: History) -> np.ndarray:
    return np.asarray(history.counts.sum(axis=0)).ravel()


class Choice(NamedTuple):
    """Settings by which later plays were best found.

    Parameters
    ----------
    settings : FactorSettings
    blend : Blend
    curve : tuple of dict
        method, n_factors, half, aversion and MAP of the best blend of each fit.
    """

    settings: FactorSettings
    blend: Blend
    curve: tuple[dict[str, object], ...]


def choose_settings(
    history: History, later: csr_matrix, vectors: np.ndarray, options: Sequence[FactorSettings], k: int, seed: int
) -> Choice:
    """Choose the fit and the blend that best find what was heard later.

    Parameters
    ----------
    history : History
        Of the earlier plays.
    later : csr_matrix [shape=(n_listeners, n_tracks)]
        Later plays to the end.
    vectors : np.ndarray [shape=(n_tracks, d)]
    options : sequence of FactorSettings
    k : int
        Length of rankings.
    seed : int

    Returns
    -------
    Choice
    """
    rows = np.flatnonzero(np.diff(history.counts.indptr) * np.diff(later.indptr) > 0)
    rows = sample_listeners(rows, MAX_LISTENERS, seed)
    curve: list[dict[str, object]] = []
    best: tuple[float, FactorSettings, Blend] = (-1.0, options[0], Blend())
    content = fit_content(history, vectors, choose_content(options), seed)
    for settings in options:
        hybrid = fit_hybrid(history, content, settings, seed, Blend())
        value, blend = _choose_blend(hybrid, history, later, rows, k)
        found: dict[str, object] = {"method": settings.method, "n_factors": settings.n_factors, **blend._asdict()}
        curve.append(found | {"map": round(value, 6)})
        if value > best[0]:
            best = value, settings, blend
    return Choice(best[1], best[2], tuple(curve))


def sample_listeners(rows: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the listeners, or a random sample of more than n, in order."""
    return rows if len(rows) <= n else np.sort(np.random.default_rng(seed).choice(rows, n, replace=False))


def _choose_blend(hybrid: Hybrid, history: History, later: csr_matrix, rows: np.ndarray, k: int) -> tuple[float, Blend]:
    """Choose the half first, then the weight of skips."""
    options = {Blend(half, 0.0): 0.0 for half in HALVES}
    values = _compute_maps(hybrid, history, later, rows, k, list(options))
    best = max(values, key=values.__getitem__, default=Blend())
    if history.skips.nnz and len(rows):
        values |= _compute_maps(hybrid, history, later, rows, k, [Blend(best.half, a) for a in AVERSIONS[1:]])
        best = max(values, key=values.__getitem__)
    return values.get(best, 0.0), best


def _compute_maps(
    hybrid: Hybrid, history: History, later: csr_matrix, rows: np.ndarray, k: int, blends: Sequence[Blend]
) -> dict[Blend, float]:
    values: dict[Blend, list[np.ndarray]] = {blend: [] for blend in blends}
    fits = {blend: replace(hybrid, blend=blend) for blend in blends}
    for batch, is_barred, target in iterate_batches(history, later, rows):
        for blend, fitted in fits.items():
            scores = fitted.score(batch, history.skips)["hybrid"]
            values[blend].append(average_precision(preds=rank(scores, is_barred, k), target=target))
    return {blend: float(np.nanmean(np.concatenate(parts))) for blend, parts in values.items() if parts}


def iterate_batches(
    history: History, later: csr_matrix, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield batches of listeners, what each has heard or skipped, and what each heard later and not before.

    Yields
    ------
    rows : np.ndarray [shape=(n,)]
    is_barred : np.ndarray [shape=(n, n_tracks), dtype=bool]
    target : np.ndarray [shape=(n, n_tracks), dtype=bool]
    """
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        is_barred = (history.counts[batch] + history.skips[batch]).toarray() > 0
        yield batch, is_barred, (later[batch].toarray() > 0) & ~is_barred


def rank(scores: np.ndarray, is_barred: np.ndarray, k: int) -> np.ndarray:
    """Rank tracks, without those that are barred.

    Parameters
    ----------
    scores : np.ndarray [shape=(n, n_tracks)]
    is_barred : np.ndarray [shape=(n, n_tracks), dtype=bool]
    k : int

    Returns
    -------
    np.ndarray [shape=(n, k), dtype=int64]
        Best first; of equal scores the first track; -1 after the end.

    Examples
    --------
    >>> rank(np.array([[1.0, 3.0, 2.0]]), np.array([[False, True, False]]), 3).tolist()
    [[2, 0, -1]]
    """
    cost = np.where(is_barred, np.inf, -scores)
    preds = np.full((len(scores), k), -1, np.int64)
    n = min(k, scores.shape[1])
    if n:
        bound = np.partition(cost, n - 1, axis=1)[:, n - 1]
        for i, row in enumerate(cost):
            near = np.flatnonzero(row <= bound[i])
            near = near[np.argsort(row[near], kind="stable")][:n]
            near = near[row[near] < np.inf]
            preds[i, : len(near)] = near
    return preds


def find_similar(history: History, vectors: np.ndarray) -> np.ndarray:
    """Return the mean direction of what each listener heard, for a ranking by cosine alone.

    Returns
    -------
    np.ndarray [shape=(n_listeners, d)]
        Listeners without plays get the mean of the others.
    """
    profiles = np.asarray(weight_plays(history.counts) @ vectors)
    is_known = np.diff(history.counts.indptr) > 0
    if is_known.any():
        profiles[~is_known] = profiles[is_known].mean(axis=0)
    return profiles
