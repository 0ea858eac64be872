"""Budget of each candidate's study.

Studies run as stages of their own, in any order and on any machine, so that none can
wait for what another one finds. The budget is therefore parted beforehand, in
proportion to the number of settings that a candidate's space has, and a study spends
its part on the trials that its pruner leaves in the race: a budget of trials counts
the epochs of as many whole trainings, so that a trial that ends early pays for others.
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
    """Return what a search space draws from.

    Parameters
    ----------
    space : callable
        An architecture's or estimator's `search_space`.

    Returns
    -------
    dict of str to BaseDistribution
        By setting; empty where there is nothing to search.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    space(trial)
    return dict(trial.distributions)


def own_trials(params: Params, name: str) -> int | None:
    """Return the number of trials that params.yaml gives a candidate, its own or the common one; None if none."""
    own = get_sections(params)[name].n_trials
    return params.tune.n_trials if own is None else own


def compute_shares(params: Params) -> dict[str, dict[str, float]]:
    """Part the budget among the candidates.

    Parameters
    ----------
    params : Params
        With `seed`, `train`, `tune`, `candidates`, `estimators`, `stacked`, `members` and `numbers`.

    Returns
    -------
    dict of str to dict
        Per candidate ``trials``, if it has a number of them, else its part of the budget: ``trainings`` or
        ``minutes``; 0 if there is nothing to search, or no budget.
    """
    own = {name: own_trials(params, name) for name in get_sections(params)}
    budget, sharing = params.tune.budget, [name for name, number in own.items() if number is None]
    if budget is None:
        return {name: {"trials": number or 0} for name, number in own.items()}
    sizes = {name: len(distributions(resolve(params, name).load().search_space)) for name in sharing}
    kind, amount = ("trainings", budget.trials) if budget.trials else ("minutes", budget.minutes or 0.0)
    total = max(1, sum(sizes.values()))
    parts = {name: {kind: round(amount * size / total, 3)} for name, size in sizes.items()}
    return {name: parts.get(name, {"trials": number or 0}) for name, number in own.items()}
