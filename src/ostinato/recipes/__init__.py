"""Recipes: a paper's table as an overlay of params.yaml, run in its own folder of the user's project.

``runs/<recipe>/`` has its own params, lock, interim data and models. Code, raw
data and DVC's cache are the project's; nothing else of the project is changed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from ostinato.core.params import yaml_io
from ostinato.core.params.messages import format_error
from ostinato.core.params.section import Section
from ostinato.errors import ParamsError

WHOLE = ("dataset", "candidates", "estimators", "stacked", "members", "numbers", "regressions", "gate", "paper")
"""Sections that an overlay replaces as a whole; in others it replaces single keys."""
SMALL = "_small"
PLACES = re.compile(r"\b(table|figure|section|chapter)s? [\d\"]", re.IGNORECASE)
"""Places in a paper: with a number, or a section's heading in quotes."""


class Figure(Section):
    """A published number.

    Parameters
    ----------
    row : str
        Its name in the table.
    candidate : str, optional
        The recipe's candidate; None: the paper quotes it from another one.
    metric : str
    value : float, optional
        None: the paper has none.
    deviation : float, optional
        Over folds, as printed.
    source : str, optional
        Where the paper has the value: table, figure, section or chapter, by number or heading.
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
        """Refuse a published figure without a source."""
        if self.value is None and self.source is not None:
            raise ValueError(f"{self.row}: has a source but no value; add the value, or remove the source")
        if self.value is not None and not PLACES.search(self.source or ""):
            lacks = (
                "has no source" if self.source is None else f"the source {self.source!r} is not a place in the paper"
            )
            raise ValueError(f"{self.row}: {lacks}; name the paper's table, figure or section, such as source: table 2")
        return self


class Pair(Section):
    """Two candidates that differ in one respect, compared track by track.

    Parameters
    ----------
    candidate, over : str
        With and without it; or, for a space, the statistics of `recommend.baseline`.
    metric : str
    value : float, optional
        The published difference, positive if `candidate` is better.
    """

    candidate: str
    over: str
    metric: str
    value: float | None = None


class Leaky(Section):
    """A published protocol with pieces of one track on both sides of the split.

    Parameters
    ----------
    pieces : int
        Per track, of `chunk_frames` each.
    test : float
        Share of the pieces.
    validation : float
        Share of the remaining pieces.
    figures : list of Figure
    """

    pieces: int = Field(10, ge=2)
    test: float = Field(0.25, gt=0, lt=1)
    validation: float = Field(0.2, gt=0, lt=1)
    figures: list[Figure] = Field(min_length=1)


class Catalogs(Section):
    """Neighbours among tracks of an unseen folder, in the spaces of the run's networks.

    Parameters
    ----------
    of : str
        The folder of audio, relative to the project's root.
    table : str, optional
        Of artists, genres and tags; see `ostinato.datasets.folder`.
    candidates : list of str
        Their spaces are compared with the first.
    by : {"genre", "tags"}
        What neighbours should share.
    source : str
        Where in the paper the claim is.
    claim : str
        What the paper says about them.
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
            raise ValueError(f"{source!r} is not a place in the paper; name a section, such as source: section 4.9")
        return source


class Few(Section):
    """Accuracy of estimators by number of labels, on the same test tracks.

    Parameters
    ----------
    labels : list of int
        Numbers of training tracks, limited to those of a fold.
    draws : int
        Number of random subsets per size.
    candidates : list of str
        Single-label estimators.
    """

    labels: list[int] = Field(min_length=1)
    draws: int = Field(5, ge=1)
    candidates: list[str] = Field(min_length=1)


class Small(Section):
    """The same recipe at a size for two cores.

    Parameters
    ----------
    size : str
        What is smaller.
    params : dict
        Changes to the recipe's overlay.
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
        What is as published, and what is smaller.
    data : str
        What to download and where to put it.
    needs : list of str
        Files besides the dataset, relative to the project's root.
    tracks : int, optional
        Number of tracks in the paper, without broken ones.
    figures : list of Figure
    pairs : list of Pair
        Published gains of one candidate over another.
    hypothesis : str
        What the pairs should show together.
    leaky : Leaky, optional
        The published protocol, if it leaks.
    catalogs : Catalogs, optional
    few : Few, optional
        Accuracy with few labels.
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
        raise ParamsError(f"{path}: {format_error(error, Recipe)}") from error


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
        If there is none.
    """
    if recipe.small is None:
        raise ParamsError(f"{name}: has no small size; omit --small")
    size = f"{recipe.size.strip()} {recipe.small.size.strip()}"
    return recipe.model_copy(update={"size": size, "params": merge(recipe.params, recipe.small.params)})


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; values of `over` win.

    Examples
    --------
    >>> merge({"train": {"lr": 1}, "candidates": {"a": {"task": "x"}}}, {"candidates": {"a": {"train": {"lr": 2}}}})
    {'train': {'lr': 1}, 'candidates': {'a': {'task': 'x', 'train': {'lr': 2}}}}
    """
    merged = {k: merge(base.get(k) or {}, v) if isinstance(v, Mapping) else v for k, v in over.items()}
    return {**base, **merged}


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Override params.yaml with a recipe's values.

    Parameters
    ----------
    base, over : mapping
        Of sections.

    Returns
    -------
    dict
        Sections of candidates that the recipe lacks are empty; `features.kinds` are the
        recipe's.

    Examples
    --------
    >>> over = {"train": {"lr": 3}, "dataset": {"name": "x"}}
    >>> result = overlay({"train": {"lr": 1, "patience": 2}, "candidates": {"a": {}}}, over)
    >>> result["train"], result["candidates"]
    ({'lr': 3, 'patience': 2}, {})
    """
    result = dict(base)
    for section, values in over.items():
        is_merged = isinstance(values, Mapping) and isinstance(base.get(section), Mapping) and section not in WHOLE
        result[section] = {**base[section], **values} if is_merged else values
    return result | {section: over.get(section, {}) for section in WHOLE[1:7]}


def read_figures(recipe: Recipe) -> dict[str, dict[str, float]]:
    """Return the published figures by candidate and metric; of repeated ones, the first.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    dict of str to dict
    """
    figures: dict[str, dict[str, float]] = {}
    for figure in recipe.figures:
        if figure.candidate is not None and figure.value is not None:
            figures.setdefault(figure.candidate, {}).setdefault(figure.metric, figure.value)
    return figures
