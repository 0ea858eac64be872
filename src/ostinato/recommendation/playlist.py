"""Playlists: tracks put in an order that is pleasant to hear, and the file that players read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ostinato.errors import CatalogError
from ostinato.io.escapes import escape_line
from ostinato.recommendation.catalog import Catalog


def order_greedily(catalog: Catalog, track_ids: Sequence[str]) -> list[str]:
    """Order tracks so that each is followed by the one most like it of those left.

    Parameters
    ----------
    catalog : Catalog
    track_ids : sequence of str
        The first one stays first.

    Returns
    -------
    list of str
    """
    left = list(dict.fromkeys(track_ids))
    ordered = left[:1]
    left = left[1:]
    while left:
        similarity = catalog.similarity(catalog.vectors[catalog.row(ordered[-1])], [catalog.row(i) for i in left])
        ordered.append(left.pop(int(similarity.argmax())))
    return ordered


def path(catalog: Catalog, start: str, end: str, n: int) -> list[str]:
    """Go from one track to another in equal steps.

    The steps lie on the great circle between both, or on a straight line where tracks
    are compared by distance; each takes the nearest track that is not taken yet.

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
        raise CatalogError(f"a path needs two ends and 2 to {len(catalog)} tracks; asked for {n} from {start} to {end}")
    rows = [catalog.row(start), catalog.row(end)]
    a, b = catalog.vectors[rows].astype(np.float64)
    angle = float(np.arccos(np.clip(a @ b, -1, 1)))
    straight = catalog.metric != "cosine"
    if not straight and np.sin(angle) < 1e-6 and a @ b < 0:
        raise CatalogError(f"{start} and {end} are opposite: no path between them is the shortest; go by a third track")
    allowed = np.ones(len(catalog), bool)
    allowed[rows] = False
    between = []
    for step in np.arange(1, n - 1) / (n - 1):
        if straight or angle < 1e-6:
            point = a + step * (b - a)
        else:
            point = np.sin((1 - step) * angle) * a + np.sin(step * angle) * b
        found, _ = catalog.search(point if straight else point / np.linalg.norm(point), 1, allowed)
        allowed[found[0]] = False
        between.append(catalog.ids[found[0]])
    return [start, *between, end]


def m3u(catalog: Catalog, track_ids: Sequence[str], root: Path = Path()) -> str:
    """Write a playlist as extended M3U.

    Parameters
    ----------
    catalog : Catalog
    track_ids : sequence of str
    root : Path
        The folder that paths of the catalog start from.

    Returns
    -------
    str
        Of each track its length in whole seconds (-1: unknown), its names and its
        path; a track without a path, or with a line break in it, is left out as a comment.
        Control characters in names are written as `escape_line` does.
    """
    lines = ["#EXTM3U"]
    for track_id in track_ids:
        known = catalog.metadata[catalog.row(track_id)]
        names = " - ".join(str(known[k]) for k in ("artist", "title") if known.get(k)) or track_id
        seconds = round(known["duration"]) if known.get("duration") else -1
        lines.append(f"#EXTINF:{seconds},{escape_line(' '.join(names.split()))}")
        lines.append(_write_path(root, known.get("path")) or f"# {escape_line(track_id)}: its file is not known")
    return "\n".join(lines) + "\n"


def _write_path(root: Path, path: str | None) -> str | None:
    """Write a path that is no comment; None if there is none, or a line of a playlist cannot hold it."""
    text = str(root / path) if path else ""
    if not text or text != escape_line(text):
        return None
    return f"./{text}" if text.startswith("#") else text
