"""A run's curves and confusion matrices, as files and on one page with the paper's figures."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ostinato.core.paths import Paths
from ostinato.io.files import atomic_write, read_json
from ostinato.recipes import Recipe
from ostinato.report import plots
from ostinato.report.pictures import plot_confusion

FOLDER, PAGE, CURVES = "report", "index.html", "curves.svg"


def draw(inside: Paths, recipe: Recipe, text: str) -> None:
    """Write ``report/`` of a run: ``curves.svg``, ``confusion/<candidate>.svg`` and an ``index.html`` with both.

    Parameters
    ----------
    inside : Paths
        Of the run.
    recipe : Recipe
    text : str
        The run's tables in Markdown, for the top of the page.
    """
    names = list(dict.fromkeys(f.candidate for f in recipe.figures if f.candidate is not None))
    metrics = {name: m for name in names if "skipped" not in (m := read_json(inside.metrics(name)))}
    folder = inside.root / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    pictures = dict(_pictures(inside, metrics))
    for name, picture in pictures.items():
        with atomic_write(folder / name) as partial:
            partial.write_text(picture, encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("ostinato", "recipes"), undefined=StrictUndefined, autoescape=select_autoescape()
    )
    inline = {name: Markup(picture[picture.index("<svg") :]) for name, picture in pictures.items()}
    with atomic_write(folder / PAGE) as partial:
        page = environment.get_template("report.html.j2").render(
            title=recipe.title, blocks=parse_blocks(text), curves=inline.pop(CURVES, None), matrices=inline
        )
        partial.write_text(page, encoding="utf-8")


def _pictures(inside: Paths, metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Draw the networks' learning curves and each candidate's confusion matrix."""
    files = {name: inside.checkpoints(name) / "curves.csv" for name in metrics}
    means = plots.mean_curves({name: pd.read_csv(file) for name, file in files.items() if file.exists()})
    if means:
        yield CURVES, plots.plot_curves(means, plots.choose_best(list(means), means), legend=True)
    for name, metric in metrics.items():
        if metric.get("confusion"):
            yield (
                f"confusion/{name}.svg",
                plot_confusion(np.asarray(metric["confusion"], np.int64), list(metric["per_class"]), name),
            )


def parse_blocks(text: str) -> list[str | list[Sequence[str]]]:
    r"""Split Markdown into paragraphs and tables, without the title.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str or list of list of str
        A table is a list of rows, the first of which is the header.

    Examples
    --------
    >>> parse_blocks("# T\n\nSaid.\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    ['Said.', [['a', 'b'], ['1', '2']]]
    """
    blocks: list[str | list[Sequence[str]]] = []
    for part in text.split("\n\n"):
        lines = part.strip().splitlines()
        if lines and lines[0].startswith("|"):
            rows = [line for line in lines if line.startswith("|") and not line.startswith("|---")]
            blocks.append([[cell.strip() for cell in row.strip()[1:-1].split("|")] for row in rows])
        elif lines and not lines[0].startswith("#"):
            blocks.append(" ".join(lines))
    return blocks
