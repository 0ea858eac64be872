"""Neighbours in another folder, placed by a run's networks: catalogs as `ostinato catalog` makes them."""

from typing import Any

import numpy as np
import pandas as pd

from ostinato.core import params
from ostinato.core.paths import Paths
from ostinato.errors import ParamsError
from ostinato.evaluation.similarity.leaderboard import LEADING, evaluate_spaces
from ostinato.evaluation.similarity.queries import questions
from ostinato.recipes import Catalogs
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.folder import build


def compare(paths: Paths, inside: Paths, asked: Catalogs) -> list[str]:
    """Place a folder by each candidate and write how many neighbours share a label.

    Parameters
    ----------
    paths : Paths
        Of the user's project, where the folder lies.
    inside : Paths
        Of the run; the catalogs stand in ``catalogs/<candidate>``.
    asked : Catalogs

    Returns
    -------
    list of str
        A table in Markdown: of each candidate the MAP of the first `recommend.k` neighbours with an
        interval, and its gain over the first candidate on the same seeds. A seed's own artist is no answer.

    Raises
    ------
    ParamsError
        If no track of the folder shares a label with another.
    """
    made = params.load(inside.params)
    built = [name for name in asked.candidates if (inside.onnx(name) / "network.onnx").exists()]
    for name in built:
        build(inside.onnx(name), paths.root / asked.of, inside.root / "catalogs" / name, table=asked.table)
    catalogs = {name: Catalog.load(inside.root / "catalogs" / name) for name in built}
    shared = sorted(set.intersection(*(set(c.ids) for c in catalogs.values()))) if catalogs else []
    lines = [
        f"Neighbours among the {len(shared)} tracks of {asked.of} by {asked.by} (paper: {asked.source}): {asked.claim}",
        "",
        f"| space | MAP@{made.recommend.k} | gain over {built[0] if built else 'none'}, paired |",
        "|---|---|---|",
    ]
    figures = _judge(catalogs, shared, asked, made) if catalogs else {}
    for name in asked.candidates:
        if name not in built:
            lines.append(f"| {name} | was not exported; see the gate | |")
            continue
        gain = figures[name].get(f"{LEADING}_above_{built[0]}")
        lines.append(f"| {name} | {_interval(figures[name][LEADING])} | {_interval(gain, '+') if gain else ''} |")
    return lines


def _judge(catalogs: dict[str, Catalog], ids: list[str], asked: Catalogs, made: Any) -> dict[str, Any]:
    """Judge the spaces by tracks of one label, all of them seeds; the first space is what others are compared with."""
    first = next(iter(catalogs.values()))
    known = [first.metadata[first.row(i)] for i in ids]
    tracks = pd.DataFrame({key: [k.get(key) for k in known] for key in ("artist", "genre", "tags")}, dtype=object)
    every = np.ones(len(ids), bool)
    found = [q for q in questions(tracks, None, cold=every, known=~every, seed=made.seed) if q.name == asked.by]
    if not found:
        raise ParamsError(f"{asked.of}: no two tracks by different artists share a {asked.by}; add them, or a table")
    spaces = {name: c.vectors[[c.row(i) for i in ids]].astype(np.float64) for name, c in catalogs.items()}
    figures = evaluate_spaces(
        spaces,
        found,
        popularity=np.ones(len(ids)),
        baseline=next(iter(spaces)),
        k=made.recommend.k,
        confidence=made.evaluate.confidence,
        seed=made.seed,
    )
    return {name: figures[name][f"{asked.by}_cold"] for name in spaces}


def _interval(found: Any, sign: str = "") -> str:
    return f"{found['value']:{sign}.3f} [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"
