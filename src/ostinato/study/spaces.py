"""The spaces of a study: candidates of the project, and catalogs of folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ostinato.core.candidates import get_candidates
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.summary import AUDIO, choose_metric
from ostinato.core.task import COLUMNS
from ostinato.datasets import dataset_root
from ostinato.errors import DataError
from ostinato.io.files import read_json, read_parquet
from ostinato.recommendation.catalog import ABOUT, ABOUT_TRACK, Catalog, describe_track, find_root, open_whole
from ostinato.study.folder import compute_digest

SECTIONS = ("seed", "dataset", "candidates", "estimators", "stacked")


@dataclass(frozen=True)
class Space:
    """A space, and what it was read from.

    Parameters
    ----------
    name : str
    source : Path
        File whose digest tells whether the space has changed.
    catalog : Catalog
    root : Path
        Folder that the paths of its tracks are relative to.
    test_tracks : frozenset of str, optional
        Tracks that its network was neither trained nor tuned on; None if they are unknown.
    """

    name: str
    source: Path
    catalog: Catalog
    root: Path
    test_tracks: frozenset[str] | None = None


def load_spaces(paths: Paths, params: Params, names: Sequence[str]) -> list[Space]:
    """Load spaces.

    Parameters
    ----------
    paths : Paths
    params : Params
        With `SECTIONS`.
    names : sequence of str
        Each a candidate of params.yaml, or the folder of a catalog.

    Returns
    -------
    list of Space

    Raises
    ------
    DataError
        If one is neither, two have one name, or their audio lies in different folders.
    """
    spaces = [_load_space(paths, params, name) for name in names]
    twice = {space.name for space in spaces if [s.name for s in spaces].count(space.name) > 1}
    if twice:
        raise DataError(f"--spaces: two spaces are called {min(twice)}; name different ones, or rename a folder")
    if len({space.root for space in spaces}) > 1:
        raise DataError(
            f"--spaces: the audio of {spaces[0].name} is in {spaces[0].root}, that of another space is not; "
            "compare spaces of the same folder"
        )
    return spaces


def _load_space(paths: Paths, params: Params, name: str) -> Space:
    candidates = get_candidates(params)
    if name in candidates:
        return _load_candidate(paths, params, name, candidates[name].task)
    if (Path(name) / ABOUT).is_file():
        folder = Path(name)
        root = find_root(folder) or dataset_root(paths, params.dataset).resolve()
        return Space(folder.resolve().name, folder / ABOUT, open_whole(folder), root)
    known = f"a candidate of params.yaml ({', '.join(candidates)}) or " if candidates else ""
    raise DataError(f"--spaces: {name} is no space; give {known}the folder of a catalog (`ostinato catalog --of`)")


def _load_candidate(paths: Paths, params: Params, name: str, task: str) -> Space:
    """Load the space that `rank` evaluates: the embeddings of the first fold."""
    folder = paths.predictions(name)
    if (folder / "skipped.json").exists():
        raise DataError(f"--spaces: {name} has no space: {read_json(folder / 'skipped.json')['skipped']}")
    source, is_embedding = folder / "predictions.parquet", COLUMNS[task] == "embedding"
    if not source.exists():
        raise DataError(f"{source}: is not there; run `dvc repro infer@{name}`, or choose another space")
    column = "logits" if is_embedding else "embedding"
    table = read_parquet(source, columns=["track_id", "fold", "split", column])
    table = table[table["fold"] == table["fold"].min()].sort_values("track_id")
    vectors = np.stack(table[column].to_list()).astype(np.float64)
    offset = None if is_embedding else vectors[table["split"].to_numpy() == "train"].mean(axis=0)
    tracks = read_parquet(paths.tracks, columns=["track_id", *ABOUT_TRACK]).set_index("track_id").loc[table["track_id"]]
    catalog = Catalog(
        table["track_id"].tolist(),
        vectors,
        [describe_track(row) for row in tracks.to_dict("records")],
        version=compute_digest(source),
        offset=offset,
        metric=choose_metric(_find_source(paths, params, name)),
    )
    test_tracks = frozenset(table.loc[table["split"] == "test", "track_id"])
    return Space(name, source, catalog, dataset_root(paths, params.dataset).resolve(), test_tracks)


def _find_source(paths: Paths, params: Params, name: str) -> str:
    """Return what an estimator's feature is computed from; networks embed, whatever they read."""
    if name not in params.estimators:
        return AUDIO
    return str(read_json(paths.feature(str(params.estimators[name].feature)) / "meta.json").get("source", AUDIO))
