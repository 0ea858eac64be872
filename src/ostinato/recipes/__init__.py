"""Recipes: a paper's table as an overlay of params.yaml, run in a folder of its own beside the user's project.

``runs/<recipe>/`` has its own params, lock, interim data and models. Code, raw
data and DVC's cache are the project's; nothing of the project is written to.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from ostinato.core.params import yaml_io
from ostinato.core.params.messages import readable
from ostinato.core.params.section import Section
from ostinato.errors import ParamsError

WHOLE = ("dataset", "candidates", "estimators", "stacked", "members", "numbers", "gate", "paper")
"""What an overlay replaces as a whole; of other sections it replaces single keys."""
SMALL = "_small"
PLACES = re.compile(r"\b(table|figure|section|chapter)s? [\d\"]", re.IGNORECASE)
"""How a place in a paper is named: by its number, or a section without one by its heading in quotes."""


class Figure(Section):
    """A number of a paper.

    Parameters
    ----------
    row : str
        As the table calls it.
    candidate : str, optional
        Which of the recipe's candidates it is of; None: the paper quotes it from another one.
    metric : str
    value : float, optional
        None: the paper gives none of its own.
    deviation : float, optional
        Over folds, as printed.
    source : str, optional
        Where in the paper the value stands: its table, figure, section or chapter, by number or heading.
    note : str

    Raises
    ------
    ValidationError
        If there is a value without a source, or a source without a value.
    """

    row: str
    candidate: str | None = None
    metric: str
    value: float | None = None
    deviation: float | None = None
    source: str | None = None
    note: str = ""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        """Refuse a paper's figure that nobody can look up."""
        if self.value is None and self.source is not None:
            raise ValueError(f"{self.row}: has a source but no value; give the value, or leave the source out")
        if self.value is not None and not PLACES.search(self.source or ""):
            lacks = "has no source" if self.source is None else f"the source {self.source!r} names no place"
            raise ValueError(f"{self.row}: {lacks}; name the paper's table, figure or section, such as source: table 2")
        return self


class Pair(Section):
    """Two candidates that differ in one thing, compared track by track.

    Parameters
    ----------
    candidate, over : str
        The one that has it, and the one that lacks it; or, of a space, the statistics
        of `recommend.baseline`.
    metric : str
    value : float, optional
        By how much the paper's figures differ, turned so that more is better.
    """

    candidate: str
    over: str
    metric: str
    value: float | None = None


class Leaky(Section):
    """A published protocol that lets pieces of one track stand on both sides.

    Parameters
    ----------
    pieces : int
        Of a track, of `chunk_frames` each.
    test : float
        Share of the pieces.
    validation : float
        Share of those that are left.
    figures : list of Figure
    """

    pieces: int = Field(10, ge=2)
    test: float = Field(0.25, gt=0, lt=1)
    validation: float = Field(0.2, gt=0, lt=1)
    figures: list[Figure] = Field(min_length=1)


class Catalogs(Section):
    """Neighbours in a folder that the run did not learn from, placed by its networks.

    Parameters
    ----------
    of : str
        The folder of audio, from the project's root.
    table : str, optional
        Of artists, genres and tags; see `ostinato.datasets.folder`.
    candidates : list of str
        Whose spaces are compared, with the first of them.
    by : {"genre", "tags"}
        What neighbours shall share.
    source : str
        Where in the paper they are told of, as of a figure.
    claim : str
        What the paper says of them.
    """

    of: str
    table: str | None = None
    candidates: list[str] = Field(min_length=1)
    by: Literal["genre", "tags"] = "genre"
    source: str
    claim: str

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str) -> str:
        if not PLACES.search(source):
            raise ValueError(f"{source!r} names no place; name the paper's section, such as source: section 4.9")
        return source


class Few(Section):
    """Accuracy of estimators by number of labels, the test tracks being the same.

    Parameters
    ----------
    labels : list of int
        How many to learn from; where a fold has fewer training tracks, all of them.
    draws : int
        Of random subsets of that size.
    candidates : list of str
        Estimators of one label a track.
    """

    labels: list[int] = Field(min_length=1)
    draws: int = Field(5, ge=1)
    candidates: list[str] = Field(min_length=1)


class Small(Section):
    """The same recipe at a size that two cores bear.

    Parameters
    ----------
    size : str
        What is smaller.
    params : dict
        Departures from the recipe's overlay.
    """

    size: str
    params: dict[str, Any]


class Recipe(Section):
    """One table of a paper.

    Parameters
    ----------
    title : str
    source : str
        The paper and its table.
    size : str
        What of the published set-up is kept, and what is smaller.
    data : str
        What to fetch and where to put it.
    needs : list of str
        Files beside the dataset's, from the project's root.
    tracks : int, optional
        How many the paper had left once broken ones were out.
    figures : list of Figure
    pairs : list of Pair
        What the paper claims of one candidate over another.
    hypothesis : str
        What the pairs are to show, if it is one thing.
    leaky : Leaky, optional
        The published protocol where it leaks.
    catalogs : Catalogs, optional
    few : Few, optional
        What is learned from few labels.
    small : Small, optional
    params : dict
        The overlay.
    """

    title: str
    source: str
    size: str
    data: str
    needs: list[str] = Field(default_factory=list)
    tracks: int | None = None
    figures: list[Figure] = Field(min_length=1)
    pairs: list[Pair] = Field(default_factory=list)
    hypothesis: str = ""
    leaky: Leaky | None = None
    catalogs: Catalogs | None = None
    few: Few | None = None
    small: Small | None = None
    params: dict[str, Any]


def names(folder: Path) -> tuple[str, ...]:
    """List the recipes of a folder."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load(folder: Path, name: str) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    folder : Path
    name : str

    Returns
    -------
    Recipe

    Raises
    ------
    ParamsError
        If there is no such recipe, or it has an unknown key.
    """
    if name not in names(folder):
        raise ParamsError(f"{folder}: there is no recipe {name!r}; there are {', '.join(names(folder)) or 'none'}")
    path = folder / f"{name}.yaml"
    try:
        return Recipe.model_validate(yaml_io.read(path))
    except ValidationError as error:
        raise ParamsError(f"{path}: {readable(error, Recipe)}") from error


def reduce(recipe: Recipe, name: str) -> Recipe:
    """Return a recipe at its small size.

    Parameters
    ----------
    recipe : Recipe
    name : str

    Returns
    -------
    Recipe
        Its `size` says what is smaller.

    Raises
    ------
    ParamsError
        If it has none.
    """
    if recipe.small is None:
        raise ParamsError(f"{name}: has no small size; leave --small out")
    size = f"{recipe.size.strip()} {recipe.small.size.strip()}"
    return recipe.model_copy(update={"size": size, "params": merge(recipe.params, recipe.small.params)})


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put values over values at any depth.

    Examples
    --------
    >>> merge({"train": {"lr": 1}, "candidates": {"a": {"task": "x"}}}, {"candidates": {"a": {"train": {"lr": 2}}}})
    {'train': {'lr': 1}, 'candidates': {'a': {'task': 'x', 'train': {'lr': 2}}}}
    """
    mixed = {k: merge(base.get(k) or {}, v) if isinstance(v, Mapping) else v for k, v in over.items()}
    return {**base, **mixed}


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put a recipe's values over params.yaml.

    Parameters
    ----------
    base, over : mapping
        Of sections.

    Returns
    -------
    dict
        A section of candidates that the recipe leaves out is empty; `features.kinds`
        are the recipe's own.

    Examples
    --------
    >>> over = {"train": {"lr": 3}, "dataset": {"name": "x"}}
    >>> found = overlay({"train": {"lr": 1, "patience": 2}, "candidates": {"a": {}}}, over)
    >>> found["train"], found["candidates"]
    ({'lr': 3, 'patience': 2}, {})
    """
    merged = dict(base)
    for section, values in over.items():
        mixes = isinstance(values, Mapping) and isinstance(base.get(section), Mapping) and section not in WHOLE
        merged[section] = {**base[section], **values} if mixes else values
    return merged | {section: over.get(section, {}) for section in WHOLE[1:6]}


def read_figures(recipe: Recipe) -> dict[str, dict[str, float]]:
    """Return the paper's figures by candidate and metric; of two rows that share one, the first.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    dict of str to dict
    """
    found: dict[str, dict[str, float]] = {}
    for figure in recipe.figures:
        if figure.candidate is not None and figure.value is not None:
            found.setdefault(figure.candidate, {}).setdefault(figure.metric, figure.value)
    return found
