"""Neighbours in another folder, in the spaces of a run's networks, with catalogs as from `ostinato catalog`."""

from typing import Any

import numpy as np
import pandas as pd

from ostinato.core import params
from ostinato.core.paths import Paths
from ostinato.errors import ParamsError
from ostinato.evaluation.similarity.leaderboard import MAIN_METRIC, evaluate_spaces
from ostinato.evaluation.similarity.queries import build_queries
from ostinato.recipes import Catalogs
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.folder import build


def compare(paths: Paths, inside: Paths, request: Catalogs) -> list[str]:
    """Embed a folder with each candidate and report how many neighbours share a label.

    Parameters
    ----------
    paths : Paths
        Of the user's project, which has the folder.
    inside : Paths
        Of the run; catalogs are written to ``catalogs/<candidate>``.
    request : Catalogs

    Returns
    -------
    list of str
        A table in Markdown: for each candidate the MAP of the first `recommend.k` neighbours with an
        interval, and its gain over the first candidate on the same seeds. Tracks by a seed's artist do not count.

    Raises
    ------
    ParamsError
        If no track of the folder shares a label with another.
    """
    config = params.load(inside.params)
    built = [name for name in request.candidates if (inside.onnx(name) / "network.onnx").exists()]
    for name in built:
        build(inside.onnx(name), paths.root / request.of, inside.root / "catalogs" / name, table=request.table)
    catalogs = {name: Catalog.load(inside.root / "catalogs" / name) for name in built}
    ids = sorted(set.intersection(*(set(c.ids) for c in catalogs.values()))) if catalogs else []
    lines = [
        f"Neighbours among the {len(ids)} tracks of {request.of} by {request.by} "
        f"(paper: {request.source}): {request.claim}",
        "",
        f"| space | MAP@{config.recommend.k} | gain over {built[0] if built else 'none'}, paired |",
        "|---|---|---|",
    ]
    figures = _judge(catalogs, ids, request, config) if catalogs else {}
    for name in request.candidates:
        if name not in built:
            lines.append(f"| {name} | was not exported; see the gate | |")
            continue
        gain = figures[name].get(f"{MAIN_METRIC}_above_{built[0]}")
        lines.append(f"| {name} | {_interval(figures[name][MAIN_METRIC])} | {_interval(gain, '+') if gain else ''} |")
    return lines


def _judge(catalogs: dict[str, Catalog], ids: list[str], request: Catalogs, config: Any) -> dict[str, Any]:
    """Evaluate the spaces with every track as a seed, compared with the first space."""
    first = next(iter(catalogs.values()))
    metadata = [first.metadata[first.row(i)] for i in ids]
    tracks = pd.DataFrame({key: [k.get(key) for k in metadata] for key in ("artist", "genre", "tags")}, dtype=object)
    is_cold = np.ones(len(ids), bool)
    queries = [
        q for q in build_queries(tracks, None, cold=is_cold, known=~is_cold, seed=config.seed) if q.name == request.by
    ]
    if not queries:
        raise ParamsError(
            f"{request.of}: no two tracks by different artists share a {request.by}; add tracks, or a table"
        )
    spaces = {name: c.vectors[[c.row(i) for i in ids]].astype(np.float64) for name, c in catalogs.items()}
    figures = evaluate_spaces(
        spaces,
        queries,
        popularity=np.ones(len(ids)),
        baseline=next(iter(spaces)),
        k=config.recommend.k,
        confidence=config.evaluate.confidence,
        seed=config.seed,
    )
    return {name: figures[name][f"{request.by}_cold"] for name in spaces}


def _interval(estimate: Any, sign: str = "") -> str:
    return f"{estimate['value']:{sign}.3f} [{estimate['low']:{sign}.3f}, {estimate['high']:{sign}.3f}]"
