"""Optuna studies: the defaults first, then draws from the search space; interrupted studies resume."""

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from typing import Any, TypeAlias

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, fail_stale_trials
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from ostinato.errors import OstinatoError, ParamsError
from ostinato.training.budget import distributions
from ostinato.training.settings import derive

Choice: TypeAlias = dict[str, dict[str, Any]]
FINISHED_STATES = (TrialState.COMPLETE, TrialState.PRUNED)
DEFAULTS: Choice = {"network": {}, "train": {}}
CHOICE = "choice"
HEARTBEAT = 30
JOURNAL = "journal.log"
PATIENCE_SECONDS = 1.0
N_STARTUP = 5
"""Random trials before the sampler learns from them; Optuna's 10 are too many for studies of tens of trials."""
REDUCTION = 2
"""Reduction factor of a rung; losses of small sets are too noisy to prune more at once."""
PRUNERS: Mapping[str, Callable[[int], optuna.pruners.BasePruner]] = {
    "halving": lambda epochs: optuna.pruners.SuccessiveHalvingPruner(first_rung(epochs), REDUCTION),
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(first_rung(epochs), epochs, REDUCTION),
    "median": lambda epochs: optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=first_rung(epochs) - 1),
    "none": lambda epochs: optuna.pruners.NopPruner(),
}


def first_rung(epochs: int) -> int:
    """Return the minimum epochs of a trial: a quarter of all, so that it is above chance when compared."""
    return ceil(epochs / REDUCTION**2)


@dataclass(frozen=True)
class Limit:
    """Budget of a study; None is unlimited.

    Parameters
    ----------
    trials : float, optional
        Number of trials of any length.
    trainings : float, optional
        Number of full trainings; epochs saved by pruned trials go to others.
    seconds : float, optional
        Time after which no trial starts.
    epochs : int
        Epochs of a full trial.
    """

    trials: float | None = None
    trainings: float | None = None
    seconds: float | None = None
    epochs: int = 1

    def is_spent(self, trials: Iterable[FrozenTrial]) -> bool:
        """Return whether trials have spent the budget; a running one counts in full."""
        costs = [self._cost(t) for t in trials if t.state in (*FINISHED_STATES, TrialState.RUNNING)]
        bounds = ((self.trials, float(len(costs))), (self.trainings, sum(costs)))
        return any(bound is not None and spent >= bound for bound, spent in bounds)

    def _cost(self, trial: FrozenTrial) -> float:
        return 1.0 if trial.state == TrialState.RUNNING else max(1, epochs_run(trial)) / self.epochs


class Sampler(BaseSampler):
    """Multivariate TPE, seeded for every trial, so that a resumed study draws what it would have drawn.

    The first trial has the default values, so that the sampler learns from it.

    Parameters
    ----------
    study : Study
        The whole study, as a pruner may show the sampler only a part.
    space : mapping of str to BaseDistribution
        Search space.
    defaults : mapping
        Default values, where known.
    seed : tuple
        Seed of the study and candidate.
    worker : int
        Different workers draw different points, even in the same state of the study.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Mapping[str, BaseDistribution],
        defaults: Mapping[str, Any],
        seed: tuple[Any, ...],
        worker: int,
    ) -> None:
        self.study, self.space, self.seed, self.worker = study, dict(space), seed, worker
        self.defaults = _within(space, defaults)
        self._tpe = TPESampler(seed=0)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Seed the draws of a trial by its number, not counting failed trials."""
        lower = [t for t in self.study.get_trials(deepcopy=False) if t.number < trial.number]
        number = sum(t.state != TrialState.FAIL for t in lower)
        seed = derive(*self.seed, "trial", number, self.worker) % 2**32
        self._tpe = TPESampler(n_startup_trials=N_STARTUP, multivariate=True, constant_liar=True, seed=seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the whole space: all settings are drawn jointly from the first trial."""
        return {name: d for name, d in sorted(self.space.items()) if not d.single()}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw all settings of a trial."""
        if is_first(self.study, trial.number):
            return {name: value for name, value in self.defaults.items() if name in search_space}
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one setting, at random while there are few trials."""
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)


def is_first(study: optuna.Study, number: int) -> bool:
    """Return whether a trial is that of the defaults: no earlier one has them or may get them."""
    lower = [t for t in study.get_trials(deepcopy=False) if t.number < number]
    return not any(t.state != TrialState.FAIL and t.user_attrs.get(CHOICE, DEFAULTS) == DEFAULTS for t in lower)


def epochs_run(trial: FrozenTrial) -> int:
    """Return the last epoch that a trial reported; 0 without epochs."""
    return trial.last_step or 0


def open_study(name: str, storage: str | None, folder: Path, pruner: str, epochs: int) -> optuna.Study:
    """Open or create a study.

    Parameters
    ----------
    name : str
        Includes the hash of the study's inputs and space, so that no other study has the same name.
    storage : str, optional
        URL of a shared database; None: a journal file in `folder`.
    folder : Path
    pruner : {"halving", "hyperband", "median", "none"}
    epochs : int
        Of a whole trial.

    Returns
    -------
    Study

    Raises
    ------
    ParamsError
        If the database cannot be opened or the pruner is unknown.
    """
    if pruner not in PRUNERS:
        raise ParamsError(f"tune.pruner: unknown pruner {pruner!r}; choose from {', '.join(PRUNERS)}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    backend: BaseStorage = _journal(folder) if storage is None else _database(storage)
    return optuna.create_study(storage=backend, study_name=name, pruner=PRUNERS[pruner](epochs), load_if_exists=True)


def recover(name: str, folder: Path) -> None:
    """Repair a journal after a kill: drop a partial line and a lock, fail interrupted trials.

    Call it before any worker starts. In a shared database, stale heartbeats mark
    interrupted trials.

    Parameters
    ----------
    name : str
        Name of the study.
    folder : Path
        Folder of its journal; without one nothing happens.
    """
    file = folder / JOURNAL
    if not file.exists():
        return
    Path(f"{file}.lock").unlink(missing_ok=True)
    content = file.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if complete != content:
        file.write_bytes(complete)
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
    limit: Limit,
    seed: tuple[Any, ...],
    defaults: Mapping[str, Any] | None = None,
    worker: int = 0,
) -> None:
    """Run trials of a study until its limit is spent.

    The first trial has the defaults. The draws of the others are seeded by
    (seed, its number, the worker).

    Parameters
    ----------
    study : Study
    objective : callable
        Returns the value to minimise for a choice; may raise `optuna.TrialPruned`.
    space : callable
        An architecture's `search_space`.
    limit : Limit
    seed : tuple
        Seed and candidate.
    defaults : mapping, optional
        Default values by setting.
    worker : int
        Index of this process among those that run the study.

    Raises
    ------
    OSError
        If the journal cannot be written.
    """
    end = time.monotonic() + (limit.seconds or float("inf"))
    study.sampler = sampler = Sampler(study, distributions(space), defaults or {}, seed, worker)
    while time.monotonic() < end:
        fail_stale_trials(study)
        trials = study.get_trials(deepcopy=False)
        if limit.is_spent(t for t in trials if t.state in FINISHED_STATES):
            return
        if limit.is_spent(trials):
            time.sleep(PATIENCE_SECONDS)
            continue
        try:
            study.optimize(_objective(objective, space, sampler), n_trials=1)
        except AssertionError as error:  # Optuna 5.0 raises one if its storage cannot be written
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def best(study: optuna.Study) -> dict[str, Any]:
    """Return the best completed trial of a study, with a summary of all.

    Pruned trials are excluded, however low their loss: they were only compared at an
    early rung.

    Returns
    -------
    dict
        ``choice``, ``value``, ``n_trials``, ``importance`` by setting, and ``trials``: for every finished
        one its ``number``, ``params``, ``value`` (null if refused before the end of its first epoch), the
        ``epochs`` after which it had that value, and its ``state``, ``complete`` or ``pruned``.

    Raises
    ------
    OstinatoError
        If no trial was completed.
    """
    finished = study.get_trials(deepcopy=False, states=FINISHED_STATES)
    complete = [t for t in finished if t.state == TrialState.COMPLETE]
    if not complete:
        raise OstinatoError(
            f"{study.study_name}: none of {len(finished)} trials was completed; lower train.lr or raise tune.timeout"
        )
    winner: FrozenTrial = min(complete, key=lambda t: (t.value, t.number))
    return {
        "choice": winner.user_attrs[CHOICE],
        "value": winner.value,
        "n_trials": len(finished),
        "importance": importance(finished),
        "trials": [_summary(number, trial) for number, trial in enumerate(finished)],
    }


def importance(trials: list[FrozenTrial]) -> dict[str, float]:
    """Compute the share of variance that each setting explains, by functional ANOVA.

    Parameters
    ----------
    trials : list of FrozenTrial
        Each with the value of the rung it reached.

    Returns
    -------
    dict of str to float
        Sums to 1; empty with fewer than `N_STARTUP` values, or if all are equal.

    References
    ----------
    F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing hyperparameter importance", ICML 2014.
    """
    pairs = [(t, value) for t in trials if t.params and (value := _value(t)) is not None]
    if len(pairs) < N_STARTUP or len({value for _, value in pairs}) < 2:
        return {}
    copy = optuna.create_study()
    copy.add_trials([create_trial(params=t.params, distributions=t.distributions, value=value) for t, value in pairs])
    shares = optuna.importance.get_param_importances(
        copy, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )
    return {name: round(share, 4) for name, share in shares.items()}


def _value(trial: FrozenTrial) -> float | None:
    return trial.value if trial.value is not None and isfinite(trial.value) else None


def _summary(number: int, trial: FrozenTrial) -> dict[str, Any]:
    """Return the reproducible part of a trial, independent of interrupted ones."""
    choice = trial.user_attrs[CHOICE]
    params = {**choice["network"], **choice["train"]}
    state = {"epochs": epochs_run(trial), "state": trial.state.name.lower()}
    return {"number": number, "params": params, "value": _value(trial), **state}


def _within(space: Mapping[str, BaseDistribution], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a space's settings, or none if one is missing or out of range."""
    try:
        params = {name: values[name] for name in space}
        create_trial(params=params, distributions=dict(space), value=0.0)
    except (KeyError, TypeError, ValueError):
        return {}
    return params


def _objective(objective: Any, space: Any, sampler: Sampler) -> Callable[[Trial], float]:
    def evaluate(trial: Trial) -> float:
        first = is_first(trial.study, trial.number)
        overrides = {} if first and not sampler.defaults else space(trial)
        choice = DEFAULTS if first else {**DEFAULTS, **overrides}
        trial.set_user_attr(CHOICE, choice)
        try:
            return objective(choice, trial)
        except OstinatoError as error:
            if first or isinstance(error, ParamsError):
                raise
            raise optuna.TrialPruned(str(error)) from error

    return evaluate


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
