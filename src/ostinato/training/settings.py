"""Settings of one candidate: the common section, its own entry of params.yaml, and the study's choice."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError

from ostinato.core import registry
from ostinato.core.code_hash import hash_modules, list_modules
from ostinato.core.params import get_sections
from ostinato.core.params.messages import format_error
from ostinato.core.params.schema import Candidate, Estimator, Params, Stacked
from ostinato.core.params.training import Train, find_unused
from ostinato.errors import DataError, OstinatoError, ParamsError

Fitter: TypeAlias = Literal["lightning", "sklearn", "stacked"]
PACKAGES = {
    "lightning": "ostinato.architectures",
    "sklearn": "ostinato.estimators",
    "stacked": "ostinato.architectures",
}
CODE = (
    "ostinato.training",
    "ostinato.layers",
    "ostinato.core.calibrated",
    "ostinato.core.chunks",
    "ostinato.core.scores",
    "ostinato.core.summary",
    "ostinato.core.task",
    "ostinato.cache.store",
)
ONE_DEVICE: Mapping[str, Any] = {"train": {"devices": 1, "strategy": "auto"}}
"""One device, for trials and inner fits."""
N_SEEDS = 2**63


@dataclass(frozen=True)
class Settings:
    """Complete settings of a candidate.

    Parameters
    ----------
    name : str
        Name of the candidate.
    fitter : {"lightning", "sklearn", "stacked"}
    plugin : str
        Name of the architecture or estimator.
    task : str
    seed : int
    train : Train
        The common section, overridden by the candidate and the study.
    feature : str, optional
        The kind it reads; None for a stack.
    members : tuple of str
        Candidates whose logits a stack reads, in the order of its inputs.
    numbers : tuple of str
        Numeric features that a stack reads after them.
    optional : tuple of str
        Members that may be missing for a track.
    network : mapping
        Arguments of the plugin that differ from its defaults.
    """

    name: str
    fitter: Fitter
    plugin: str
    task: str
    seed: int
    train: Train
    feature: str | None = None
    members: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uncertain(self) -> tuple[str, ...]:
        """Inputs of a stack that may be missing: its optional members and its numbers."""
        return (*self.optional, *self.numbers)

    def load(self) -> ModuleType:
        """Import the architecture or estimator."""
        try:
            return registry.load(PACKAGES[self.fitter], self.plugin)
        except OstinatoError as error:
            raise ParamsError(f"{self.name}: {error}") from error

    def with_overrides(self, choice: Mapping[str, Any]) -> "Settings":
        """Return the settings with a choice of ``network`` and ``train`` values."""
        train = _train(self.name, self.train.model_dump(), choice.get("train", {}))
        return replace(self, train=train, network={**self.network, **choice.get("network", {})})


def resolve(params: Params, name: str) -> Settings:
    """Return the settings of a candidate.

    Parameters
    ----------
    params : Params
        With `seed`, `train`, `candidates`, `estimators`, `stacked`, `members` and `numbers`.
    name : str
        A key of `candidates`, `estimators` or `stacked`.

    Returns
    -------
    Settings

    Raises
    ------
    ParamsError
        If there is no such candidate, or it overrides an unknown key of `train`.
    """
    sections = get_sections(params)
    match entry := sections.get(name):
        case Candidate():
            overrides = {k: v for k in ("normalise", "chunk_frames") if (v := getattr(entry, k)) is not None}
            train = _train(name, params.train.model_dump(), {**overrides, **entry.train})
            common = (entry.architecture, entry.task, params.seed, train, entry.feature)
            return Settings(name, "lightning", *common, network=entry.network)
        case Estimator():
            common = (entry.estimator, entry.task, params.seed, params.train, entry.feature)
            return Settings(name, "sklearn", *common, network=entry.options)
        case Stacked():
            train = _train(name, params.train.model_dump(), entry.train)
            return Settings(
                name,
                "stacked",
                entry.architecture,
                entry.task,
                params.seed,
                train,
                network=entry.network,
                members=tuple(m.member for m in params.members.values() if m.of == name),
                numbers=tuple(n.feature for n in params.numbers.values() if n.of == name),
                optional=tuple(entry.optional),
            )
    names = ", ".join(sorted(sections)) or "none"
    raise ParamsError(f"{name!r} is not a candidate of params.yaml; there are {names}")


def derive(*parts: Any) -> int:
    """Derive a seed from several values.

    Examples
    --------
    >>> derive(7, "fold", 0) == derive(7, "fold", 0), derive(7, "fold", 0) == derive(7, "fold", 1)
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") % N_SEEDS


def fingerprint(settings: Settings, *inputs: Any) -> str:
    """Hash everything a fit depends on: settings, inputs and code.

    Parameters
    ----------
    settings : Settings
    *inputs : path or value
        Files are read, other values are converted to JSON.

    Returns
    -------
    str
        Sixteen hexadecimal digits, for a folder name.

    Raises
    ------
    DataError
        If the initial weights are missing.
    """
    code = hash_modules([name for package in CODE for name in list_modules(package)] + [settings.load().__name__])
    digest = hashlib.sha256(
        json.dumps({**vars(settings), "train": settings.train.model_dump()}, sort_keys=True).encode()
    )
    weights = [Path(settings.train.weights)] if settings.train.weights else []
    if missing := [file for file in weights if not file.exists()]:
        raise DataError(f"{settings.name}: train: weights: {missing[0]} is not there")
    for item in (code, *weights, *inputs):
        content = item.read_bytes() if isinstance(item, Path) else json.dumps(item, sort_keys=True).encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _train(name: str, common: Mapping[str, Any], overrides: Mapping[str, Any]) -> Train:
    try:
        train = Train.model_validate({**common, **overrides})
    except ValidationError as error:
        raise ParamsError(f"{name}: {format_error(error, Train, ('train',))}") from error
    if conflict := find_unused(overrides, train.model_dump()):
        raise ParamsError(f"{name}: train: {conflict}")
    return train
