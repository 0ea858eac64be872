"""Two or three catalogs of one small folder of tones, and studies of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ostinato.io.files import write_json
from ostinato.recommendation.catalog import SOURCE, Catalog
from ostinato.study.design import make_study
from ostinato.study.folder import Study
from ostinato.study.spaces import Space
from serving.served_project import play

N_TRACKS = 24
NAMES = ("near", "far", "odd")


def write_catalogs(
    root: Path, n_spaces: int = 2, n_tracks: int = N_TRACKS, seconds: float = 1.0, names: Sequence[str] = NAMES
) -> list[Space]:
    """Write catalogs that each order the same tracks in their own way."""
    ids = [f"track{i:02d}" for i in range(n_tracks)]
    metadata = [{"artist": f"Artist {i // 2}", "title": f"Title {i}", "path": f"{t}.wav"} for i, t in enumerate(ids)]
    for i, name in enumerate(ids):
        play(root / "music" / f"{name}.wav", seconds, 220.0 * 1.05**i)
    spaces = []
    for number, name in enumerate(names[:n_spaces]):
        angle = np.random.default_rng(number).permutation(n_tracks) / n_tracks * np.pi
        catalog = Catalog(ids, np.column_stack([np.cos(angle), np.sin(angle)]), metadata, version=name)
        catalog.save(root / name)
        write_json(root / name / SOURCE, {"folder": "../music", "unreadable": {}})
        spaces.append(Space(name, root / name / "catalog.json", catalog, root / "music"))
    return spaces


def write_study(root: Path, n_tracks: int = 4, n_spaces: int = 2, k: int = 1) -> Study:
    """Make a study of short clips."""
    return make_study(write_catalogs(root, n_spaces), n_tracks, root / "study", seed=7, k=k, seconds=1.0)
