"""The page: all sections in one HTML file that needs no server, without scripts or dates."""

from math import isnan
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from ostinato.core import registry
from ostinato.core.counts import format_count
from ostinato.report import plots
from ostinato.report.material import Material

ORDER = (
    "verdict",
    "leaderboard",
    "classes",
    "slices",
    "curves",
    "tuning",
    "cost",
    "neighbours",
    "regressions",
    "listeners",
    "data",
    "people",
    "attributes",
    "features",
    "faults",
    "names",
    "labels",
)
OPEN_SECTIONS = ("verdict", "leaderboard", "classes")
"""Sections that are unfolded at first; a link unfolds the others."""


def render_page(material: Material) -> str:
    """Render the page.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str
        HTML that needs no other files.
    """
    environment = _environment()
    sections = [s for name in ORDER if (s := _section(environment, material, name)) is not None]
    return environment.get_template("base.html.j2").render(
        sections=sections, facts=_facts(material), split=material.classes["name"], palette=list(enumerate(plots.SERIES))
    )


def format_difference(value: float | None, digits: int = 3) -> str:
    """Format a difference with its sign; a dash if it is undefined, such as an interval over few groups.

    Examples
    --------
    >>> format_difference(0.12345), format_difference(-0.5, 1), format_difference(None), format_difference(float("nan"))
    ('+0.123', '-0.5', '–', '–')
    """
    return "–" if value is None or isnan(value) else f"{value:+.{digits}f}"


def format_number(value: float | None, digits: int = 3) -> str:
    """Format a figure; a dash if it is undefined.

    Examples
    --------
    >>> format_number(0.12345), format_number(None)
    ('0.123', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ostinato", "report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = format_number
    environment.filters["difference"] = format_difference
    environment.filters["breakable"] = lambda name: escape(name).replace("_", Markup("_<wbr>"))
    environment.filters["counted"] = format_count
    environment.filters["sentence_case"] = lambda text: text[:1].upper() + text[1:]  # unlike capitalize, leaves NaN
    environment.filters["count"] = lambda value: "–" if value is None else f"{value:,}"
    return environment


def _section(environment: Environment, material: Material, name: str) -> dict[str, Any] | None:
    """Render a section; None if it has no content."""
    plugin = registry.load("ostinato.report.sections", name)
    content = plugin.section(material)
    if content is None:
        return None
    style = f"sections/{name}.css.j2"
    has_style = style in environment.list_templates(extensions=["j2"])
    return {
        "name": name,
        "open": name in OPEN_SECTIONS,
        "title": plugin.TITLE,
        "about": (plugin.__doc__ or "").splitlines()[0],
        "style": Markup(environment.get_template(style).render()) if has_style else "",
        "body": Markup(environment.get_template(f"sections/{name}.html.j2").render(**content)),
    }


def _facts(material: Material) -> list[tuple[str, str]]:
    """List the sizes of the dataset and of each task."""
    first = material.splits.drop_duplicates("track_id")
    n_in_split = int(material.tracks["track_id"].isin(first["track_id"]).sum())
    counts = [
        ("tracks in the split", f"{n_in_split:,}"),
        ("left out", f"{len(material.tracks) - n_in_split:,}"),
        ("hours", f"{material.tracks['duration'].dropna().sum() / 3600:,.1f}"),
        ("groups", f"{first['group'].nunique():,}"),
    ]
    return counts + [(f"{task} candidates", f"{len(material.list_evaluated(task)):,}") for task in material.tasks]
