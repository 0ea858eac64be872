"""Stage ingest: find the dataset's tracks, measure each new file, number each new track."""

from typing import Any

import pandas as pd

from ostinato import compute, datasets, inventory, tables
from ostinato.paths import Paths

SECTIONS = ("seed", "compute", "dataset")
FIRST_FREE = "first_free_ordinal"


def run(paths: Paths, params: Any, name: str | None = None) -> None:
    """Write tracks.parquet, files.parquet and attributes.parquet; old tracks keep their ordinals.

    Parameters
    ----------
    paths : Paths
    params : SimpleNamespace
        Sections `SECTIONS`.
    name : str, optional
        Not used.
    """
    plugin, options = datasets.load(params.dataset)
    root = datasets.dataset_root(paths, params.dataset)
    listing = plugin.tracks(root, options, seed=params.seed, workers=params.compute.workers or compute.cores())
    tracks = inventory.chosen(inventory.complete(listing), params.dataset.classes)
    heard = tracks[tracks["path"].notna()]
    files = inventory.measured(root, heard, paths.state / inventory.cache_name(root), params.compute)
    known = tables.read(paths.tracks) if paths.tracks.exists() else pd.DataFrame({"track_id": [], "ordinal": []})
    first_free = int(tables.notes(paths.tracks).get(FIRST_FREE, 0))
    ordinals, first_free = inventory.numbered(tracks["track_id"], known, first_free)
    order = pd.Series(ordinals).argsort()
    measured = inventory.beside(tracks, files, listing)
    tracks = pd.concat([tracks.assign(ordinal=ordinals), measured], axis=1).iloc[order]
    tables.write(paths.tracks, tracks, tables.TRACKS, {FIRST_FREE: str(first_free)})
    heard = tracks[tracks["path"].notna()]
    tables.write(paths.files, files.set_index("track_id").loc[heard["track_id"]].reset_index(), tables.FILES)
    attributes = getattr(plugin, "ATTRIBUTES", ())
    told = listing.set_index("track_id").reindex(tracks["track_id"])[list(attributes)].reset_index()
    tables.write(paths.attributes, told, tables.attributes(attributes))
