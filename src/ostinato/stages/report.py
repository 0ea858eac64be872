"""Write models/report/index.html.

Tables for `dvc plots` are written next to it.
"""

import shutil
from dataclasses import replace

import pandas as pd

from ostinato.core.candidates import first_metric, get_candidates
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.task import Task
from ostinato.datasets import dataset_root
from ostinato.evaluation import label_errors
from ostinato.evaluation.predictions import KEYS
from ostinato.io.escapes import escape_cell
from ostinato.io.files import atomic_write, read_json, read_parquet
from ostinato.report.contrasts import compute_contrasts
from ostinato.report.markdown import render_markdown
from ostinato.report.material import Material
from ostinato.report.page import render_page
from ostinato.report.pieces import cache_pieces
from ostinato.report.tables import build_tables, plot_best_curves

SECTIONS = (
    "seed",
    "dataset",
    "evaluate",
    "gate",
    "paper",
    "candidates",
    "estimators",
    "stacked",
    "members",
    "numbers",
    "report",
)
GENRE = "genre"


def run(paths: Paths, params: Params) -> None:
    """Write the report of all candidates of params.yaml; unchanged plots are reused."""
    material = _read_material(paths, params)
    with cache_pieces(paths.state / "report"):
        _write(paths, material)


def _write(paths: Paths, material: Material) -> None:
    shutil.rmtree(paths.report, ignore_errors=True)
    for file, table in build_tables(material).items():
        with atomic_write(paths.report / "plots" / file) as partial:
            table.map(escape_cell).to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
    if plot := plot_best_curves(material):
        with atomic_write(paths.report / "plots" / "curves.svg") as partial:
            partial.write_text(plot, encoding="utf-8")
    with atomic_write(paths.report / "report.md") as partial:
        partial.write_text(render_markdown(material), encoding="utf-8")
    with atomic_write(paths.report / "index.html") as partial:
        partial.write_text(render_page(material), encoding="utf-8")


def _read_material(paths: Paths, params: Params) -> Material:
    entries, gate = get_candidates(params), read_json(paths.gate)
    metrics = {n: read_json(paths.metrics(n)) for n in entries}
    tracks, splits = read_parquet(paths.tracks), read_parquet(paths.splits)
    accepted = [n for n, e in entries.items() if e.task == GENRE and gate[n]["accepted"]]
    unbiased = [n for n in accepted if n not in params.estimators]  # estimators are fitted to validation tracks too
    curves = {n: p for n in entries if (p := paths.checkpoints(n) / "curves.csv").exists()}
    tuned = {n: p for n in entries if (p := paths.tuning_result(n)).exists()}
    material = Material(
        paths=paths,
        candidates=entries,
        metrics=metrics,
        gate=gate,
        tuning={n: read_json(p) for n, p in tuned.items()},
        leading={task: first_metric(bounds, task) for task, bounds in params.gate.items()},
        curves={n: pd.read_csv(p) for n, p in curves.items()},
        contrasts={},
        paper=params.paper,
        classes=read_json(paths.classes),
        tracks=tracks,
        splits=splits,
        quarantine=read_parquet(paths.quarantine),
        root=dataset_root(paths, params.dataset),
        clips=params.report.clips,
        suspects=_find_suspects(paths, unbiased, splits, tracks),
    )
    contrasts = compute_contrasts(material, params.evaluate.threshold, params.evaluate.confidence)
    return replace(material, contrasts=contrasts)


def _find_suspects(
    paths: Paths, accepted: list[str], splits: pd.DataFrame, tracks: pd.DataFrame
) -> pd.DataFrame | None:
    """Rank held-out tracks by the scores of all accepted networks for their genre."""
    task = Task(GENRE, tuple(read_json(paths.classes)[GENRE]))
    files = [paths.predictions(name) / "predictions.parquet" for name in accepted]
    predictions = (read_parquet(file, columns=[*KEYS, "logits"]) for file in files)
    return label_errors.rank_by_mean_scores(predictions, splits, tracks, task)
