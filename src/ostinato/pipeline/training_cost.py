"""Cost of training: the time of a step of each network, times the number of steps of the stages.

Times are upper bounds on this machine, since early stopping and pruning may end sooner. Estimators are not timed.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from ostinato import datasets, features
from ostinato.core import registry
from ostinato.core.params.kinds import JOIN, network_kinds, parts
from ostinato.core.params.schema import Params
from ostinato.curation import side_inputs

ROW_BYTES = 2

Times = dict[str, float]
Reasons = dict[str, str]


@dataclass(frozen=True)
class Cost:
    """Cost of a second of audio, measured on some clips.

    Parameters
    ----------
    n_clips : int
        Number of measured clips.
    seconds : float
        Duration of their audio.
    measure, decode : float
        Seconds to hash and measure a second of audio, and to decode it.
    compute : dict
        By kind, seconds to compute it for a second of audio.
    rows : dict
        By kind, frames per second of audio.
    bins : dict
        By kind, number of bins.
    """

    n_clips: int
    seconds: float
    measure: float
    decode: float
    compute: dict[str, float] = field(default_factory=dict)
    rows: dict[str, float] = field(default_factory=dict)
    bins: dict[str, int] = field(default_factory=dict)

    def bytes(self, kind: str) -> float:
        """Return the bytes of cache for a second of audio."""
        return self.rows[kind] * self.bins[kind] * ROW_BYTES


NO_AUDIO = Cost(0, 0.0, 0.0, 0.0)
"""Cost for a dataset without audio."""


def time_training(
    tracks: pd.DataFrame, params: Params, cost: Cost, stale: Collection[str] | None
) -> tuple[Times, Reasons]:
    """Time the studies and training of networks, members and stacks, with reasons for candidates that are not timed.

    Parameters
    ----------
    tracks : DataFrame
        Columns `genre` and `tags`.
    params : Params
    cost : Cost
    stale : collection of str or None
        Stages of dvc.yaml that would run; None: all.

    Returns
    -------
    stages : dict of str to float
        Seconds by stage and candidate.
    untimed : dict of str to str
        Reason by candidate.
    """
    n_classes = {"genre": tracks["genre"].nunique(), "tags": tracks["tags"].explode().nunique()}
    n_classes["artist_embedding"] = params.artists.dimension * hasattr(datasets.load(params.dataset)[0], "artists")
    work = _Work(len(tracks), n_classes, params, cost, stale)
    candidates, untimed_candidates = work.time_candidates()
    members, untimed_members = work.time_members()
    stacks, untimed_stacks = work.time_stacks()
    return candidates | members | stacks, untimed_candidates | untimed_members | untimed_stacks


@dataclass
class _Work:
    """Training to time, and the size of its data."""

    n_tracks: int
    n_classes: Mapping[str, int]
    params: Params
    cost: Cost
    stale: Collection[str] | None
    step_times: Times = field(default_factory=dict)

    @cached_property
    def shares(self) -> dict[str, dict[str, float]]:
        """Shares of `tune.budget` by candidate."""
        from ostinato.training.budget import compute_shares

        return compute_shares(self.params)

    def runs(self, stage: str) -> bool:
        """Return whether a stage would run."""
        return self.stale is None or stage in self.stale

    def count_steps(self, batch_size: int) -> int:
        """Count the steps of an epoch."""
        return -(-self.n_tracks * self.params.train.count_chunks(self.n_tracks) // batch_size)

    def time_step(self, name: str) -> float:
        """Time a step of a candidate, once."""
        if name not in self.step_times:
            candidate = self.get(name)
            n_classes, train = self.n_classes[candidate.task], self.params.train
            self.step_times[name] = step_seconds(candidate, self.cost, n_classes, train, self.params.compute.threads)
        return self.step_times[name]

    def get(self, name: str) -> Any:
        """Return a candidate with the features of its network: without the waveform, which only training reads."""
        candidate = self.params.candidates[name]
        kinds = network_kinds(candidate.feature, self.params.features.kinds)
        return candidate.model_copy(update={"feature": JOIN.join(kinds)})

    def time_candidates(self) -> tuple[Times, Reasons]:
        """Time the studies and the training of candidates."""
        stages, untimed = Times(), Reasons()
        for name in self.params.candidates:
            stale = [stage for stage in ("tune", "train") if self.runs(f"{stage}@{name}")]
            if stale and (reason := find_obstacle(self.get(name), self.cost, self.n_classes)):
                untimed[name] = reason
            elif stale:
                stages |= self._time(name, self.get(name), stale, self.time_step(name))
        return stages, untimed

    def time_members(self) -> tuple[Times, Reasons]:
        """Time the networks of inner folds, once per member; stacks that read logits in sample need none."""
        stages, untimed, seen = Times(), Reasons(), set[str]()
        stacking, outer = self.params.stacking, max(self.params.split.folds, 1)
        for edge, member in self.params.members.items():
            in_sample = stacking.in_sample
            if not isinstance(in_sample, bool):
                in_sample = self.params.stacked[member.of].architecture in in_sample
            if not self.runs(f"member@{edge}") or in_sample or member.member in seen:
                continue
            seen.add(member.member)
            candidate = self.get(member.member)
            if reason := find_obstacle(candidate, self.cost, self.n_classes):
                untimed[edge] = reason
                continue
            n_epochs = candidate.train.get("max_epochs", self.params.train.max_epochs)
            n_steps = self.count_steps(candidate.train.get("batch_size", self.params.train.batch_size))
            # each inner network trains on all parts but one
            n_trainings = outer * (stacking.folds - 1)
            stages[f"member {edge}"] = n_trainings * n_epochs * n_steps * self.time_step(member.member)
        return stages, untimed

    def time_stacks(self) -> tuple[Times, Reasons]:
        """Time the studies and the training of heads over logits."""
        stages, untimed = Times(), Reasons()
        for name, stack in self.params.stacked.items():
            stale = [stage for stage in ("tune", "train") if self.runs(f"{stage}_stacked@{name}")]
            if stale and not self.n_classes[stack.task]:
                untimed[name] = f"the dataset has no {stack.task}"
            elif stale:
                step = time_head(stack, self._widths(name, stack), self.n_classes[stack.task], self.params)
                stages |= self._time(name, stack, stale, step)
        return stages, untimed

    def _widths(self, name: str, stack: Any) -> dict[str, int]:
        """Return the number of values of each input of a stack."""
        logits = {m.member: self.n_classes[stack.task] for m in self.params.members.values() if m.of == name}
        numbers = [n.feature for n in self.params.numbers.values() if n.of == name]
        return logits | {kind: count_numbers(kind, self.params.features.kinds) for kind in numbers}

    def _time(self, name: str, candidate: Any, stale: list[str], step: float) -> Times:
        share = self.shares[name]
        n_steps = self.count_steps(candidate.train.get("batch_size", self.params.train.batch_size))
        n_epochs = dict(zip(("tune", "train"), epochs(candidate, share, self.params), strict=True))
        extra = {"tune": 60 * share.get("minutes", 0)}
        return {f"{s} {name}": n_epochs[s] * n_steps * step + extra.get(s, 0) for s in stale}


def count_numbers(kind: str, kinds: Mapping[str, Mapping[str, Any] | None]) -> int:
    """Count the numbers of a numeric feature, such as 2 for a place.

    Parameters
    ----------
    kind : str
    kinds : mapping
        Section `features.kinds`.

    Returns
    -------
    int
    """
    module = registry.load("ostinato.features", features.module(kind, kinds.get(kind) or {}))
    return int(np.asarray(module.compute(dict.fromkeys(side_inputs.list_columns(module.SOURCE), 0.0))).shape[-1])


def time_head(stack: Any, widths: Mapping[str, int], n_classes: int, params: Params) -> float:
    """Time one step of training a stack.

    Parameters
    ----------
    stack : params.Stacked
    widths : mapping of str to int
        Number of values of each input.
    n_classes : int
    params : Params

    Returns
    -------
    float
        Seconds of forward and backward pass; 0 for a stack without parameters, such as a mean.
    """
    import torch

    from ostinato.core.task import Task
    from ostinato.training import factory

    torch.set_num_threads(params.compute.threads)
    kind = Task(stack.task, ()).kind
    network = factory.make(stack.architecture, widths, n_classes, stack.network, kind)
    if not any(p.requires_grad for p in network.parameters()):
        return 0.0
    batch = torch.zeros(stack.train.get("batch_size", params.train.batch_size), sum(widths.values()))

    def step() -> None:
        network(batch).square().mean().backward()

    step()
    return time_call(step)[1]


def find_obstacle(candidate: Any, cost: Cost, n_classes: Mapping[str, int]) -> str | None:
    """Return why a candidate cannot be timed; None if it can.

    Parameters
    ----------
    candidate : params.Candidate
    cost : Cost
    n_classes : mapping of str to int
        By task.

    Returns
    -------
    str or None
    """
    if not n_classes[candidate.task]:
        return f"the dataset has no {candidate.task}"
    others = [kind for kind in parts(candidate.feature) if kind not in cost.bins]
    if not others:
        return None
    return f"{others[0]} is not computed from audio" if cost.n_clips else "the dataset has no audio"


def epochs(candidate: Any, share: Mapping[str, float], params: Params) -> tuple[int, int]:
    """Count the epochs of the study of a candidate and of its training, with all folds and the final fit.

    Parameters
    ----------
    candidate : params.Candidate
    share : mapping
        Share of `tune.budget`, or its own number of trials; see `training.budget.compute_shares`.
    params : Params

    Returns
    -------
    tuning, training : int
        With the comparison of the choice and the defaults on `tune.folds` parts.
    """
    n_epochs = candidate.train.get("max_epochs", params.train.max_epochs)
    n_fits = params.split.folds + 1 if params.split.folds else 1
    if params.split.folds > 1 or not any(share.values()):
        return 0, n_fits * n_epochs
    whole = min(params.tune.max_epochs or n_epochs, n_epochs)
    trials = ceil(share.get("trials", share.get("trainings", 0)) * whole)
    return trials + 2 * (params.tune.folds - 1) * n_epochs, n_fits * n_epochs


def step_seconds(candidate: Any, cost: Cost, n_classes: int, train: Any, threads: int) -> float:
    """Time one step of training.

    Parameters
    ----------
    candidate : params.Candidate
    cost : Cost
        With the bins and frames of its features.
    n_classes : int
    train : params.Train
    threads : int

    Returns
    -------
    float
        Seconds of forward and backward pass, with the feature of the batch if training computes it.
    """
    import torch

    torch.set_num_threads(threads)
    frames = candidate.chunk_frames or train.chunk_frames
    architecture = registry.load("ostinato.architectures", candidate.architecture)
    kinds = parts(candidate.feature)
    shapes = {k: (1, cost.bins[k], max(1, round(frames * cost.rows[k] / cost.rows[kinds[0]]))) for k in kinds}
    network = architecture.Network(shapes, n_classes, **candidate.network)
    n_tracks = candidate.train.get("batch_size", train.batch_size)
    batches = [torch.zeros(n_tracks, *shape) for shape in shapes.values()]

    def step() -> None:
        network(*batches).square().mean().backward()

    step()
    seconds = time_call(step)[1]
    if candidate.train.get("front_end", train.front_end) == "waveform":
        seconds += n_tracks * frames / cost.rows[kinds[0]] * cost.compute[kinds[0]]
    return seconds


def time_call(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Call a function, and return its result and the seconds it took."""
    start = time.perf_counter()
    return function(*arguments), time.perf_counter() - start
