"""Fit to the plays before a date, with settings chosen by the latest of them, and evaluate by the plays after it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ostinato.errors import DataError, ParamsError
from ostinato.listening.blend import (
    Choice,
    Hybrid,
    choose_content,
    choose_settings,
    count_history,
    fit_content,
    fit_hybrid,
)
from ostinato.listening.evaluation import evaluate
from ostinato.listening.factors import FactorSettings, count_plays

MIN_LISTENERS = 2


@dataclass(frozen=True)
class Outcome:
    """Result of an experiment.

    Parameters
    ----------
    date : Timestamp
        Plays from it on were asked for.
    choice : Choice
    hybrid : Hybrid
        Fitted to all plays before the date.
    figures : DataFrame
        From `ostinato.listening.evaluation.evaluate`.
    """

    date: pd.Timestamp
    choice: Choice
    hybrid: Hybrid
    figures: pd.DataFrame


def choose_date(plays: pd.DataFrame, date: str | None, held_out: float) -> pd.Timestamp:
    """Return the date from which plays are held out.

    Parameters
    ----------
    plays : DataFrame
    date : str, optional
        Such as ``2024-06-01``; without it, the time before which all but a share of the plays lie.
    held_out : float
        That share.

    Raises
    ------
    ParamsError
        If it is no date, or no play lies before or after it.
    """
    if date is None:
        chosen = plays["at"].sort_values().iloc[int((1 - held_out) * (len(plays) - 1))]
    else:
        try:
            chosen = pd.Timestamp(date)
            chosen = chosen.tz_localize("UTC") if chosen.tzinfo is None else chosen.tz_convert("UTC")
        except ValueError as error:
            raise ParamsError(f"params.yaml: listeners.date: {date!r} is no date; write it as 2024-06-01") from error
    n_before = int((plays["at"] < chosen).sum())
    if not 0 < n_before < len(plays):
        where = "before" if n_before == 0 else "from"
        raise ParamsError(
            f"params.yaml: listeners.date: no play is {where} {chosen:%Y-%m-%d %H:%M} on; the plays are from "
            f"{plays['at'].min():%Y-%m-%d} to {plays['at'].max():%Y-%m-%d}"
        )
    return chosen


def find_obstacle(plays: pd.DataFrame, vectors: pd.DataFrame) -> str | None:
    """Return why nothing can be learned from plays; None if something can."""
    known = plays[plays["track_id"].isin(vectors.index)]
    if len(known) == 0:
        return "no play is of a track that has vectors"
    n = known.loc[~known["skipped"], "listener"].nunique()
    if n < MIN_LISTENERS:
        return f"factors need plays of {MIN_LISTENERS} listeners or more; there are plays of {n}"
    if known["at"].nunique() < 3:
        return "all plays are of one or two moments; factors are fitted to earlier plays and asked for later ones"
    return None


def run_experiment(
    plays: pd.DataFrame,
    vectors: pd.DataFrame,
    options: Sequence[FactorSettings],
    *,
    date: str | None,
    held_out: float,
    k: int,
    confidence: float,
    seed: int,
) -> Outcome:
    """Fit to the plays before a date, and evaluate by those after it.

    Parameters
    ----------
    plays : DataFrame
    vectors : DataFrame
        Of the tracks' sound, indexed by track_id; plays of other tracks do not count.
    options : sequence of FactorSettings
        Settings to choose from, by plays before the date alone.
    date, held_out
        See `choose_date`; the same share of the plays before the date chooses settings.
    k : int
        Length of rankings.
    confidence : float
    seed : int

    Returns
    -------
    Outcome

    Raises
    ------
    DataError
        If nothing can be learned; see `find_obstacle`.
    """
    if reason := find_obstacle(plays, vectors):
        raise DataError(f"plays: {reason}")
    plays = plays[plays["track_id"].isin(vectors.index)]
    listeners, tracks = pd.Index(np.unique(plays["listener"].to_numpy(str))), pd.Index(vectors.index)
    cut = choose_date(plays, date, held_out)
    is_before = plays["at"] < cut
    before, after = plays[is_before], plays[~is_before]
    inner = choose_date(before, None, held_out) if before["at"].nunique() > 1 else cut
    x = vectors.to_numpy()
    early, late = before[before["at"] < inner], before[before["at"] >= inner]
    choice = choose_settings(
        count_history(early, listeners, tracks), count_plays(late, listeners, tracks), x, options, k, seed
    )
    history = count_history(before, listeners, tracks)
    content = fit_content(history, x, choose_content(options), seed)
    hybrid = fit_hybrid(history, content, choice.settings, seed, choice.blend)
    later = count_plays(after, listeners, tracks)
    figures = evaluate(hybrid, history, later, x, k=k, confidence=confidence, seed=seed)
    return Outcome(cut, choice, hybrid, figures)
