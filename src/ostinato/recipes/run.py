"""Run a recipe in its folder, resuming where it stopped."""

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
from ostinato.evaluation.similarity.leaderboard import MAIN_METRIC
from ostinato.pipeline import graph
from ostinato.recipes import SMALL, Recipe, load, overlay, read_figures, reduce
from ostinato.recipes.table import report

TARGET, SPACES, NUMBERS = "gate", "rank", "regress"
"""The stage that every recipe runs, and one more for those that compare spaces, and for those with regressions."""
COPIED = ("dvc.yaml", ".dvcignore")
LINKED = ("src", "data/raw")
STARTS = ("Running stage ", "Stage ")
"""Prefixes of DVC's lines about a stage."""


def reproduce(paths: Paths, name: str, *, small: bool = False) -> str:
    """Run a recipe and compare the paper's figures with ours.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    name : str
    small : bool
        At a size for two cores, in its own folder.

    Returns
    -------
    str
        A table in Markdown, also written to ``table.md``; ``report/`` has it on a page with the curves and
        confusion matrices.

    Raises
    ------
    OstinatoError
        If data are missing (the message says what to download and where to put it), or a stage fails.
    """
    recipe = load(paths.recipes, name)
    recipe = reduce(recipe, name) if small else recipe
    inside = prepare(paths, recipe, name + SMALL * small)
    environment = graph.environment() | _with_data(paths, inside, recipe, name)
    if run_stages(inside.root, _targets(recipe, params.load(inside.params)), environment):
        raise OstinatoError(f"{name}: a stage failed, see above; fix it and run `ostinato reproduce {name}` again")
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
    if params.load(inside.params).regressions:
        from ostinato.recipes import numbers

        text += "\n\n" + "\n".join(numbers.describe(inside))
    (inside.root / "table.md").write_text(text + "\n")
    from ostinato.recipes import pictures

    pictures.draw(inside, recipe, text)
    return text


def prepare(paths: Paths, recipe: Recipe, name: str) -> Paths:
    """Create or update the folder of a recipe.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    recipe : Recipe
    name : str
        Name of the folder below ``runs``.

    Returns
    -------
    Paths

    Raises
    ------
    OstinatoError
        If the overlay is not a valid params.yaml, a figure has an unknown candidate or
        metric, or DVC refuses the folder.
    """
    inside = link_project(paths, paths.root / "runs" / name)
    yaml_io.write(inside.params, overlay(yaml_io.read(paths.params), recipe.params | {"paper": read_figures(recipe)}))
    _refuse_unknown(recipe, params.load(inside.params), inside.params)
    init_dvc(paths, inside)
    return inside


def link_project(paths: Paths, folder: Path) -> Paths:
    """Create a folder with the graph, code and raw data of a project, and its own results.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    folder : Path

    Returns
    -------
    Paths

    Raises
    ------
    OstinatoError
        If the project is not a whole one.
    """
    if absent := [file for file in COPIED if not (paths.root / file).is_file()]:
        raise OstinatoError(f"{paths.root}: no {', '.join(absent)}; run this in a clone of the repository")
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
    """Initialise DVC in a linked folder, with the cache of the project.

    Parameters
    ----------
    paths : Paths
        Of the user's project.
    inside : Paths
        From `link_project`, with params.yaml.

    Raises
    ------
    OstinatoError
        If DVC refuses the folder.
    """
    if not (inside.root / ".dvc").is_dir():
        _dvc(inside.root, "init", "--no-scm", "--quiet")
    _dvc(inside.root, "cache", "dir", "--local", _dvc(paths.root, "cache", "dir").strip())


def _refuse_unknown(recipe: Recipe, config: Params, path: Path) -> None:
    """Refuse figures with unknown candidates or metrics, before anything runs."""
    entries = get_candidates(config)
    leaky = recipe.leaky.figures if recipe.leaky else []
    metrics = [(figure.candidate, figure.metric) for figure in recipe.figures if figure.candidate is not None]
    statistics = (config.recommend.baseline, MAIN_METRIC)
    pairs = [(candidate, p.metric) for p in recipe.pairs for candidate in (p.candidate, p.over)]
    metrics += [pair for pair in pairs if pair != statistics]
    for candidate, metric in metrics + [(str(figure.candidate), figure.metric) for figure in leaky]:
        if candidate not in entries:
            raise ParamsError(f"{path}: has no candidate {candidate!r} of the recipe; {instead(candidate, entries)}")
        valid = get_metrics(COLUMNS[entries[candidate].task])
        if metric not in valid:
            raise ParamsError(f"{path}: {candidate} has no figure {metric!r}; {instead(metric, valid)}")
    for name in recipe.catalogs.candidates if recipe.catalogs else []:
        if name not in config.candidates:
            raise ParamsError(f"{path}: catalogs: has no network {name!r}; {instead(name, config.candidates)}")
    for name in recipe.few.candidates if recipe.few else []:
        if name not in config.estimators:
            raise ParamsError(f"{path}: few: has no estimator {name!r}; {instead(name, config.estimators)}")
    for figure in leaky:
        if str(figure.candidate) not in config.candidates or len(parts(entries[str(figure.candidate)].feature)) > 1:
            raise ParamsError(f"{path}: {figure.candidate}: leaky figures need a network with one feature")


def _targets(recipe: Recipe, config: Params) -> tuple[str, ...]:
    spaces = any(pair.over == config.recommend.baseline for pair in recipe.pairs)
    exports = [f"export@{name}" for name in recipe.catalogs.candidates] if recipe.catalogs else []
    numbers = [NUMBERS] if config.regressions else []
    return (TARGET, *([SPACES] if spaces else []), *numbers, *exports)


def run_stages(folder: Path, targets: tuple[str, ...], environment: dict[str, str]) -> int:
    """Run stages with their dependencies, and number DVC's lines about them.

    Parameters
    ----------
    folder : Path
        With dvc.yaml.
    targets : tuple of str
    environment : dict

    Returns
    -------
    int
        The exit status of DVC.
    """
    total = len({stage for target in targets for stage in graph.upstream(folder, target)})
    width = len(str(total))
    n_lines = 0
    with subprocess.Popen(
        graph.dvc("repro", *targets), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            is_stage = line.startswith(STARTS)
            n_lines += is_stage
            print(f"[{n_lines:{width}}/{total}] {line}" if is_stage else line, end="", file=sys.stderr, flush=True)
    return process.returncode


def _with_data(paths: Paths, inside: Paths, recipe: Recipe, name: str) -> dict[str, str]:
    """Return the environment variable with the path of the audio; raise if data are missing."""
    dataset = params.load(inside.params).dataset
    configured = os.environ.get(datasets.ENVIRONMENT)
    root = datasets.dataset_root(paths, dataset)
    needs = [*recipe.needs, *([recipe.catalogs.of] if recipe.catalogs else [])]
    missing = [file for file in needs if not (paths.root / file).exists()]
    is_synthetic = getattr(datasets.load(dataset)[0], "IS_EMBEDDED", False)
    if not is_synthetic and not (root.is_dir() and any(root.iterdir())):
        missing.insert(0, str(root))
    if missing:
        raise OstinatoError(f"{name}: {', '.join(missing)}: missing or empty. {' '.join(recipe.data.split())}")
    return {datasets.ENVIRONMENT: str(root.resolve())} if configured and not dataset.path else {}


def _dvc(folder: Path, *arguments: str) -> str:
    process = subprocess.run(graph.dvc(*arguments), cwd=folder, env=graph.environment(), capture_output=True, text=True)
    if process.returncode:
        raise OstinatoError(f"{folder}: `dvc {' '.join(arguments)}` failed: {process.stderr.strip()}")
    return process.stdout
