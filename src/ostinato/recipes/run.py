"""Run a recipe in its folder, from where it stopped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ostinato import datasets
from ostinato.core import params
from ostinato.core.candidates import get_candidates
from ostinato.core.params import yaml_io
from ostinato.core.params.kinds import parts
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.registry import instead
from ostinato.core.task import COLUMNS
from ostinato.errors import OstinatoError, ParamsError
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.similarity.leaderboard import LEADING
from ostinato.pipeline import graph
from ostinato.recipes import SMALL, Recipe, load, overlay, read_figures, reduce
from ostinato.recipes.table import report

TARGET, SPACES = "gate", "rank"
"""What every recipe runs, and what one runs as well that compares spaces with statistics."""
COPIED = ("dvc.yaml", ".dvcignore")
LINKED = ("src", "data/raw")
STARTS = ("Running stage ", "Stage ")
"""How lines of DVC begin that tell what becomes of a stage."""


def reproduce(paths: Paths, name: str, *, small: bool = False) -> str:
    """Run a recipe and put the paper's figures beside ours.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    name : str
    small : bool
        At the size that two cores bear, in a folder of its own.

    Returns
    -------
    str
        A table in Markdown, which also stands in the folder's ``table.md``; ``report/`` has it on a page with
        the curves and confusion matrices.

    Raises
    ------
    OstinatoError
        If data are absent (the message says what to fetch and where to put it), or a stage fails.
    """
    recipe = load(paths.recipes, name)
    recipe = reduce(recipe, name) if small else recipe
    inside = prepare(paths, recipe, name + SMALL * small)
    environment = graph.environment() | _with_data(paths, inside, recipe, name)
    if run_stages(inside.root, _targets(recipe, params.load(inside.params)), environment):
        raise OstinatoError(f"{name}: a stage failed, see above; mend it and run `ostinato reproduce {name}` again")
    if recipe.leaky:
        from ostinato.recipes import leaky

        leaky.run(inside, recipe.leaky)
    text = report(inside, recipe)
    if recipe.few:
        from ostinato.recipes import few_labels

        few_labels.run(inside, recipe.few)
        text += "\n\n" + "\n".join(few_labels.describe(inside))
    if recipe.catalogs:
        from ostinato.recipes import neighbours

        text += "\n\n" + "\n".join(neighbours.compare(paths, inside, recipe.catalogs))
    (inside.root / "table.md").write_text(text + "\n")
    from ostinato.recipes import pictures

    pictures.draw(inside, recipe, text)
    return text


def prepare(paths: Paths, recipe: Recipe, name: str) -> Paths:
    """Make the folder that a recipe runs in, or bring it up to date.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    recipe : Recipe
    name : str
        Of the folder below ``runs``.

    Returns
    -------
    Paths

    Raises
    ------
    OstinatoError
        If the overlay is no sound params.yaml, a figure is of a candidate or metric
        that there is not, or DVC refuses the folder.
    """
    inside = link_project(paths, paths.root / "runs" / name)
    yaml_io.write(inside.params, overlay(yaml_io.read(paths.params), recipe.params | {"paper": read_figures(recipe)}))
    _refuse_unknown(recipe, params.load(inside.params), inside.params)
    init_dvc(paths, inside)
    return inside


def link_project(paths: Paths, folder: Path) -> Paths:
    """Make a folder that has the graph, the code and the raw data of a project, and results of its own.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    folder : Path

    Returns
    -------
    Paths
    """
    inside = Paths(folder)
    inside.root.mkdir(parents=True, exist_ok=True)
    for file in COPIED:
        shutil.copyfile(paths.root / file, inside.root / file)
    for target in LINKED:
        link = inside.root / target
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            (paths.root / target).mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(paths.root / target, link.parent.resolve()), target_is_directory=True)
    return inside


def init_dvc(paths: Paths, inside: Paths) -> None:
    """Let DVC run the graph of a linked folder, with the cache of the project.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    inside : Paths
        By `link_project`, with params.yaml.

    Raises
    ------
    OstinatoError
        If DVC refuses the folder.
    """
    if not (inside.root / ".dvc").is_dir():
        _dvc(inside.root, "init", "--no-scm", "--quiet")
    _dvc(inside.root, "cache", "dir", "--local", _dvc(paths.root, "cache", "dir").strip())


def _refuse_unknown(recipe: Recipe, made: Params, path: Path) -> None:
    """Refuse figures that nothing will give, before anything runs."""
    entries = get_candidates(made)
    leaky = recipe.leaky.figures if recipe.leaky else []
    asked = [(figure.candidate, figure.metric) for figure in recipe.figures if figure.candidate is not None]
    statistics = (made.recommend.baseline, LEADING)
    pairs = [(candidate, p.metric) for p in recipe.pairs for candidate in (p.candidate, p.over)]
    asked += [pair for pair in pairs if pair != statistics]
    for candidate, metric in asked + [(str(figure.candidate), figure.metric) for figure in leaky]:
        if candidate not in entries:
            raise ParamsError(f"{path}: has no candidate {candidate!r} of the recipe; {instead(candidate, entries)}")
        known = get_metrics(COLUMNS[entries[candidate].task])
        if metric not in known:
            raise ParamsError(f"{path}: {candidate} has no figure {metric!r}; {instead(metric, known)}")
    for name in recipe.catalogs.candidates if recipe.catalogs else []:
        if name not in made.candidates:
            raise ParamsError(f"{path}: catalogs: has no network {name!r}; {instead(name, made.candidates)}")
    for name in recipe.few.candidates if recipe.few else []:
        if name not in made.estimators:
            raise ParamsError(f"{path}: few: has no estimator {name!r}; {instead(name, made.estimators)}")
    for figure in leaky:
        if str(figure.candidate) not in made.candidates or len(parts(entries[str(figure.candidate)].feature)) > 1:
            raise ParamsError(f"{path}: {figure.candidate}: leaky figures are of networks that read one feature")


def _targets(recipe: Recipe, made: Params) -> tuple[str, ...]:
    spaces = any(pair.over == made.recommend.baseline for pair in recipe.pairs)
    exports = [f"export@{name}" for name in recipe.catalogs.candidates] if recipe.catalogs else []
    return (TARGET, *([SPACES] if spaces else []), *exports)


def run_stages(folder: Path, targets: tuple[str, ...], environment: dict[str, str]) -> int:
    """Run stages and what they follow from, and number each that DVC tells of.

    Parameters
    ----------
    folder : Path
        Of dvc.yaml.
    targets : tuple of str
    environment : dict

    Returns
    -------
    int
        The exit status of DVC.
    """
    width = len(str(total := len({stage for target in targets for stage in graph.upstream(folder, target)})))
    n_told = 0
    with subprocess.Popen(
        graph.dvc("repro", *targets), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as done:
        for line in done.stdout or ():
            told = line.startswith(STARTS)
            n_told += told
            print(f"[{n_told:{width}}/{total}] {line}" if told else line, end="", file=sys.stderr, flush=True)
    return done.returncode


def _with_data(paths: Paths, inside: Paths, recipe: Recipe, name: str) -> dict[str, str]:
    """Return the variable that says where the audio lies; complain if something is absent."""
    dataset = params.load(inside.params).dataset
    elsewhere = os.environ.get(datasets.ENVIRONMENT)
    root = datasets.dataset_root(paths, dataset)
    needs = [*recipe.needs, *([recipe.catalogs.of] if recipe.catalogs else [])]
    absent = [file for file in needs if not (paths.root / file).exists()]
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
