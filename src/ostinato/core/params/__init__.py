"""params.yaml as frozen models, one per section; unknown keys are errors."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, cast

from pydantic import ValidationError

from ostinato.core.params.checks import check
from ostinato.core.params.messages import format_error
from ostinato.core.params.schema import Candidate, Dataset, Estimator, Params, Stacked
from ostinato.core.params.yaml_io import read
from ostinato.errors import ParamsError


def load(path: Path) -> Params:
    """Read and check params.yaml.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Params

    Raises
    ------
    ParamsError
        If the file is missing or not YAML, or has an unknown key or a value of the wrong
        type; the message names each key.
    """
    text = read(path)
    try:
        params = Params.model_validate(text)
    except ValidationError as error:
        raise ParamsError(f"{path}: {format_error(error)}") from error
    check(params, path)
    return params


def only(params: Params, sections: Iterable[str]) -> Params:
    """Keep only some sections, so that a stage cannot read undeclared ones.

    Parameters
    ----------
    params : Params
    sections : iterable of str
        Top-level keys of params.yaml.

    Returns
    -------
    Params
        With these sections only: any other raises `AttributeError`.
    """
    names = {field.alias or name: name for name, field in Params.model_fields.items()}
    return cast(Params, SimpleNamespace(**{names[s]: getattr(params, names[s]) for s in sections}))


def load_settings(path: Path, sections: Iterable[str]) -> Params:
    """Read some sections of params.yaml; outside a project, their defaults and the working folder as the dataset.

    Parameters
    ----------
    path : Path
        Of params.yaml, which need not be there.
    sections : iterable of str
        Such as have defaults, and ``dataset``.

    Returns
    -------
    Params
        With only these sections.
    """
    here = Params.model_construct(dataset=Dataset(name="folder", path="."))  # type: ignore[call-arg]
    return only(load(path) if path.exists() else here, sections)


def get_sections(params: Params) -> dict[str, Candidate | Estimator | Stacked]:
    """Return the entries of networks, estimators and stacks, of the sections that `only` kept."""
    sections = (getattr(params, section, {}) for section in ("candidates", "estimators", "stacked"))
    return {name: entry for section in sections for name, entry in section.items()}


def check_entry(params: Params, section: Literal["candidates", "members", "numbers"], name: str) -> None:
    """Raise ParamsError for an unknown name, suggesting close matches.

    Parameters
    ----------
    params : Params
    section : {"candidates", "members", "numbers"}
        Candidates are networks, estimators and stacks.
    name : str

    Raises
    ------
    ParamsError
        If there is no such name.
    """
    names = list(get_sections(params) if section == "candidates" else getattr(params, section))
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names) or 'none'}"
        raise ParamsError(f"params.yaml: {section} have no {name!r}; {advice}")
