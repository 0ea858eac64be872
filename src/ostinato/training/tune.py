"""Optuna studies: the defaults first, then what the search space draws; a study that was cut off goes on."""

import time
import warnings
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, fail_stale_trials
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from ostinato.errors import OstinatoError, ParamsError
from ostinato.training.settings import derive

Choice: TypeAlias = dict[str, dict[str, Any]]
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
DEFAULTS: Choice = {"network": {}, "train": {}}
HEARTBEAT = 30
JOURNAL = "journal.log"
PATIENCE_SECONDS = 1.0
PRUNERS: Mapping[str, Callable[[], optuna.pruners.BasePruner]] = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=2),
    "none": optuna.pruners.NopPruner,
}


def open_study(name: str, storage: str | None, folder: Path, pruner: str) -> optuna.Study:
    """Open a study, or make it.

    Parameters
    ----------
    name : str
        Holds the hash of the study's inputs, so that no other study goes on under it.
    storage : str, optional
        URL of a database that machines share; None: a journal file in `folder`.
    folder : Path
    pruner : {"median", "hyperband", "none"}

    Returns
    -------
    Study

    Raises
    ------
    ParamsError
        If the database cannot be opened or the pruner is not known.
    """
    if pruner not in PRUNERS:
        raise ParamsError(f"tune.pruner: {pruner!r} is not known; there are {', '.join(PRUNERS)}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    opened: BaseStorage = _journal(folder) if storage is None else _database(storage)
    return optuna.create_study(storage=opened, study_name=name, pruner=PRUNERS[pruner](), load_if_exists=True)


def recover(name: str, folder: Path) -> None:
    """Mend a journal after a kill: drop a half line and a lock, fail the trials that were cut off.

    Only before anybody works on the study. Where machines share one in a
    database, stale heartbeats say which trials were cut off.

    Parameters
    ----------
    name : str
        Of the study.
    folder : Path
        Of its journal; nothing happens if there is none.
    """
    file = folder / JOURNAL
    if not file.exists():
        return
    Path(f"{file}.lock").unlink(missing_ok=True)
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        file.write_bytes(whole)
    storage = _journal(folder)
    if name not in optuna.get_all_study_names(storage):
        return
    study = optuna.load_study(study_name=name, storage=storage)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def search(
    study: optuna.Study,
    objective: Callable[[Choice, Trial], float],
    space: Callable[[Trial], Choice],
    *,
    n_trials: int,
    seed: int,
    timeout: float | None = None,
) -> None:
    """Work on a study until it has enough finished trials.

    The first trial is the defaults. The sampler of every other one is seeded by
    (seed, finished trials): one that is loaded again would repeat its first draws.

    Parameters
    ----------
    study : Study
    objective : callable
        Gives what is minimised for a choice; may raise `optuna.TrialPruned`.
    space : callable
        An architecture's `search_space`.
    n_trials : int
    seed : int
    timeout : float, optional
        Seconds after which no trial is begun.
    """
    end = time.monotonic() + (timeout or float("inf"))
    while time.monotonic() < end:
        fail_stale_trials(study)
        trials = study.get_trials(deepcopy=False)
        finished = sum(t.state in FINISHED for t in trials)
        begun = finished + sum(t.state == TrialState.RUNNING for t in trials)
        if finished >= n_trials:
            return
        if begun >= n_trials:
            time.sleep(PATIENCE_SECONDS)
            continue
        study.sampler = optuna.samplers.TPESampler(seed=derive(seed, begun) % 2**32, constant_liar=begun > finished)
        study.optimize(_objective(objective, space, is_first=begun == 0), n_trials=1)


def best(study: optuna.Study) -> dict[str, Any]:
    """Give what the study chose.

    Returns
    -------
    dict
        ``network``, ``train``, ``value``, ``n_trials``, and ``trials``: of every finished one its
        ``number``, its ``params``, its ``value`` (null where it was refused before its first epoch
        ended) and its ``state``, ``complete`` or ``pruned``.

    Raises
    ------
    OstinatoError
        If no trial came to its end.
    """
    finished = study.get_trials(deepcopy=False, states=FINISHED)
    complete = [t for t in finished if t.state == TrialState.COMPLETE]
    if not complete:
        raise OstinatoError(
            f"{study.study_name}: no trial of {len(finished)} came to its end; lower train.lr or raise tune.timeout"
        )
    chosen: FrozenTrial = min(complete, key=lambda t: (t.value, t.number))
    told = {**chosen.user_attrs["choice"], "value": chosen.value, "n_trials": len(finished)}
    return {**told, "trials": [_told(number, trial) for number, trial in enumerate(finished)]}


def _told(number: int, trial: FrozenTrial) -> dict[str, Any]:
    """Give a trial without what another run would give otherwise, such as those cut off before it."""
    choice = trial.user_attrs["choice"]
    value = trial.value if trial.value is not None and isfinite(trial.value) else None
    params = {**choice["network"], **choice["train"]}
    return {"number": number, "params": params, "value": value, "state": trial.state.name.lower()}


def _objective(objective: Any, space: Any, *, is_first: bool) -> Callable[[Trial], float]:
    def worth(trial: Trial) -> float:
        choice = DEFAULTS if is_first else {**DEFAULTS, **space(trial)}
        trial.set_user_attr("choice", choice)
        try:
            return objective(choice, trial)
        except OstinatoError as error:
            if is_first or isinstance(error, ParamsError):
                raise
            raise optuna.TrialPruned(str(error)) from error

    return worth


def _journal(folder: Path) -> JournalStorage:
    folder.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(folder / JOURNAL)))


def _database(url: str) -> RDBStorage:
    try:
        return RDBStorage(url, heartbeat_interval=HEARTBEAT, grace_period=3 * HEARTBEAT)
    except ImportError as error:
        raise ParamsError(
            f"tune.storage: {error}; install the driver, for PostgreSQL: pip install 'ostinato[postgres]'"
        ) from error
    except Exception as error:
        raise ParamsError(f"tune.storage: {url.split('@')[-1]} cannot be opened: {error}") from error
