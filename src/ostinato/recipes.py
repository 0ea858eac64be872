"""Recipes: a paper's table as an overlay of params.yaml, run in a folder of its own beside the user's project.

``runs/<recipe>/`` has its own params, lock, interim data and models. Code, raw
data and DVC's cache are the project's; nothing of the project is written to.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, ValidationError

from ostinato import datasets, graph, params
from ostinato.errors import OstinatoError, ParamsError
from ostinato.evaluation import contest
from ostinato.evaluation.judged import KEYS, judged
from ostinato.evaluation.roster import roster
from ostinato.files import read_json
from ostinato.params import Section
from ostinato.paths import Paths
from ostinato.task import Task

WHOLE = ("dataset", "candidates", "estimators", "stacked", "members", "gate", "paper")
"""What an overlay replaces as a whole; of other sections it replaces single keys."""
TARGET = "gate"
COPIED = ("dvc.yaml", ".dvcignore")
LINKED = ("src", "data/raw")


class Figure(Section):
    """A number of a paper.

    Parameters
    ----------
    row : str
        As the table calls it.
    candidate : str, optional
        Which of the recipe's candidates it is of; None: the paper quotes it from another one.
    metric : str
    value : float
    deviation : float, optional
        Over folds, as printed.
    note : str
    """

    row: str
    candidate: str | None = None
    metric: str
    value: float
    deviation: float | None = None
    note: str = ""


class Pair(Section):
    """Two candidates that differ in one thing, compared track by track.

    Parameters
    ----------
    candidate, over : str
        The one that has it, and the one that lacks it.
    metric : str
    value : float, optional
        By how much the paper's figures differ, turned so that more is better.
    """

    candidate: str
    over: str
    metric: str
    value: float | None = None


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
    figures : list of Figure
    pairs : list of Pair
        What the paper claims of one candidate over another.
    params : dict
        The overlay.
    """

    title: str
    source: str
    size: str
    data: str
    needs: list[str] = Field(default_factory=list)
    figures: list[Figure] = Field(min_length=1)
    pairs: list[Pair] = Field(default_factory=list)
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
        return Recipe.model_validate(params.read(path))
    except ValidationError as error:
        raise ParamsError(f"{path}: {params.readable(error)}") from error


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
    return merged | {section: over.get(section, {}) for section in WHOLE[1:5]}


def prepare(paths: Paths, recipe: Recipe, name: str) -> Paths:
    """Make the folder that a recipe runs in, or bring it up to date.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    recipe : Recipe
    name : str

    Returns
    -------
    Paths

    Raises
    ------
    OstinatoError
        If the overlay is no sound params.yaml, or DVC refuses the folder.
    """
    inside = Paths(paths.root / "runs" / name)
    inside.root.mkdir(parents=True, exist_ok=True)
    for file in COPIED:
        shutil.copyfile(paths.root / file, inside.root / file)
    for folder in LINKED:
        link = inside.root / folder
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            (paths.root / folder).mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(paths.root / folder, link.parent), target_is_directory=True)
    params.write(inside.params, overlay(params.read(paths.params), recipe.params | {"paper": printed(recipe)}))
    params.load(inside.params)
    if not (inside.root / ".dvc").is_dir():
        _dvc(inside.root, "init", "--no-scm", "--quiet")
    _dvc(inside.root, "cache", "dir", "--local", _dvc(paths.root, "cache", "dir").strip())
    return inside


def reproduce(paths: Paths, name: str) -> str:
    """Run a recipe and put the paper's figures beside ours.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    name : str

    Returns
    -------
    str
        A table in Markdown.

    Raises
    ------
    OstinatoError
        If data are absent (the message says what to fetch and where to put it), or a stage fails.
    """
    recipe = load(paths.recipes, name)
    inside = prepare(paths, recipe, name)
    environment = graph.environment() | _with_data(paths, inside, recipe, name)
    done = subprocess.run(graph.dvc("repro", TARGET), cwd=inside.root, env=environment)
    if done.returncode:
        raise OstinatoError(f"{name}: a stage failed, see above; mend it and run `ostinato reproduce {name}` again")
    return report(inside, recipe)


def printed(recipe: Recipe) -> dict[str, dict[str, float]]:
    """Give the paper's figures by candidate and metric; one that two rows have stands as the first has it."""
    found: dict[str, dict[str, float]] = {}
    for figure in recipe.figures:
        if figure.candidate is not None:
            found.setdefault(figure.candidate, {}).setdefault(figure.metric, figure.value)
    return found


def report(inside: Paths, recipe: Recipe) -> str:
    """Put the paper's figures beside ours.

    Parameters
    ----------
    inside : Paths
        Of the run.
    recipe : Recipe

    Returns
    -------
    str
        A table in Markdown. Ours is of tracks that the network never saw, with its
        interval; over several folds also the mean and deviation of the folds.
    """
    lines = [
        f"# {recipe.title}", "", recipe.source, "", recipe.size.strip(), "",
        "| row | metric | paper | ours | folds | note |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for figure in recipe.figures:
        paper = f"{figure.value:g}" + ("" if figure.deviation is None else f" ± {figure.deviation:g}")
        ours, folds = _ours(inside, figure)
        note = figure.note or ("quoted from another paper" if figure.candidate is None else "")
        lines.append(f"| {figure.row} | {figure.metric} | {paper} | {ours} | {folds} | {note} |")
    if recipe.pairs:
        lines += ["", "| gain | metric | paper | ours, paired |", "|---|---|---|---|"]
    for pair in recipe.pairs:
        paper = "" if pair.value is None else f"{pair.value:+g}"
        lines.append(f"| {pair.candidate} over {pair.over} | {pair.metric} | {paper} | {_gain(inside, pair)} |")
    return "\n".join(lines)


def _gain(inside: Paths, pair: Pair) -> str:
    """Say how much better one candidate is on the same tracks, with the interval of the difference."""
    made = params.load(inside.params)
    entries = roster(made)
    task = Task(entries[pair.candidate].task, tuple(read_json(inside.classes)[entries[pair.candidate].task]))
    tracks, splits = pd.read_parquet(inside.tracks), pd.read_parquet(inside.splits)
    rows = []
    for name in (pair.candidate, pair.over):
        file = inside.predictions(name) / "predictions.parquet"
        if not file.exists():
            return f"{name} was skipped"
        rows.append(judged(pd.read_parquet(file, columns=[*KEYS, "logits"]), splits, tracks, task, "test"))
    found = contest.paired(
        rows[0],
        contest.kept(rows[1]),
        task.kind,
        pair.metric,
        threshold=made.evaluate.threshold,
        n_resamples=made.evaluate.bootstrap,
        level=made.evaluate.level,
        seed=made.seed,
    )
    return "no track in common" if found is None else f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def _ours(inside: Paths, figure: Figure) -> tuple[str, str]:
    """Give our figure with its interval, and mean and deviation over folds."""
    if figure.candidate is None:
        return "", ""
    metrics = read_json(inside.metrics(figure.candidate))
    if "skipped" in metrics:
        return f"skipped: {metrics['skipped']}", ""
    found = metrics["test"].get(figure.metric)
    if found is None or found["value"] is None:
        return "undefined", ""
    spread = metrics.get("spread", {}).get("folds", {}).get(figure.metric)
    folds = f"{spread['mean']:.4f} ± {spread['deviation']:.4f}" if spread else ""
    if found["low"] is None:
        return f"{found['value']:.4f}", folds
    return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]", folds


def _with_data(paths: Paths, inside: Paths, recipe: Recipe, name: str) -> dict[str, str]:
    """Give the variable that says where the audio lies; complain if something is absent."""
    dataset = params.load(inside.params).dataset
    elsewhere = os.environ.get(datasets.ENVIRONMENT)
    root = datasets.dataset_root(paths, dataset)
    absent = [file for file in recipe.needs if not (paths.root / file).exists()]
    embedded = getattr(datasets.load(dataset)[0], "EMBEDDED", False)
    if not embedded and not (root.is_dir() and any(root.iterdir())):
        absent.insert(0, str(root))
    if absent:
        raise OstinatoError(f"{name}: {', '.join(absent)}: not there or empty. {' '.join(recipe.data.split())}")
    return {datasets.ENVIRONMENT: str(root.resolve())} if elsewhere and not dataset.path else {}


def _dvc(folder: Path, *arguments: str) -> str:
    asked = subprocess.run(graph.dvc(*arguments), cwd=folder, env=graph.environment(), capture_output=True, text=True)
    if asked.returncode:
        raise OstinatoError(f"{folder}: `dvc {' '.join(arguments)}` failed: {asked.stderr.strip()}")
    return asked.stdout
