"""Predict numbers of tracks, such as popularity, from features or from vectors of candidates.

It fits and judges every regression of params.yaml out of fold.
"""

import logging
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ostinato.core.candidates import Entry
from ostinato.core.params.schema import Params, Regression
from ostinato.core.paths import Paths
from ostinato.io.files import atomic_write, write_json, write_parquet
from ostinato.regression.card import write_card
from ostinato.regression.fit import Predictions, fit_all, fit_folds
from ostinato.regression.inputs import Inputs, read_inputs
from ostinato.regression.scores import compute_figures
from ostinato.regression.target import read_target
from ostinato.release.gate import judge

SECTIONS = ("seed", "compute", "evaluate", "gate", "regressions")
TASK = "regression"
NOTHING_LEARNT = "it predicts the mean, since nothing beat that on the validation artists"
N_COMPARED = 256
"""Tracks on which the ONNX file is compared with the regression."""

log = logging.getLogger(__name__)


def run(paths: Paths, params: Params) -> None:
    """Write ``models/regressions.json``, and for each regression its predictions, card and, if accepted, ONNX file."""
    folder = paths.regression("x").parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    results = {name: _run_one(paths, params, name, entry) for name, entry in params.regressions.items()}
    write_json(paths.regressions, results)


def _run_one(paths: Paths, params: Params, name: str, entry: Regression) -> dict[str, Any]:
    import torch

    torch.set_num_threads(params.compute.threads)
    target, inputs = read_target(paths, entry, name), read_inputs(paths, entry, name)
    source = f"feature {entry.feature}" if entry.feature else f"the vectors of {entry.candidate}"
    about = {"column": entry.column, "regressor": entry.regressor, "input": source}
    if isinstance(inputs, str):
        return about | {"skipped": inputs}
    predictions = fit_folds(inputs, target, entry, name, params.seed)
    if predictions.n_unknown:
        log.warning("%s: left out %d tracks whose %s is unknown", name, predictions.n_unknown, entry.column)
    result = about | _describe(predictions, inputs, target, params.evaluate.confidence)
    verdict = judge([Entry(name, entry.regressor, source, TASK)], {name: result}, params.gate)[name]
    if not any(setting is not None for setting in predictions.settings):
        verdict = {"accepted": False, "reasons": [NOTHING_LEARNT], "rules": verdict["rules"]}
    result |= verdict
    _write_predictions(paths, name, predictions)
    if verdict["accepted"] and entry.feature is not None:
        _write_onnx(paths, name, entry, inputs, target, predictions, params.seed)
    with atomic_write(paths.regression(name) / "card.md") as partial:
        partial.write_text(write_card(name, result), encoding="utf-8")
    return result


def _describe(predictions: Predictions, inputs: Inputs, target: pd.Series, confidence: float) -> dict[str, Any]:
    """Return sizes and figures of a regression."""
    table = predictions.table
    columns = {str(column): table[column].to_numpy() for column in table}
    test, baseline = compute_figures(
        columns["prediction"], columns["target"], columns, columns["fold"], columns["group"], confidence
    )
    known = target.reindex(inputs.table["track_id"].unique()).dropna()
    spread = {"mean": known.mean(), "deviation": known.std(ddof=0), "min": known.min(), "max": known.max()}
    return {
        "n_tracks": len(known),
        "n_unknown": predictions.n_unknown,
        "n_test": int(table["track_id"].nunique()),
        "n_groups": int(table["group"].nunique()),
        "target": {key: float(f"{value:.6g}") for key, value in spread.items()},
        "settings": list(predictions.settings),
        "test": test,
        "baseline": baseline,
    }


def _write_predictions(paths: Paths, name: str, predictions: Predictions) -> None:
    table = predictions.table.sort_values(["fold", "track_id"], ignore_index=True)
    table = table[["track_id", "fold", "target", "prediction", "mean"]].rename(columns={"mean": "baseline"})
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata({})
    write_parquet(paths.regression(name) / "predictions.parquet", arrow)


def _write_onnx(
    paths: Paths,
    name: str,
    entry: Regression,
    inputs: Inputs,
    target: pd.Series,
    predictions: Predictions,
    seed: int,
) -> None:
    """Fit on all tracks and write the file; vectors of a candidate have none, since they are of the folds' networks."""
    from ostinato.regression.export import convert

    fitted = fit_all(inputs, target, entry, name, seed, predictions.settings)
    metadata = {"name": name, "column": entry.column, "regressor": entry.regressor, **inputs.about}
    deviation = float(np.nanstd(target))
    content = convert(fitted, inputs.x[:N_COMPARED], deviation, metadata)
    with atomic_write(paths.regression(name) / "regression.onnx") as partial:
        partial.write_bytes(content)
