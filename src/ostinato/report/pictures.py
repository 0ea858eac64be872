"""Plots of data: spectrograms, counts, places and correlations, small enough for dozens on a page.

Images with many cells are one bitmap inside the SVG; the rest is vector graphics.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import signal

from ostinato.report.pieces import cache_piece
from ostinato.report.plots import FAINT, INK, SERIES, render_svg

MAX_FRAMES, MAX_BINS = 360, 256
N_FFT = 512
FLOOR_DB = 80.0
MAX_NUMBERED = 20
"""Maximum number of classes for which a confusion matrix shows names and numbers."""


@cache_piece
def plot_feature(
    rows: np.ndarray, seconds: float, *, label: str, ticks: Mapping[float, str] | None = None, height: float = 1.6
) -> str:
    """Draw a feature over time.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
    seconds : float
        Duration.
    label : str
        Label of the axis of bins.
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
        image = downsample(downsample(rows).T, MAX_BINS)
        axes.imshow(image, aspect="auto", origin="lower", extent=extent, cmap="magma", interpolation="none")
        axes.set_ylabel(label)
        axes.set_xlabel("s")
        if ticks:
            axes.set_yticks(list(ticks), list(ticks.values()))

    return render_svg(draw, 4.4, height)


def downsample(rows: np.ndarray, max_rows: int = MAX_FRAMES) -> np.ndarray:
    """Average neighbouring frames to a maximum number of frames.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
    max_rows : int

    Returns
    -------
    np.ndarray [shape=(at most `max_rows`, n_bins), dtype=float32]

    Examples
    --------
    >>> downsample(np.array([[1.0], [3.0], [5.0]]), 2).tolist()
    [[2.0], [5.0]]
    """
    step = max(-(-len(rows) // max_rows), 1)
    edges = np.arange(0, len(rows), step)
    sums = np.add.reduceat(np.asarray(rows, np.float32), edges, axis=0)
    return np.asarray(sums / np.diff(edges, append=len(rows))[:, np.newaxis], np.float32)


def compute_spectrogram(y: np.ndarray, sample_rate: int) -> tuple[np.ndarray, float]:
    """Compute the level of a recording over time and frequency.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sample_rate : int
        In Hz.

    Returns
    -------
    rows : np.ndarray [shape=(n_frames, 257), dtype=float32]
        In dB, with a floor of 80 dB below the maximum.
    seconds : float
    """
    hop = max(N_FFT // 2, len(y) // MAX_FRAMES)
    padded = np.pad(np.nan_to_num(y), (0, max(N_FFT - len(y), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::hop]
    power = np.abs(np.fft.rfft(frames * signal.windows.hann(N_FFT), axis=1)) ** 2
    level = 10 * np.log10(power + 1e-20)
    return np.maximum(level, level.max() - FLOOR_DB).astype(np.float32), len(y) / sample_rate


@cache_piece
def plot_long_tail(counts: np.ndarray, label: str) -> str:
    """Plot the number of tracks by rank, on logarithmic axes, where a power law is a straight line.

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

    return render_svg(draw, 4.4, 2.4)


@cache_piece
def plot_places(longitude: np.ndarray, latitude: np.ndarray) -> str:
    """Plot the places of tracks.

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

    return render_svg(draw, 4.4, 2.4)


@cache_piece
def plot_grid(tables: Mapping[str, Any], draw_panel: Any, *, columns: int = 4) -> str:
    """Plot small panels side by side.

    Parameters
    ----------
    tables : mapping of str to object
        Data of each panel, by its title.
    draw_panel : callable
        Takes Axes and the data of the panel.
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
            draw_panel(axes, table)
        for axes in panels[len(tables) :]:
            axes.set_axis_off()

    return render_svg(draw, 9.0, 1.5 * lines)


def draw_histogram(axes: Axes, values: np.ndarray) -> None:
    """Draw the histogram of an attribute."""
    unique = np.unique(values)
    bins: Any = 20 if len(unique) > 20 else np.append(unique, unique[-1] + 1) - 0.5 if np.ptp(unique) >= 1 else 10
    axes.hist(values, bins=bins, color=SERIES[0], alpha=0.85)
    axes.yaxis.set_visible(False)


def draw_trend(axes: Axes, by_year: pd.DataFrame) -> None:
    """Draw an attribute over the years: its mean and interquartile range."""
    axes.fill_between(by_year.index, by_year["low"], by_year["high"], color=SERIES[5], alpha=0.35, lw=0)
    axes.plot(by_year.index, by_year["mean"], color=SERIES[0], marker="." if len(by_year) < 3 else None)


@cache_piece
def plot_correlations(table: pd.DataFrame) -> str:
    """Plot the correlations of attributes.

    Parameters
    ----------
    table : DataFrame
        Correlation matrix.

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

    return render_svg(draw, 4.8, 4.0)


@cache_piece
def plot_confusion(counts: np.ndarray, classes: Sequence[str], title: str = "") -> str:
    """Plot a confusion matrix: shades are shares of each row, numbers are tracks.

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
        for row, column in np.argwhere(counts) if len(classes) <= MAX_NUMBERED else ():
            colour = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, fontsize=8)
        ticks = range(len(classes)) if len(classes) <= MAX_NUMBERED else ()
        axes.set_xticks(ticks, [classes[i] for i in ticks], rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(ticks, [classes[i] for i in ticks])
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual")
        axes.set_title(title, loc="left", fontsize=10)

    return render_svg(draw, 4.4, 4.2)
