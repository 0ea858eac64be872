"""Kinds of feature: a module each, its file name is the kind.

A kind has `SOURCE`, what of a track it is computed from, and ``compute(context,
*, sample_rate=None, ...)``, which returns the rows that the cache holds, frames
first, shape (n_frames, bins); decibels *before* standardising, since how to
standardise belongs to the candidate. Its keyword defaults are the published
values; params.yaml lists departures. It may have ``axis(**parameters)``, which says
what pictures write beside its bins. Modules whose name starts with an
underscore are shared between kinds; their intermediate results are shared too,
through the context.

A kind made of a file of the user's may have ``complete(departures, defaults, kind)``,
which fills in what else says how it is computed; ``check(parameters, kind)``, which
refuses what cannot be used before any track is read; ``seconds_per_row(parameters)``;
and `DESCRIPTIVE`, the parameters that no row depends on.
"""

import importlib.util
import inspect
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ostinato.core import code_hash, registry
from ostinato.errors import ParamsError
from ostinato.features._axes import Axis

MODULE = "kind"
FILE = "model"
"""The parameter that is the path of a file."""
DECODING = "ostinato.audio."
"""Where sound comes from: its code is part of what a feature depends on."""


def parameters(kind: str, departures: Mapping[str, Any], sample_rate: int) -> dict[str, Any]:
    """Complete a kind's parameters by its defaults; ``kind`` among the departures names its module.

    Parameters
    ----------
    kind : str
        What the cache calls it.
    departures : mapping
        What params.yaml says of the kind.
    sample_rate : int
        In Hz, where the kind does not set its own.

    Returns
    -------
    dict
        Keyword arguments of the kind's ``compute``.

    Raises
    ------
    OstinatoError
        If there is no such kind, or it takes no such parameter.

    Examples
    --------
    >>> parameters("mel", {"n_mels": 96}, 12000)["n_mels"]
    96
    """
    plugin = registry.load(__name__, module(kind, departures))
    signature = inspect.signature(plugin.compute)
    departures = {k: v for k, v in departures.items() if k != MODULE}
    defaults = {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
    if unknown := sorted(set(departures) - set(defaults)):
        raise ParamsError(
            f"params.yaml: features.kinds.{kind}: {', '.join(unknown)} is no parameter; there are {', '.join(defaults)}"
        )
    complete = plugin.complete(departures, defaults, kind) if hasattr(plugin, "complete") else defaults | departures
    if "sample_rate" in complete:
        complete["sample_rate"] = complete["sample_rate"] or sample_rate
    return complete


def module(kind: str, departures: Mapping[str, Any]) -> str:
    """Name the module that computes a kind: its own name, unless it is another one under a new name.

    Examples
    --------
    >>> module("mel", {}), module("short", {"kind": "mel", "n_fft": 1024})
    ('mel', 'mel')
    """
    return str(departures.get(MODULE, kind))


def check(kind: str, module: str, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that fit no file, before any track is read.

    Parameters
    ----------
    kind : str
        What the cache calls it.
    module : str
        That computes it.
    parameters : mapping
        As `parameters` completes them.

    Raises
    ------
    OstinatoError
        As the module's ``check`` says; most have none.
    """
    if hasattr(plugin := registry.load(__name__, module), "check"):
        plugin.check(parameters, kind)


def needs_file(module: str) -> bool:
    """Return whether a module reads a file of the user's, so that its defaults alone compute nothing.

    Examples
    --------
    >>> needs_file("mel"), needs_file("encoder")
    (False, True)
    """
    return hasattr(registry.load(__name__, module), "check")


def locate(parameters: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Say where the file of the user's lies that a kind reads, once it was copied beside a model.

    Parameters
    ----------
    parameters : mapping
        Those of a kind; only `FILE` among them is a path.
    folder : Path
        Of the model.

    Returns
    -------
    mapping
        As they are where the kind reads no file, or it does not lie there.
    """
    name = parameters.get(FILE)
    return {**parameters, FILE: str(folder / name)} if name and (folder / name).is_file() else parameters


def seconds_per_row(module: str, parameters: Mapping[str, Any]) -> float | None:
    """Return the time from one row of a kind to the next, in seconds.

    Parameters
    ----------
    module : str
        That computes it.
    parameters : mapping
        As `parameters` completes them, or those of them that depart from the defaults.

    Returns
    -------
    float or None
        None if its rows are no frames in time.
    """
    if "sample_rate" not in parameters:
        return None
    plugin = registry.load(__name__, module)
    given = _complete(module, parameters, parameters["sample_rate"])
    if hasattr(plugin, "seconds_per_row"):
        seconds: float | None = plugin.seconds_per_row(given)
        return seconds
    return given["hop_length"] / given["sample_rate"] if "hop_length" in given else None


def min_seconds(module: str, parameters: Mapping[str, Any]) -> float:
    """Return the length in seconds of the shortest track that a kind can be computed of; 0 for most.

    Parameters
    ----------
    module : str
        That computes it.
    parameters : mapping
        As `parameters` completes them.
    """
    plugin = registry.load(__name__, module)
    return float(plugin.min_seconds(parameters)) if hasattr(plugin, "min_seconds") else 0.0


def identify(module: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that rows depend on.

    Parameters
    ----------
    module : str
    parameters : mapping

    Returns
    -------
    dict
        Without those that only describe, such as where a file lies.
    """
    omitted = getattr(registry.load(__name__, module), "DESCRIPTIVE", ())
    return {name: value for name, value in parameters.items() if name not in omitted}


def axis(module: str, parameters: Mapping[str, Any]) -> Axis:
    """Return what to write beside the bins of a kind.

    Parameters
    ----------
    module : str
        That computes it.
    parameters : mapping
        As `parameters` completes them.

    Returns
    -------
    Axis
        Without names where the module has no ``axis``.

    Examples
    --------
    >>> axis("mfcc", {})
    Axis(label='bin', ticks={})
    """
    named = getattr(registry.load(__name__, module), "axis", None)
    return named(**parameters) if named else Axis("bin", {})


_complete = parameters


def fingerprint(module: str) -> str:
    """Hash the code of a module and of what it shares, comments, docstrings and what pictures write aside.

    Parameters
    ----------
    module : str
        Dotted name of a module of this package, or of any below ``ostinato``.

    Returns
    -------
    str
        SHA-256 in hexadecimal. It covers the modules of this package that the
        module imports, and those that they import.
    """
    trees: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in trees:
            trees[name], imports = code_hash.parse(name, omit=axis.__name__)
            waiting += [m for m in imports if _is_shared(m)]
    return code_hash.hash_code(trees.values())


def _is_shared(name: str) -> bool:
    """Return whether a name is of a module whose code features share."""
    if not name.startswith((f"{__name__}._", DECODING)) or name == Axis.__module__:
        return False
    with suppress(ModuleNotFoundError):
        return importlib.util.find_spec(name) is not None
    return False
