"""Search a candidate's settings with Optuna.

The settings are chosen on the validation tracks, and evaluated by cross-validation on
the training tracks (`ostinato.training.gain`). If they gain nothing there, the defaults
are used.

With k folds a validation track is a test track of another fold, so that a search would
leak test data: the defaults are used.
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
MIN_GROUPS = 2
Share: TypeAlias = Mapping[str, float | None]


def run(paths: Paths, params: Params, name: str) -> None:
    """Write ``models/tuned/<name>.json``: the settings for training that differ, and the study they come from.

    Parameters
    ----------
    paths : Paths
    params : Params
    name : str
        The candidate.
    """
    settings = resolve(params, name)
    write_json(
        paths.tuning_result(settings.name), _tune(paths, params, settings, _read_share(paths, params, settings.name))
    )


def _read_share(paths: Paths, params: Params, name: str) -> Share:
    """Return what the study of a candidate may spend: its own number of trials, else its share of the budget."""
    n_trials = own_trials(params, name)
    if n_trials is not None or params.tune.budget is None:
        return {"trials": n_trials or 0}
    if not paths.budget(name).exists():
        raise DataError(f"{paths.budget(name)}: does not exist; run `ostinato budget`, or give {name} its own n_trials")
    return read_json(paths.budget(name))


def _tune(paths: Paths, params: Params, settings: Settings, share: Share) -> dict[str, Any]:
    """Return the content of the file of tuned settings."""
    if not any(share.values()):
        return {**DEFAULTS, "reason": "no trials are set, or there is nothing to search"}
    if read_parquet(paths.splits, columns=["fold"])["fold"].nunique() > 1:
        return {**DEFAULTS, "reason": "with several folds, validation tracks of one fold are test tracks of another"}
    from ostinato.stages import _candidate
    from ostinato.training.budget import distributions

    if reason := _candidate.find_skip_reason(paths, settings):
        return {"skipped": reason}
    if not distributions(settings.load().search_space):
        return {**DEFAULTS, "reason": f"{settings.plugin} has no hyperparameters to search"}
    return _Study(paths, params, settings, share).run()


class _Study:
    """The study of a candidate, with its data.

    Parameters
    ----------
    paths : Paths
    params : Params
    settings : Settings
    share : mapping
        Its budget: ``trials``, ``trainings`` (in epochs of so many trainings), or ``minutes``.
    """

    def __init__(self, paths: Paths, params: Params, settings: Settings, share: Share) -> None:
        import torch

        from ostinato.stages import _candidate
        from ostinato.training.budget import distributions

        torch.set_num_threads(params.compute.threads)
        self.paths, self.params, self.settings, self.share = paths, params, settings, share
        self.data = _candidate.open_candidate(paths, settings)
        self.space = settings.load().search_space
        space = {name: str(d) for name, d in distributions(self.space).items()}
        key = params.tune.model_dump(), share, params.compute.threads, space
        self.folder, self.clean_up = _candidate.open_resume_folder(paths, STAGE, settings, *key, *self.data.files)
        self.x = None
        if settings.fitter == "sklearn":
            self.x = _candidate.load_summaries(paths, str(settings.feature), self.data.labelled.track_ids)

    def run(self) -> dict[str, Any]:
        """Search with all workers, and evaluate the choice."""
        from ostinato.training import tune

        train = self.data.labelled.folds[next(iter(self.data.labelled.folds))]["train"]
        if len(set(self.data.labelled.groups[train])) < MIN_GROUPS:
            return {**DEFAULTS, "reason": "the training tracks are all in one group, so no choice can be evaluated"}
        tune.recover(self.folder.name, self.folder)
        devices = visible_gpus()
        n_workers = self.params.tune.workers or max(1, len(devices))
        if n_workers > 1 and self.share.get("trials") != 1:
            _spawn(self.settings.name, n_workers, devices, (self.paths, self.params, self.settings, self.share))
        with _one_gpu(devices[0] if devices else None):
            outcome = self._evaluate(self.work(0))
        self.clean_up()
        return outcome

    def work(self, worker: int) -> dict[str, Any]:
        """Run trials until the study is complete, and return its choice."""
        from ostinato.training import tune
        from ostinato.training.objective import default_values, objective, trial_epochs

        tuning, settings, share = self.params.tune, self.settings, self.share
        epochs = 1 if self.x is not None else trial_epochs(settings, tuning.max_epochs)
        study = tune.open_study(self.folder.name, tuning.storage, self.folder, tuning.pruner, epochs)
        seconds = [s for s in (60 * (share.get("minutes") or 0), tuning.timeout) if s]
        tune.search(
            study,
            objective(settings, self.data.labelled, self.data.sources, self.x, tuning.max_epochs),
            self.space,
            limit=tune.Limit(share.get("trials"), share.get("trainings"), min(seconds, default=None), epochs),
            seed=(settings.seed, settings.name),
            defaults=default_values(settings),
            worker=worker,
        )
        return tune.best(study)

    def _evaluate(self, study: dict[str, Any]) -> dict[str, Any]:
        """Compute the gain of the choice, and return the defaults if there is none."""
        from ostinato.training import tune
        from ostinato.training.gain import compute_gain

        choice, gain = study["choice"], None
        if choice != tune.DEFAULTS:
            labelled, sources = self.data.labelled, self.data.sources
            folds, state = self.params.tune.folds, self.folder / "judge"
            gain = compute_gain(self.settings, choice, labelled, sources, self.x, folds=folds, state=state)
        is_better = gain is not None and gain.mean > 0
        return {**(choice if is_better else tune.DEFAULTS), **study, "gain": None if gain is None else asdict(gain)}


def work(paths: Paths, params: Params, settings: Settings, share: Share, worker: int) -> None:
    """Run trials of a study until it is complete, in a process of its own."""
    _Study(paths, params, settings, share).work(worker)


def _spawn(name: str, n_workers: int, devices: Sequence[str], arguments: tuple[Any, ...]) -> None:
    """Run the study in several processes, each with one GPU, and wait for them."""
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
        raise OstinatoError(f"{name}: a worker of the study failed, see above; run the stage again to resume")


@contextmanager
def _one_gpu(device: str | None) -> Iterator[None]:
    """Make only one GPU visible to this process and those it starts."""
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
