"""Features: one module per kind, whose file name is the kind.

A kind has `SOURCE`, the part of a track it is computed from, and ``compute(context,
*, sample_rate=None, ...)``, which returns the rows of the cache, frames first, shape
(n_frames, bins); decibels *before* standardising, since the candidate decides how to
standardise. Its keyword defaults are the published values; params.yaml overrides
them. It may have ``axis(**parameters)``, the labels of its bins in pictures. Modules
whose name starts with an underscore are shared between kinds; their intermediate
results are shared too, through the context.

A kind that reads a file of the user may have ``complete(departures, defaults, kind)``,
which fills in parameters from that file; ``check(parameters, kind)``, which refuses
invalid parameters before any track is read; ``seconds_per_row(parameters)``; and
`DESCRIPTION_KEYS`, the parameters that do not affect the rows.
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
"""Audio modules: features depend on their code."""


def parameters(kind: str, departures: Mapping[str, Any], sample_rate: int) -> dict[str, Any]:
    """Complete a kind's parameters with its defaults; the key ``kind`` names its module.

    Parameters
    ----------
    kind : str
        Its name in the cache.
    departures : mapping
        Parameters of the kind in params.yaml.
    sample_rate : int
        In Hz, unless the kind sets its own.

    Returns
    -------
    dict
        Keyword arguments of the kind's ``compute``.

    Raises
    ------
    OstinatoError
        If there is no such kind or parameter.

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
            f"params.yaml: features.kinds.{kind}: {', '.join(unknown)} is not a parameter; "
            f"there are {', '.join(defaults)}"
        )
    complete = plugin.complete(departures, defaults, kind) if hasattr(plugin, "complete") else defaults | departures
    if "sample_rate" in complete:
        complete["sample_rate"] = complete["sample_rate"] or sample_rate
    return complete


def module(kind: str, departures: Mapping[str, Any]) -> str:
    """Return the module that computes a kind: ``kind`` among its parameters, else its name.

    Examples
    --------
    >>> module("mel", {}), module("short", {"kind": "mel", "n_fft": 1024})
    ('mel', 'mel')
    """
    return str(departures.get(MODULE, kind))


def check(kind: str, module: str, parameters: Mapping[str, Any]) -> None:
    """Refuse invalid parameters before any track is read.

    Parameters
    ----------
    kind : str
        Its name in the cache.
    module : str
        Module that computes it.
    parameters : mapping
        From `parameters`.

    Raises
    ------
    OstinatoError
        From the module's ``check``, if it has one.
    """
    plugin = registry.load(__name__, module)
    if hasattr(plugin, "check"):
        plugin.check(parameters, kind)


def needs_file(module: str) -> bool:
    """Return whether a module needs a file of the user.

    Examples
    --------
    >>> needs_file("mel"), needs_file("encoder")
    (False, True)
    """
    return hasattr(registry.load(__name__, module), "check")


def locate(parameters: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Point a kind's parameters to its file in a model's folder.

    Parameters
    ----------
    parameters : mapping
        Those of a kind; only `FILE` is a path.
    folder : Path
        Folder of the model.

    Returns
    -------
    mapping
        Unchanged if the kind reads no file, or the file is not in the folder.
    """
    name = parameters.get(FILE)
    return {**parameters, FILE: str(folder / name)} if name and (folder / name).is_file() else parameters


def seconds_per_row(module: str, parameters: Mapping[str, Any]) -> float | None:
    """Return the time between rows of a kind in seconds.

    Parameters
    ----------
    module : str
        Module that computes it.
    parameters : mapping
        From `parameters`, or only those that differ from the defaults.

    Returns
    -------
    float or None
        None if its rows are not frames in time.
    """
    if "sample_rate" not in parameters:
        return None
    plugin = registry.load(__name__, module)
    params = _complete(module, parameters, parameters["sample_rate"])
    if hasattr(plugin, "seconds_per_row"):
        seconds: float | None = plugin.seconds_per_row(params)
        return seconds
    return params["hop_length"] / params["sample_rate"] if "hop_length" in params else None


def min_seconds(module: str, parameters: Mapping[str, Any]) -> float:
    """Return the length in seconds of the shortest track that a kind accepts; 0 for most.

    Parameters
    ----------
    module : str
        Module that computes it.
    parameters : mapping
        From `parameters`.
    """
    plugin = registry.load(__name__, module)
    return float(plugin.min_seconds(parameters)) if hasattr(plugin, "min_seconds") else 0.0


def identify(module: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that affect the rows.

    Parameters
    ----------
    module : str
    parameters : mapping

    Returns
    -------
    dict
        Without descriptive ones, such as the path of a file.
    """
    descriptive = getattr(registry.load(__name__, module), "DESCRIPTION_KEYS", ())
    return {name: value for name, value in parameters.items() if name not in descriptive}


def axis(module: str, parameters: Mapping[str, Any]) -> Axis:
    """Return the labels of a kind's bins.

    Parameters
    ----------
    module : str
        Module that computes it.
    parameters : mapping
        From `parameters`.

    Returns
    -------
    Axis
        Without ticks if the module has no ``axis``.

    Examples
    --------
    >>> axis("mfcc", {})
    Axis(label='bin', ticks={})
    """
    label = getattr(registry.load(__name__, module), "axis", None)
    return label(**parameters) if label else Axis("bin", {})


_complete = parameters


def fingerprint(module: str) -> str:
    """Hash the code of a module and of those it shares, without comments, docstrings and axes.

    Parameters
    ----------
    module : str
        Dotted name of a module of ``ostinato``.

    Returns
    -------
    str
        SHA-256 in hexadecimal. It covers the modules of this package that the
        module imports, and those that they import.
    """
    trees: dict[str, str] = {}
    stack = [module]
    while stack:
        name = stack.pop()
        if name not in trees:
            trees[name], imports = code_hash.parse(name, omit=axis.__name__)
            stack += [m for m in imports if _is_shared(m)]
    return code_hash.hash_code(trees.values())


def _is_shared(name: str) -> bool:
    """Return whether a name is a module that features share."""
    if not name.startswith((f"{__name__}._", DECODING)) or name == Axis.__module__:
        return False
    with suppress(ModuleNotFoundError):
        return importlib.util.find_spec(name) is not None
    return False
