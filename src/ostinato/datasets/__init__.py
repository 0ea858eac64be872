"""Datasets: one file each, whose name is the plugin's name.

A plugin is a module with

- a docstring: size, origin, licence, paper;
- ``LICENSE``, ``CITATION``, ``SOURCE``: str;
- ``class Options(pydantic.BaseModel, frozen=True, extra="forbid")``: its own
  keys of the section ``dataset`` in params.yaml;
- ``tracks(root, options, *, seed, workers) -> DataFrame``: one row per track,
  with `track_id` (unique) and `path` (below `root`, POSIX) at least, and of
  `ostinato.io.tables.TRACKS` those that it has; missing columns are filled with
  "unknown". Files below `root` are never overwritten; a plugin
  that renders or downloads its audio adds what is missing.

It may have

- ``REMOTES`` (a tuple of `_remote.Remote`) or ``remotes(options)``: the files of `ostinato download`;
- ``INDEX`` (a `_remote.Remote`): mirdata's index, with which `ostinato download` compares the files;
- ``EXPECTED``: number of tracks and classes of the full dataset;
- ``CLASSES``: its genres or tags;
- ``PROMISED_COLUMNS``: columns that every track has, such as artist;
- ``AUDIO = False`` and ``ATTRIBUTES``: a table of numbers instead of audio; `path` is then unknown,
  and the listing has a `content_hash` and a column for each attribute;
- ``edition(options, seed) -> str``: of a plugin that renders its audio, the folder below `root` that
  holds it, twelve hexadecimal digits that differ between settings;
- ``artists(root, options, *, seed) -> DataFrame``: artist, related and more, for recommendation.
"""

import hashlib
import inspect
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ValidationError

from ostinato.core import registry
from ostinato.core.params.messages import describe_problem
from ostinato.core.params.schema import Dataset
from ostinato.core.paths import Paths
from ostinato.core.registry import instead
from ostinato.errors import OstinatoError, ParamsError

ENVIRONMENT = "OSTINATO_DATASET_PATH"


def dataset_root(paths: Paths, dataset: Any) -> Path:
    """Find the folder that holds a dataset's audio.

    Parameters
    ----------
    paths : Paths
    dataset : Dataset
        `path` may be absolute or relative to the project's root; without it
        OSTINATO_DATASET_PATH of the environment, else data/raw/<name>.

    Returns
    -------
    Path
    """
    path = dataset.path or os.environ.get(ENVIRONMENT)
    return paths.root / Path(path).expanduser() if path else paths.raw(dataset.name)


def identify(dataset: Any) -> str:
    """Return an id of a dataset and its path that does not reveal the path.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    key = json.dumps([dataset.name, str(dataset.path or "")])
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def load(dataset: Any) -> tuple[Any, Any]:
    """Load a dataset's plugin and check its options.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    plugin : module
    options : plugin.Options

    Raises
    ------
    ParamsError
        If the plugin has no such option, or one has the wrong type.
    """
    plugin = registry.load("ostinato.datasets", dataset.name)
    try:
        return plugin, plugin.Options(**dataset.options)
    except ValidationError as error:
        raise ParamsError(f"params.yaml: {_explain(error, dataset.name, plugin.Options)}") from error


def _explain(error: ValidationError, name: str, options: type[BaseModel]) -> str:
    """Describe the errors in a dataset's keys, common or its own."""
    keys = [*Dataset.model_fields, *options.model_fields]
    problems = []
    for problem in error.errors():
        key = str(problem["loc"][-1])
        if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
            text = f"is not a key of dataset: {name}; {instead(key, keys)}"
        else:
            text = describe_problem(problem, options)
        problems.append(f"dataset.{'.'.join(map(str, problem['loc']))}: {text}")
    return "; ".join(problems)


def remotes(name: str, options: dict[str, Any]) -> tuple[Any, ...]:
    """List the files to download for a dataset.

    Parameters
    ----------
    name : str
    options : dict
        The plugin's own keys, such as ``{"subset": "medium"}``.

    Returns
    -------
    tuple of _remote.Remote

    Raises
    ------
    OstinatoError
        If it has to be downloaded by hand; the message says from where.
    """
    plugin, parsed = load(SimpleNamespace(name=name, options=options))
    files: tuple[Any, ...] = plugin.remotes(parsed) if hasattr(plugin, "remotes") else getattr(plugin, "REMOTES", ())
    if not files:
        raise OstinatoError(f"{name}: ostinato cannot download it; get it from {plugin.SOURCE}")
    return files


def index(name: str) -> Any:
    """Return the index of a dataset's files.

    Parameters
    ----------
    name : str

    Returns
    -------
    _remote.Remote or None
    """
    return getattr(registry.load("ostinato.datasets", name), "INDEX", None)


def about(name: str) -> str:
    """Describe a dataset: its contents, source, licence and options.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    plugin = registry.load("ostinato.datasets", name)
    options = [f"  {key}: {field.default!r}" for key, field in plugin.Options.model_fields.items()]
    counts = [f"  {key}: {number:,}" for key, number in getattr(plugin, "EXPECTED", {}).items()]
    parts = [inspect.cleandoc(plugin.__doc__ or ""), f"source: {plugin.SOURCE}", f"licence: {plugin.LICENSE}"]
    parts += ["\n".join(["expected:", *counts])] if counts else []
    parts += ["\n".join(["options of the section dataset:", *options])] if options else []
    return "\n\n".join(parts)
