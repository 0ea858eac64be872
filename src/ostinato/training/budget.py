"""Budget of each candidate's study.

Studies run as separate stages, in any order and on any machine, so none can wait for
the results of another. The budget is therefore divided beforehand, in proportion to the
number of settings in a candidate's space. A budget of trials counts the epochs of as
many complete trainings, so that pruned trials leave epochs for others.
"""

from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import Trial

from ostinato.core.params import get_sections
from ostinato.core.params.schema import Params
from ostinato.training.settings import resolve


def distributions(space: Callable[[Trial], Any]) -> dict[str, BaseDistribution]:
    """Return the distributions of a search space.

    Parameters
    ----------
    space : callable
        An architecture's or estimator's `search_space`.

    Returns
    -------
    dict of str to BaseDistribution
        By setting; empty without a search space.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    space(trial)
    return dict(trial.distributions)


def own_trials(params: Params, name: str) -> int | None:
    """Return a candidate's number of trials in params.yaml, its own or the common one; None if none."""
    own = get_sections(params)[name].n_trials
    return params.tune.n_trials if own is None else own


def compute_shares(params: Params) -> dict[str, dict[str, float]]:
    """Divide the budget among the candidates.

    Parameters
    ----------
    params : Params
        With `seed`, `train`, `tune`, `candidates`, `estimators`, `stacked`, `members` and `numbers`.

    Returns
    -------
    dict of str to dict
        Per candidate ``trials`` if it has its own number, else its share of the budget: ``trainings`` or
        ``minutes``; 0 without a search space or budget.
    """
    n_trials = {name: own_trials(params, name) for name in get_sections(params)}
    budget, sharing = params.tune.budget, [name for name, number in n_trials.items() if number is None]
    if budget is None:
        return {name: {"trials": number or 0} for name, number in n_trials.items()}
    sizes = {name: len(distributions(resolve(params, name).load().search_space)) for name in sharing}
    kind, amount = ("trainings", budget.trials) if budget.trials else ("minutes", budget.minutes or 0.0)
    total = max(1, sum(sizes.values()))
    parts = {name: {kind: round(amount * size / total, 3)} for name, size in sizes.items()}
    return {name: parts.get(name, {"trials": number or 0}) for name, number in n_trials.items()}
