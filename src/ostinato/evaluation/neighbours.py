"""One table of similarity spaces: what stands near what, beside chance, popularity and MFCC statistics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ostinato.evaluation.questions import Question, unit
from ostinato.evaluation.rankings import difference, per_seed, summarised
from ostinato.metrics.ranking import coverage, far_off, intra_list_diversity, novelty, strata

N_STRATA = 4
LEADING = "map"


def judged(
    spaces: Mapping[str, np.ndarray],
    asked: Sequence[Question],
    *,
    popularity: np.ndarray,
    baseline: str,
    k: int,
    n_resamples: int,
    level: float,
    seed: int,
) -> dict[str, Any]:
    """Judge every space by every question.

    Parameters
    ----------
    spaces : mapping of str to np.ndarray [shape=(n_tracks, d)]
        Vectors of the tracks.
    asked : sequence of Question
    popularity : np.ndarray [shape=(n_tracks,)]
        Of each track, above 0; an artist has the mean of its tracks.
    baseline : str
        The space that others are compared with, by paired differences, and by
        whose vectors lists are called diverse.
    k : int
    n_resamples, level, seed
        Of the intervals.

    Returns
    -------
    dict
        ``{space: {"<question>_<split>": figures}}``; ``random`` and ``popular`` are
        among the spaces.
    """
    sure: dict[str, Any] = {"n_resamples": n_resamples, "level": level, "seed": seed}
    found: dict[str, Any] = {name: {} for name in (*spaces, "random", "popular")}
    for question in asked:
        likeness = _likenesses(spaces, question, popularity, seed)
        preds = {name: question.ranked(values, k) for name, values in likeness.items()}
        values = {name: per_seed(p, question.target) for name, p in preds.items()}
        apart = question.items(spaces[baseline])
        liked = _by_item(popularity, question)
        for name in found:
            figures: dict[str, Any] = summarised(values[name], question.groups, **sure)
            lists = _of_lists(preds[name], likeness[name], question, apart, liked)
            figures |= summarised(lists, question.groups, **sure)
            figures |= {"coverage": round(coverage(preds[name], question.target.shape[1]), 6)}
            figures |= {"strata": _shares(preds[name], strata(liked, N_STRATA)), "n_seeds": len(question.seeds)}
            if name != baseline:
                gain = difference(values[name][LEADING], values[baseline][LEADING], question.groups, **sure)
                figures[f"{LEADING}_above_{baseline}"] = gain
            found[name][f"{question.name}_{question.split}"] = figures
    return found


def _likenesses(
    spaces: Mapping[str, np.ndarray], question: Question, popularity: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Give each space's likeness of every item to every seed."""
    found = {}
    for name, vectors in spaces.items():
        items = question.items(vectors)
        found[name] = items[question.seeds] @ items.T
    shape = question.target.shape
    found["random"] = np.random.default_rng(seed).random(shape)
    found["popular"] = np.broadcast_to(_by_item(popularity, question), shape)
    return found


def _by_item(popularity: np.ndarray, question: Question) -> np.ndarray:
    n_items = question.target.shape[1]
    return np.bincount(question.owner, popularity, n_items) / np.bincount(question.owner, minlength=n_items)


def _of_lists(
    preds: np.ndarray, likeness: np.ndarray, question: Question, apart: np.ndarray, popularity: np.ndarray
) -> dict[str, np.ndarray]:
    """Say what lists are like that have no right answer."""
    near = np.where(preds >= 0, np.take_along_axis(likeness, np.maximum(preds, 0), axis=1), np.nan)
    chance = float(likeness[~question.banned].mean())
    return {
        "intra_list_diversity": intra_list_diversity(preds, unit(apart)),
        "novelty": novelty(preds, popularity),
        "far_off": far_off(near, chance),
    }


def _shares(preds: np.ndarray, stratum: np.ndarray) -> dict[str, list[float]]:
    """Compare what is recommended with what there is, by stratum of popularity, the most popular first."""
    listed = stratum[preds[preds >= 0]]
    return {
        "recommended": (np.bincount(listed, minlength=N_STRATA) / max(len(listed), 1)).round(6).tolist(),
        "items": (np.bincount(stratum, minlength=N_STRATA) / len(stratum)).round(6).tolist(),
    }
