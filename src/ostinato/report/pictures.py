"""Pictures of data: spectrograms, counts, places and correlations, small enough to stand in a page by the dozen.

What has many cells is one bitmap inside the drawing; the rest are lines and words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import signal

from ostinato.report.pieces import cached
from ostinato.report.plots import FAINT, INK, SERIES, svg

MOST_FRAMES, MOST_BINS = 360, 256
SPECTRUM = 512
FLOOR_DB = 80.0
MOST_NUMBERED = 20
"""Up to so many classes a confusion matrix has their names and its numbers in it."""


@cached
def raster(
    rows: np.ndarray, seconds: float, *, label: str, ticks: Mapping[float, str] | None = None, height: float = 1.6
) -> str:
    """Draw a feature over time.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
    seconds : float
        Its length.
    label : str
        Of the axis of bins.
    ticks : mapping of float to str, optional
        Names of bins.
    height : float
        In inches.

    Returns
    -------
    str
        SVG with one bitmap, at most 360 wide and 256 high.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        extent = (0.0, seconds, -0.5, rows.shape[1] - 0.5)
        image = thin(thin(rows).T, MOST_BINS)
        axes.imshow(image, aspect="auto", origin="lower", extent=extent, cmap="magma", interpolation="none")
        axes.set_ylabel(label)
        axes.set_xlabel("s")
        if ticks:
            axes.set_yticks(list(ticks), list(ticks.values()))

    return svg(draw, 4.4, height)


def thin(rows: np.ndarray, most: int = MOST_FRAMES) -> np.ndarray:
    """Average neighbouring frames until no more than so many are left.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
    most : int

    Returns
    -------
    np.ndarray [shape=(at most `most`, n_bins), dtype=float32]

    Examples
    --------
    >>> thin(np.array([[1.0], [3.0], [5.0]]), 2).tolist()
    [[2.0], [5.0]]
    """
    step = max(-(-len(rows) // most), 1)
    edges = np.arange(0, len(rows), step)
    sums = np.add.reduceat(np.asarray(rows, np.float32), edges, axis=0)
    return np.asarray(sums / np.diff(edges, append=len(rows))[:, np.newaxis], np.float32)


def spectrogram(y: np.ndarray, sample_rate: int) -> tuple[np.ndarray, float]:
    """Return the level of a recording over time and frequency.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sample_rate : int
        In Hz.

    Returns
    -------
    rows : np.ndarray [shape=(n_frames, 257), dtype=float32]
        In dB, the lowest 80 below the highest.
    seconds : float
    """
    hop = max(SPECTRUM // 2, len(y) // MOST_FRAMES)
    padded = np.pad(np.nan_to_num(y), (0, max(SPECTRUM - len(y), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, SPECTRUM)[::hop]
    power = np.abs(np.fft.rfft(frames * signal.windows.hann(SPECTRUM), axis=1)) ** 2
    level = 10 * np.log10(power + 1e-20)
    return np.maximum(level, level.max() - FLOOR_DB).astype(np.float32), len(y) / sample_rate


@cached
def tail(counts: np.ndarray, label: str) -> str:
    """Plot the tracks of artists by rank, both axes logarithmic: a straight line is a power law.

    Parameters
    ----------
    counts : np.ndarray [shape=(n,)]
    label : str

    Returns
    -------
    str
        SVG.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        ordered = np.sort(counts)[::-1]
        axes.loglog(np.arange(1, len(ordered) + 1), ordered, color=SERIES[0], drawstyle="steps-post")
        axes.set_xlabel(f"{label}, by number of tracks")
        axes.set_ylabel("tracks")

    return svg(draw, 4.4, 2.4)


@cached
def places(longitude: np.ndarray, latitude: np.ndarray) -> str:
    """Draw where artists are from.

    Parameters
    ----------
    longitude, latitude : np.ndarray [shape=(n,)]
        In degrees.

    Returns
    -------
    str
        SVG.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        points = pd.DataFrame({"x": np.round(longitude), "y": np.round(latitude)}).value_counts().reset_index()
        axes.scatter(points["x"], points["y"], s=6 + 6 * np.sqrt(points["count"]), color=SERIES[0], alpha=0.6, lw=0)
        axes.set(xlim=(-180, 180), ylim=(-90, 90), xlabel="longitude", ylabel="latitude", aspect="equal")
        axes.set_xticks(range(-180, 181, 60))
        axes.set_yticks(range(-90, 91, 30))

    return svg(draw, 4.4, 2.4)


@cached
def grid(tables: Mapping[str, Any], draw_one: Any, *, columns: int = 4) -> str:
    """Draw small panels side by side.

    Parameters
    ----------
    tables : mapping of str to object
        What each panel shows, by its title.
    draw_one : callable
        Takes Axes and what the panel shows.
    columns : int

    Returns
    -------
    str
        SVG.
    """
    lines = -(-len(tables) // columns)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, (title, table) in zip(panels, tables.items(), strict=False):
            axes.set_title(title, loc="left", fontsize=9)
            axes.tick_params(labelsize=7)
            draw_one(axes, table)
        for axes in panels[len(tables) :]:
            axes.set_axis_off()

    return svg(draw, 9.0, 1.5 * lines)


def distribution(axes: Axes, values: np.ndarray) -> None:
    """Draw how one attribute's values are spread."""
    few = np.unique(values)
    bins: Any = 20 if len(few) > 20 else np.append(few, few[-1] + 1) - 0.5 if np.ptp(few) >= 1 else 10
    axes.hist(values, bins=bins, color=SERIES[0], alpha=0.85)
    axes.yaxis.set_visible(False)


def course(axes: Axes, by_year: pd.DataFrame) -> None:
    """Draw an attribute over the years: its mean, and the half of the tracks around the middle."""
    axes.fill_between(by_year.index, by_year["low"], by_year["high"], color=SERIES[5], alpha=0.35, lw=0)
    axes.plot(by_year.index, by_year["mean"], color=SERIES[0], marker="." if len(by_year) < 3 else None)


@cached
def correlations(table: pd.DataFrame) -> str:
    """Draw which attributes go together.

    Parameters
    ----------
    table : DataFrame
        A square of correlations.

    Returns
    -------
    str
        SVG.
    """
    names: Sequence[str] = [str(name) for name in table.columns]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        image = axes.imshow(table.to_numpy(float), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="none")
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.outline.set_edgecolor(FAINT)  # type: ignore[operator]

    return svg(draw, 4.8, 4.0)


@cached
def confusion(counts: np.ndarray, classes: Sequence[str], title: str = "") -> str:
    """Draw a confusion matrix: the shades are shares of each row, the numbers are tracks.

    Parameters
    ----------
    counts : np.ndarray [shape=(n_classes, n_classes), dtype=int64]
        Tracks by actual class (rows) and predicted class (columns).
    classes : sequence of str
    title : str

    Returns
    -------
    str
        SVG with one bitmap. Classes without tracks have a white row.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none")
        for row, column in np.argwhere(counts) if len(classes) <= MOST_NUMBERED else ():
            colour = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, fontsize=8)
        ticks = range(len(classes)) if len(classes) <= MOST_NUMBERED else ()
        axes.set_xticks(ticks, [classes[i] for i in ticks], rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(ticks, [classes[i] for i in ticks])
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual")
        axes.set_title(title, loc="left", fontsize=10)

    return svg(draw, 4.4, 4.2)
