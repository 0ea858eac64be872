"""Settings of one candidate: its entry of params.yaml over the common section, the study's choice on top."""

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
from ostinato.core.params.messages import readable
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
ALONE: Mapping[str, Any] = {"train": {"devices": 1, "strategy": "auto"}}
"""One device: what trials and inner fits take."""
WIDTH_OF_SEED = 2**63


@dataclass(frozen=True)
class Settings:
    """A candidate with nothing left to look up.

    Parameters
    ----------
    name : str
        Of the candidate.
    fitter : {"lightning", "sklearn", "stacked"}
    plugin : str
        The architecture or estimator.
    task : str
    seed : int
    train : Train
        The common section with the candidate's and the study's departures.
    feature : str, optional
        The kind it reads; a stack reads none.
    members : tuple of str
        The candidates whose logits a stack reads, in the order of its inputs.
    numbers : tuple of str
        The features of numbers that a stack reads after them.
    optional : tuple of str
        The members of which a track may have nothing.
    network : mapping
        Departures from the plugin's signature.
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
        """What a stack must be able to do without: its numbers and its optional members."""
        return (*self.optional, *self.numbers)

    def load(self) -> ModuleType:
        """Import the architecture or estimator."""
        try:
            return registry.load(PACKAGES[self.fitter], self.plugin)
        except OstinatoError as error:
            raise ParamsError(f"{self.name}: {error}") from error

    def with_overrides(self, choice: Mapping[str, Any]) -> "Settings":
        """Put a choice of ``network`` and ``train`` values over these."""
        train = _train(self.name, self.train.model_dump(), choice.get("train", {}))
        return replace(self, train=train, network={**self.network, **choice.get("network", {})})


def resolve(params: Params, name: str) -> Settings:
    """Look a candidate up.

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
        If there is no such candidate, or it departs from a key that `train` does not have.
    """
    sections = get_sections(params)
    match entry := sections.get(name):
        case Candidate():
            own = {k: v for k in ("normalise", "chunk_frames") if (v := getattr(entry, k)) is not None}
            train = _train(name, params.train.model_dump(), {**own, **entry.train})
            given = (entry.architecture, entry.task, params.seed, train, entry.feature)
            return Settings(name, "lightning", *given, network=entry.network)
        case Estimator():
            given = (entry.estimator, entry.task, params.seed, params.train, entry.feature)
            return Settings(name, "sklearn", *given, network=entry.options)
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
    known = sorted(sections)
    raise ParamsError(f"{name!r} is no candidate of params.yaml; there are {', '.join(known) or 'none'}")


def derive(*parts: Any) -> int:
    """Make one seed of several values.

    Examples
    --------
    >>> derive(7, "fold", 0) == derive(7, "fold", 0), derive(7, "fold", 0) == derive(7, "fold", 1)
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") % WIDTH_OF_SEED


def fingerprint(settings: Settings, *inputs: Any) -> str:
    """Hash what a fit depends on: its settings, its inputs and the code that runs.

    Parameters
    ----------
    settings : Settings
    *inputs : path or value
        Files are read, anything else goes in as JSON.

    Returns
    -------
    str
        Sixteen hexadecimal digits, for the name of a folder.

    Raises
    ------
    DataError
        If the weights to begin with are absent.
    """
    code = hash_modules([name for package in CODE for name in list_modules(package)] + [settings.load().__name__])
    digest = hashlib.sha256(
        json.dumps({**vars(settings), "train": settings.train.model_dump()}, sort_keys=True).encode()
    )
    begun = [Path(settings.train.weights)] if settings.train.weights else []
    if absent := [file for file in begun if not file.exists()]:
        raise DataError(f"{settings.name}: train: weights: {absent[0]} is not there")
    for item in (code, *begun, *inputs):
        content = item.read_bytes() if isinstance(item, Path) else json.dumps(item, sort_keys=True).encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _train(name: str, common: Mapping[str, Any], departures: Mapping[str, Any]) -> Train:
    try:
        train = Train.model_validate({**common, **departures})
    except ValidationError as error:
        raise ParamsError(f"{name}: {readable(error, Train, ('train',))}") from error
    if conflict := find_unused(departures, train.model_dump()):
        raise ParamsError(f"{name}: train: {conflict}")
    return train
