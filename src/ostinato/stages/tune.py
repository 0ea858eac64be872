"""Search a candidate's settings with Optuna.

The validation tracks choose; the training tracks then judge, each by fits that did
not learn from it (`ostinato.training.gain`). Where the choice gains nothing there, the
defaults stay.

With k folds a validation track is another fold's test track, so that a search would
see what it is judged on: the defaults stay.
"""

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeAlias

from ostinato.core.parallel import visible_gpus
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.errors import DataError, OstinatoError
from ostinato.io.files import read_json, read_parquet, write_json
from ostinato.training.budget import own_trials
from ostinato.training.settings import Settings, resolve

SECTIONS = ("seed", "compute", "train", "tune", "candidates", "estimators", "stacked", "members", "numbers")
STAGE = "tune"
DEFAULTS: dict[str, Any] = {"network": {}, "train": {}, "value": None, "n_trials": 0, "trials": []}
LEAST_GROUPS = 2
Share: TypeAlias = Mapping[str, float | None]


def run(paths: Paths, params: Params, name: str) -> None:
    """Write ``models/tuned/<name>.json``: the departures that training takes, and the study they come from.

    Parameters
    ----------
    paths : Paths
    params : Params
    name : str
        The candidate.
    """
    settings = resolve(params, name)
    write_json(
        paths.tuning_result(settings.name), _outcome(paths, params, settings, _share(paths, params, settings.name))
    )


def _share(paths: Paths, params: Params, name: str) -> Share:
    """Return what a candidate's study may spend: its own number of trials, else its part of the budget."""
    number = own_trials(params, name)
    if number is not None or params.tune.budget is None:
        return {"trials": number or 0}
    if not paths.budget(name).exists():
        raise DataError(f"{paths.budget(name)}: is not there; run `ostinato budget`, or give {name} its own n_trials")
    return read_json(paths.budget(name))


def _outcome(paths: Paths, params: Params, settings: Settings, share: Share) -> dict[str, Any]:
    """Return the content of the file."""
    if not any(share.values()):
        return {**DEFAULTS, "reason": "no trials were asked for, or there is nothing to search"}
    if read_parquet(paths.splits, columns=["fold"])["fold"].nunique() > 1:
        return {**DEFAULTS, "reason": "with several folds a validation track is another fold's test track"}
    from ostinato.stages import _candidate
    from ostinato.training.budget import distributions

    if lacks := _candidate.lacks(paths, settings):
        return {"skipped": lacks}
    if not distributions(settings.load().search_space):
        return {**DEFAULTS, "reason": f"{settings.plugin} has nothing to search"}
    return _Study(paths, params, settings, share).run()


class _Study:
    """A candidate's study and all it needs.

    Parameters
    ----------
    paths : Paths
    params : Params
    settings : Settings
    share : mapping
        ``trials`` that it may begin, ``trainings`` whose epochs it may run, or ``minutes`` it may take.
    """

    def __init__(self, paths: Paths, params: Params, settings: Settings, share: Share) -> None:
        import torch

        from ostinato.stages import _candidate
        from ostinato.training.budget import distributions

        torch.set_num_threads(params.compute.threads)
        self.paths, self.params, self.settings, self.share = paths, params, settings, share
        self.opened = _candidate.open_candidate(paths, settings)
        self.space = settings.load().search_space
        space = {name: str(d) for name, d in distributions(self.space).items()}
        asked = params.tune.model_dump(), share, params.compute.threads, space
        self.folder, self.done = _candidate.resumable(paths, STAGE, settings, *asked, *self.opened.files)
        self.x = None
        if settings.fitter == "sklearn":
            self.x = _candidate.summaries(paths, str(settings.feature), self.opened.labelled.track_ids)

    def run(self) -> dict[str, Any]:
        """Search with all workers, and judge what was chosen."""
        from ostinato.training import tune

        train = self.opened.labelled.folds[next(iter(self.opened.labelled.folds))]["train"]
        if len(set(self.opened.labelled.groups[train])) < LEAST_GROUPS:
            return {**DEFAULTS, "reason": "the training tracks are one group: no choice could be judged"}
        tune.recover(self.folder.name, self.folder)
        devices = visible_gpus()
        n_workers = self.params.tune.workers or max(1, len(devices))
        if n_workers > 1 and self.share.get("trials") != 1:
            _spawn(self.settings.name, n_workers, devices, (self.paths, self.params, self.settings, self.share))
        with _one_gpu(devices[0] if devices else None):
            outcome = self._judge(self.work(0))
        self.done()
        return outcome

    def work(self, worker: int) -> dict[str, Any]:
        """Take part in the study until it is complete; return what it chose."""
        from ostinato.training import tune
        from ostinato.training.objective import default_values, objective, trial_epochs

        asked, settings, share = self.params.tune, self.settings, self.share
        epochs = 1 if self.x is not None else trial_epochs(settings, asked.max_epochs)
        study = tune.open_study(self.folder.name, asked.storage, self.folder, asked.pruner, epochs)
        seconds = [s for s in (60 * (share.get("minutes") or 0), asked.timeout) if s]
        tune.search(
            study,
            objective(settings, self.opened.labelled, self.opened.sources, self.x, asked.max_epochs),
            self.space,
            limit=tune.Limit(share.get("trials"), share.get("trainings"), min(seconds, default=None), epochs),
            seed=(settings.seed, settings.name),
            defaults=default_values(settings),
            worker=worker,
        )
        return tune.best(study)

    def _judge(self, study: dict[str, Any]) -> dict[str, Any]:
        """Return what the choice gains, and keep the defaults where that is nothing."""
        from ostinato.training import tune
        from ostinato.training.gain import compute_gain

        choice, gain = study["choice"], None
        if choice != tune.DEFAULTS:
            labelled, sources = self.opened.labelled, self.opened.sources
            folds, state = self.params.tune.folds, self.folder / "judge"
            gain = compute_gain(self.settings, choice, labelled, sources, self.x, folds=folds, state=state)
        better = gain is not None and gain.mean > 0
        return {**(choice if better else tune.DEFAULTS), **study, "gain": None if gain is None else asdict(gain)}


def work(paths: Paths, params: Params, settings: Settings, share: Share, worker: int) -> None:
    """Take part in a candidate's study until it is complete: what a process of its own does."""
    _Study(paths, params, settings, share).work(worker)


def _spawn(name: str, n_workers: int, devices: Sequence[str], arguments: tuple[Any, ...]) -> None:
    """Let several processes, each with one GPU, work on the study; the last one leaves its end to this process."""
    context = multiprocessing.get_context("spawn")
    processes = []
    for worker in range(1, n_workers + 1):
        with _one_gpu(devices[(worker - 1) % len(devices)] if devices else None):
            processes.append(context.Process(target=work, args=(*arguments, worker)))
            processes[-1].start()
    while any(p.is_alive() for p in processes):
        for process in processes:
            process.join(timeout=0.5)
        if any(p.exitcode for p in processes):
            for process in processes:
                process.terminate()
    if any(p.exitcode for p in processes):
        raise OstinatoError(
            f"{name}: a worker of the study ended with an error, see above; run the stage again to go on"
        )


@contextmanager
def _one_gpu(device: str | None) -> Iterator[None]:
    """Let this process, and those it starts, see one GPU only."""
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before
