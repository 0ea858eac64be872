"""Search a candidate's settings, on training and validation tracks of a holdout alone.

With k folds a validation track is another fold's test track, so that a search would
see what it is judged on: the defaults are kept.
"""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato.errors import OstinatoError
from ostinato.files import write_json
from ostinato.paths import Paths
from ostinato.training.settings import Settings, resolve

SECTIONS = ("seed", "compute", "train", "tune", "candidates", "estimators", "stacked", "members", "numbers")
STAGE = "tune"


def run(paths: Paths, params: Any, name: str | None = None) -> None:
    """Write ``models/tuned/<name>.json``: the departures that did best, or none without trials or with k folds.

    Parameters
    ----------
    paths : Paths
    params : namespace
    name : str
        The candidate.
    """
    settings = resolve(params, str(name))
    out = paths.tuned(settings.name)
    n_trials = trials(params, settings.name)
    if n_trials == 0 or pd.read_parquet(paths.splits, columns=["fold"])["fold"].nunique() > 1:
        write_json(out, {"network": {}, "train": {}, "value": None, "n_trials": 0, "trials": []})
        return
    from ostinato.stages import _candidate

    lacks = _candidate.lacks(paths, settings)
    write_json(out, {"skipped": lacks} if lacks else _search(paths, params, settings, n_trials))


def trials(params: Any, name: str) -> int:
    """Give the number of trials of a candidate: its own, else the common one."""
    entry = {**params.candidates, **params.estimators, **params.stacked}[name]
    return params.tune.n_trials if entry.n_trials is None else entry.n_trials


def work(paths: Paths, params: Any, settings: Settings, n_trials: int) -> dict[str, Any]:
    """Take part in a candidate's study until it is complete.

    Parameters
    ----------
    paths : Paths
    params : namespace
    settings : Settings
    n_trials : int

    Returns
    -------
    dict
        What the study chose.
    """
    import torch

    from ostinato.stages import _candidate
    from ostinato.training import tune
    from ostinato.training.objective import objective

    torch.set_num_threads(params.compute.threads)
    opened = _candidate.open_candidate(paths, settings)
    x = None
    if settings.fitter == "sklearn":
        x = _candidate.summaries(paths, str(settings.feature), opened.labelled.track_ids)
    folder, _ = _point(paths, params, settings, n_trials, opened)
    study = tune.open_study(folder.name, params.tune.storage, folder, params.tune.pruner)
    tune.search(
        study,
        objective(settings, opened.labelled, opened.sources, x, params.tune.max_epochs),
        settings.load().search_space,
        n_trials=n_trials,
        seed=settings.seed,
        timeout=params.tune.timeout,
    )
    return tune.best(study)


def _search(paths: Paths, params: Any, settings: Settings, n_trials: int) -> dict[str, Any]:
    from ostinato.stages import _candidate
    from ostinato.training import tune

    opened = _candidate.open_candidate(paths, settings)
    folder, done = _point(paths, params, settings, n_trials, opened)
    tune.recover(folder.name, folder)
    devices = gpus()
    n_workers = params.tune.workers or max(1, len(devices))
    if n_workers > 1 and n_trials > 1:
        _spawn(paths, params, settings, n_trials, n_workers, devices)
    chosen = work(paths, params, settings, n_trials)
    done()
    return chosen


def _point(
    paths: Paths, params: Any, settings: Settings, n_trials: int, opened: Any
) -> tuple[Path, Callable[[], None]]:
    """Give the folder of the study, and what removes it."""
    from ostinato.stages import _candidate

    asked = params.tune.model_dump(), n_trials, params.compute.threads
    return _candidate.resumable(paths, STAGE, settings, *asked, *opened.files)


def gpus() -> list[str]:
    """List the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [d for d in named.split(",") if d.strip() and d.strip() != "-1"]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


def _spawn(paths: Paths, params: Any, settings: Settings, n_trials: int, n_workers: int, devices: list[str]) -> None:
    """Let several processes, each with one GPU, work on the study."""
    context = multiprocessing.get_context("spawn")
    processes = []
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        for i in range(n_workers):
            if devices:
                os.environ["CUDA_VISIBLE_DEVICES"] = devices[i % len(devices)]
            processes.append(context.Process(target=work, args=(paths, params, settings, n_trials)))
            processes[-1].start()
    finally:
        if before is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before
    while any(p.is_alive() for p in processes):
        for process in processes:
            process.join(timeout=0.5)
        if any(p.exitcode for p in processes):
            for process in processes:
                process.terminate()
    if any(p.exitcode for p in processes):
        raise OstinatoError(
            f"{settings.name}: a worker of the study ended with an error, see above; run the stage again to go on"
        )
