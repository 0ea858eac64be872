"""Playlists: tracks in a smooth order, and M3U files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ostinato.errors import CatalogError
from ostinato.io.escapes import escape_line
from ostinato.recommendation.catalog import Catalog


def order_greedily(catalog: Catalog, track_ids: Sequence[str]) -> list[str]:
    """Order tracks greedily: each is followed by the most similar remaining one.

    Parameters
    ----------
    catalog : Catalog
    track_ids : sequence of str
        The first one stays first.

    Returns
    -------
    list of str
    """
    remaining = list(dict.fromkeys(track_ids))
    ordered = remaining[:1]
    remaining = remaining[1:]
    while remaining:
        similarity = catalog.similarity(catalog.vectors[catalog.row(ordered[-1])], [catalog.row(i) for i in remaining])
        ordered.append(remaining.pop(int(similarity.argmax())))
    return ordered


def path(catalog: Catalog, start: str, end: str, n: int) -> list[str]:
    """Interpolate from one track to another in equal steps.

    The steps lie on the great circle between both, or on a straight line if tracks are
    compared by distance; each takes the nearest unused track.

    Parameters
    ----------
    catalog : Catalog
    start, end : str
    n : int
        Tracks, both ends included.

    Returns
    -------
    list of str

    Raises
    ------
    CatalogError
        If `n` is below 2 or above the catalog's size, or the ends are the same or opposite.

    References
    ----------
    K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985 (interpolation on a sphere).
    """
    if start == end or not 2 <= n <= len(catalog):
        raise CatalogError(f"a path needs two ends and 2 to {len(catalog)} tracks; got {n} from {start} to {end}")
    rows = [catalog.row(start), catalog.row(end)]
    a, b = catalog.vectors[rows].astype(np.float64)
    angle = float(np.arccos(np.clip(a @ b, -1, 1)))
    linear = catalog.metric != "cosine"
    if not linear and np.sin(angle) < 1e-6 and a @ b < 0:
        raise CatalogError(f"{start} and {end} are opposite, so there is no shortest path; go via a third track")
    allowed = np.ones(len(catalog), bool)
    allowed[rows] = False
    between = []
    for step in np.arange(1, n - 1) / (n - 1):
        if linear or angle < 1e-6:
            point = a + step * (b - a)
        else:
            point = np.sin((1 - step) * angle) * a + np.sin(step * angle) * b
        nearest, _ = catalog.search(point if linear else point / np.linalg.norm(point), 1, allowed)
        allowed[nearest[0]] = False
        between.append(catalog.ids[nearest[0]])
    return [start, *between, end]


def m3u(catalog: Catalog, track_ids: Sequence[str], root: Path = Path()) -> str:
    """Return a playlist as extended M3U.

    Parameters
    ----------
    catalog : Catalog
    track_ids : sequence of str
    root : Path
        Folder that paths in the catalog are relative to.

    Returns
    -------
    str
        For each track its length in whole seconds (-1: unknown), names and path. A track
        without a path, or with a line break in it, becomes a comment. Control characters
        in names are escaped by `escape_line`.
    """
    lines = ["#EXTM3U"]
    for track_id in track_ids:
        metadata = catalog.metadata[catalog.row(track_id)]
        names = " - ".join(str(metadata[k]) for k in ("artist", "title") if metadata.get(k)) or track_id
        seconds = round(metadata["duration"]) if metadata.get("duration") else -1
        lines.append(f"#EXTINF:{seconds},{escape_line(' '.join(names.split()))}")
        lines.append(_write_path(root, metadata.get("path")) or f"# {escape_line(track_id)}: its file is unknown")
    return "\n".join(lines) + "\n"


def _write_path(root: Path, path: str | None) -> str | None:
    """Return a path as a line that is not a comment; None without a path or if it does not fit on a line."""
    text = str(root / path) if path else ""
    if not text or text != escape_line(text):
        return None
    return f"./{text}" if text.startswith("#") else text
