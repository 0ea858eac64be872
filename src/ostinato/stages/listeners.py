"""Learn factors of listeners and tracks from plays and from sound; evaluate them by what was heard later.

models/listeners.json holds what decides, models/listeners.parquet all figures, and models/listening the factors of
tracks. Nothing written names a listener.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ostinato.core.candidates import Entry
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io.files import read_json, read_parquet, replace_folder, write_json, write_parquet
from ostinato.listening.evaluation import HYBRID, SYSTEMS, get_estimate, tabulate_nothing
from ostinato.listening.experiment import Outcome, find_obstacle, run_experiment
from ostinato.listening.factors import FactorSettings
from ostinato.listening.sound import join_spaces, read_space
from ostinato.release.gate import judge

SECTIONS = ("seed", "evaluate", "recommend", "listeners", "gate", "candidates", "estimators", "stacked")
TASK = "listeners"
SURE_GAIN = "sure_gain"
"""Lower end of the interval of the gain in MAP over popularity and over content, the lesser of both."""
QUESTIONS = (("all", "all"), ("warm", "warm"), ("cold", "warm"), ("all", "new"))
"""Tracks and listeners of the leading figures."""
GATED = ("map", "ndcg", "recall", "hit_rate", "novelty", "popularity_lift", "coverage")


def run(paths: Paths, params: Params) -> None:
    """Fit, evaluate and judge; where there is nothing to learn from, write the reason.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `SECTIONS`.

    Raises
    ------
    ParamsError
        If a space is unknown, or `listeners.date` splits nothing.
    """
    receipt = read_json(paths.receipt("plays"))
    plays = read_parquet(paths.plays)
    vectors = str(receipt["skipped"]) if "skipped" in receipt else _read_vectors(paths, params)
    reason = vectors if isinstance(vectors, str) else find_obstacle(plays, vectors)
    if isinstance(vectors, str) or reason:
        _write(paths, {"skipped": reason}, tabulate_nothing(), None)
        return
    settings = params.listeners
    outcome = run_experiment(
        plays,
        vectors,
        _list_options(params),
        date=settings.date,
        held_out=settings.held_out,
        k=params.recommend.k,
        confidence=params.evaluate.confidence,
        seed=params.seed,
    )
    _write(paths, _summarise(outcome, vectors, plays, params), outcome.figures, (outcome, vectors.index))


def _read_vectors(paths: Paths, params: Params) -> pd.DataFrame | str:
    """Read the vectors of all spaces, or return the reason why one is missing."""
    tables = []
    for name in params.listeners.spaces:
        space = read_space(paths, params, name)
        if isinstance(space, str):
            return f"{name}: {space}; set listeners.spaces to features that the dataset has"
        tables.append(space)
    ids = read_parquet(paths.tracks, columns=["track_id"])["track_id"]
    return join_spaces(tables, pd.Index(ids.sort_values()))


def _list_options(params: Params) -> list[FactorSettings]:
    p = params.listeners
    return [
        FactorSettings(method, n, p.confidence, p.regularization, p.iterations)
        for method in p.methods
        for n in p.n_factors
    ]


def _summarise(outcome: Outcome, vectors: pd.DataFrame, plays: pd.DataFrame, params: Params) -> dict[str, Any]:
    """Collect what was chosen, the leading figures and the verdict."""
    blend, figures = outcome.choice.blend, outcome.figures
    names = [f"map_above_{name}" for name in SYSTEMS if name != HYBRID]
    leading = {
        f"{tracks}_{listeners}": {
            **{s: {m: get_estimate(figures, s, m, tracks, listeners) for m in ("map", "ndcg")} for s in SYSTEMS},
            "gains": {name: get_estimate(figures, HYBRID, name, tracks, listeners) for name in names},
        }
        for tracks, listeners in QUESTIONS
        if ((figures["tracks"] == tracks) & (figures["listeners"] == listeners)).any()
    }
    known = plays["track_id"].isin(vectors.index)
    return {
        "k": params.recommend.k,
        "date": f"{outcome.date:%Y-%m-%dT%H:%M:%SZ}",
        "counts": {
            "n_plays": int(known.sum()),
            "n_plays_without_vectors": int((~known).sum()),
            "n_held_out": int((plays["at"][known] >= outcome.date).sum()),
            "n_listeners": int(plays.loc[known, "listener"].nunique()),
            "n_tracks": len(vectors),
            "n_cold_tracks": int((outcome.hybrid.n_plays == 0).sum()),
        },
        "spaces": list(params.listeners.spaces),
        "chosen": {
            "method": outcome.choice.settings.method,
            "n_factors": outcome.choice.settings.n_factors,
            "half": None if np.isinf(blend.half) else blend.half,
            "aversion": blend.aversion,
        },
        "tried": [dict(row) | {"half": _none_if_infinite(row["half"])} for row in outcome.choice.curve],
        "figures": leading,
        "gate": _gate(figures, params),
    }


def _none_if_infinite(value: Any) -> Any:
    return None if value == float("inf") else value


def _gate(figures: pd.DataFrame, params: Params) -> dict[str, Any]:
    """Compare the hybrid with the thresholds, on all tracks and listeners."""
    gains = [m for m in figures.loc[figures["system"] == HYBRID, "metric"].unique() if "_above_" in m]
    test: dict[str, Any] = {m: get_estimate(figures, HYBRID, m, "all", "all") for m in (*GATED, *gains)}
    lows = [test[f"map_above_{name}"]["low"] for name in ("popular", "content")]
    test[SURE_GAIN] = {"value": None if None in lows else min(lows)}
    return judge([Entry(HYBRID, "", "", TASK)], {HYBRID: {"test": test}}, params.gate)[HYBRID]


def _write(
    paths: Paths, summary: dict[str, Any], figures: pd.DataFrame, fitted: tuple[Outcome, pd.Index] | None
) -> None:
    """Write all three outputs; without a fit, a folder with the reason."""
    with replace_folder(paths.listening) as folder:
        if fitted is None:
            write_json(folder / "about.json", summary)
        else:
            outcome, ids = fitted
            write_json(folder / "about.json", {name: summary[name] for name in ("date", "spaces", "chosen")})
            write_parquet(folder / "tracks.parquet", _tabulate_tracks(outcome, ids))
    write_parquet(paths.listeners_table, pa.Table.from_pandas(figures, preserve_index=False))
    write_json(paths.listeners, summary)


def _tabulate_tracks(outcome: Outcome, ids: pd.Index) -> pa.Table:
    hybrid = outcome.hybrid
    weights = hybrid.blend.weigh(hybrid.n_plays)
    if len(ids) != len(weights):
        raise OstinatoError("listeners: the tracks changed during the run; run it again")
    lists = {name: pa.array(list(x.astype(np.float32))) for name, x in _list_vectors(outcome).items()}
    return pa.table(
        {
            "track_id": pa.array(ids.to_numpy(object), pa.string()),
            "n_plays": pa.array(hybrid.n_plays.astype(np.int64)),
            "weight": pa.array(weights),
            **lists,
        }
    )


def _list_vectors(outcome: Outcome) -> dict[str, np.ndarray]:
    return {"factors": outcome.hybrid.factors.tracks, "sound": outcome.hybrid.content.tracks}
