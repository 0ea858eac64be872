"""Plots as SVG text: the same bytes for the same figures, and colours that a page can replace.

Lines are drawn in the colours of `SERIES`; `apply_theme` replaces them with CSS
variables, so that one plot serves a light and a dark page.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ostinato.report.pieces import cache_piece

# Okabe & Ito, "Color universal design", 2008, without yellow, which is invisible on white
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)))
N_COLOURS = 5
"""Number of curves in colour per task."""
INK, FAINT = "#202124", "#9aa0a6"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "ostinato",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["system-ui", "DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
}


def style(position: int) -> tuple[str, int]:
    """Return the colour and the number of the dash pattern of a series.

    Examples
    --------
    >>> style(0), style(9)
    (('#0072b2', 0), ('#d55e00', 1))
    """
    return SERIES[position % len(SERIES)], position // len(SERIES) % len(DASHES)


def mean_curve(curve: pd.DataFrame) -> pd.DataFrame:
    """Average the curves of a candidate over its folds.

    Parameters
    ----------
    curve : DataFrame
        fold, epoch, train_loss, val_loss, val_score; a fit without validation has no val_score.

    Returns
    -------
    DataFrame
        epoch, train_loss, val_loss, val_score: means over the folds that reached the epoch.
    """
    validated = curve[curve["val_loss"].notna()]
    return validated.groupby("epoch", as_index=False)[["train_loss", "val_loss", "val_score"]].mean()


def mean_curves(curves: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Average the curves of each candidate that has validation curves.

    Parameters
    ----------
    curves : mapping of str to DataFrame
        As for `mean_curve`.

    Returns
    -------
    dict of str to DataFrame
    """
    means = {name: mean_curve(curve) for name, curve in curves.items()}
    return {name: mean for name, mean in means.items() if len(mean)}


def choose_best(order: Sequence[str], candidates: Mapping[str, pd.DataFrame]) -> list[str]:
    """Choose the curves to draw in colour: the best of those with more than one point, else the best.

    Parameters
    ----------
    order : sequence of str
        Names, best first.
    candidates : mapping of str to DataFrame
        From `mean_curves`.

    Returns
    -------
    list of str
    """
    lines = [name for name in order if len(candidates[name]) > 1]
    return (lines or list(order))[:N_COLOURS]


@cache_piece
def plot_curves(
    candidates: Mapping[str, pd.DataFrame],
    shown: Sequence[str],
    *,
    of: Sequence[str] = ("score", "loss"),
    legend: bool = False,
) -> str:
    """Plot the validation curves of candidates over epochs.

    Parameters
    ----------
    candidates : mapping of str to DataFrame
        From `mean_curve`.
    shown : sequence of str
        Curves in colour, by position; the others are thin and grey, behind them.
    of : sequence of {"score", "loss"}
        One panel for each.
    legend : bool
        Whether to add a legend.

    Returns
    -------
    str
        SVG.
    """

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(of), squeeze=False)[0]
        for axes, title in zip(panels, of, strict=True):
            column = f"val_{title}"
            axes.set_title(f"validation {title}", loc="left", fontsize=10)
            axes.set_xlabel("epoch")
            for name, table in candidates.items():
                if name not in shown:
                    axes.plot(table["epoch"], table[column], color=FAINT, linewidth=0.7, alpha=0.6)
            for position, name in enumerate(shown):
                table, (colour, dash) = candidates[name], style(position)
                marker = "o" if len(table) == 1 else None
                axes.plot(
                    table["epoch"], table[column], color=colour, linestyle=DASHES[dash], marker=marker, label=name
                )
            axes.set_ylim(*_find_limits([candidates[name][column] for name in shown]))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if legend:
            lines = panels[0].get_lines()[-len(shown) :]
            figure.legend(handles=lines, loc="outside right upper", frameon=False)

    return render_svg(draw, 4.5 * len(of), 3.2)


def _find_limits(series: Sequence[pd.Series]) -> tuple[float, float]:
    """Return the limits of an axis for the curves in colour, whatever the range of the grey ones."""
    values = np.concatenate([s.dropna().to_numpy(float) for s in series])
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    edge = 0.08 * (high - low) or 0.05
    return low - edge, high + edge


@cache_piece
def plot_histogram(values: np.ndarray, label: str) -> str:
    """Plot a histogram.

    Parameters
    ----------
    values : np.ndarray [shape=(n,)]
    label : str
        Label of the axis, with its unit.

    Returns
    -------
    str
        SVG.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        spread = np.ptp(values) if len(values) else 0
        bins = 24 if spread > 1e-6 else 1
        axes.hist(values, bins=bins, color=SERIES[0], alpha=0.85)
        axes.set_xlabel(label)
        axes.set_ylabel("tracks")

    return render_svg(draw, 5.0, 2.4)


def apply_theme(svg: str) -> str:
    """Prepare a plot for a page: remove the XML prologue, and replace colours with CSS variables.

    Examples
    --------
    >>> apply_theme('<?xml version="1.0"?><svg><path style="stroke: #0072b2"/></svg>')
    '<svg><path style="stroke: var(--series-0)"/></svg>'
    """
    svg = svg[svg.index("<svg") :]
    for position, colour in enumerate(SERIES):
        svg = svg.replace(colour, f"var(--series-{position})")
    return svg.replace(INK, "var(--ink)").replace(FAINT, "var(--faint)")


def render_svg(draw: Callable[[Figure], None], width: float, height: float) -> str:
    """Draw a figure, without changing global settings of Matplotlib.

    Parameters
    ----------
    draw : callable
        Takes the figure.
    width, height : float
        In inches.

    Returns
    -------
    str
    """
    file = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        no_dates: dict[Any, Any] = {"Date": None, "Creator": None}
        figure.savefig(file, format="svg", transparent=True, metadata=no_dates)
    return file.getvalue()
