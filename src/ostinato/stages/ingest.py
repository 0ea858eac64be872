"""Find the dataset's tracks and measure each new file."""

import json
import logging

import pandas as pd

from ostinato import audio, datasets
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.curation import inventory, remarks
from ostinato.io import tables
from ostinato.io.files import read_json, write_json

SECTIONS = ("seed", "compute", "dataset", "ingest")
FIRST_FREE, GONE = "first_free_ordinal", "gone"
"""Notes of tracks.parquet: the next new ordinal, and the ordinals of removed tracks."""

log = logging.getLogger(__name__)


def run(paths: Paths, params: Params) -> None:
    """Write tracks.parquet, files.parquet, attributes.parquet and a receipt; known tracks keep their ordinals.

    Parameters
    ----------
    paths : Paths
    params : Params
        Sections `SECTIONS`.

    Raises
    ------
    DataError
        If more of the known tracks are missing than `ingest.max_vanished_share`; then nothing is written.
    ReadError
        If files cannot be read; measurements are kept for the next run.
    """
    plugin, options = datasets.load(params.dataset)
    root, embedded = datasets.dataset_root(paths, params.dataset), getattr(plugin, "IS_EMBEDDED", False)
    known = tables.read(paths.tracks) if paths.tracks.exists() else pd.DataFrame({"track_id": [], "ordinal": []})
    last = read_json(paths.receipt("ingest")) if paths.receipt("ingest").exists() else {}
    is_same = last.get("dataset") == datasets.identify(params.dataset) and not embedded
    listing = inventory.list_tracks(
        plugin, root, options, params, known["track_id"] if is_same else known["track_id"][:0]
    )
    if is_same:
        inventory.refuse_vanished(known["track_id"], listing["track_id"], params.ingest.max_vanished_share, root)
    tracks = inventory.filter_genres(inventory.complete(listing, params.dataset.rename), params.dataset.classes)
    unknown = [] if embedded else remarks.list_unknown_artists(tracks)
    remarks.add_remarks(listing, [*remarks.list_unlabelled(tracks), *unknown])
    for remark in remarks.get_remarks(listing):
        log.warning("%s", remarks.format_remark(remark))
    with_audio = tracks[tracks["path"].notna()]
    files = inventory.measure_files(root, with_audio, paths.state / inventory.cache_name(root), params.compute)
    inventory.refuse_unread(files, known)
    earlier = tables.notes(paths.tracks)
    known = inventory.merge_known(known, last.get("gone", {}) | json.loads(earlier.get(GONE, "{}")))
    first_free = int(earlier.get(FIRST_FREE, 0))
    ordinals, first_free = inventory.assign_ordinals(tracks["track_id"], known, first_free)
    order = pd.Series(ordinals).argsort()
    measurements = inventory.join_measurements(tracks, files, listing)
    tracks = pd.concat([tracks.assign(ordinal=ordinals), measurements], axis=1).iloc[order]
    removed = known[~known["track_id"].isin(tracks["track_id"])]
    gone = {str(i): int(o) for i, o in zip(removed["track_id"], removed["ordinal"], strict=True)}
    notes = {FIRST_FREE: str(first_free), remarks.KEY: json.dumps(remarks.get_remarks(listing), ensure_ascii=False)}
    if gone:
        notes[GONE] = json.dumps(gone, ensure_ascii=False, sort_keys=True)
    tables.write(paths.tracks, tracks, tables.TRACKS, notes)
    with_audio = tracks[tracks["path"].notna()]
    tables.write(paths.files, files.set_index("track_id").loc[with_audio["track_id"]].reset_index(), tables.FILES)
    names = getattr(plugin, "ATTRIBUTES", ())
    attributes = listing.set_index("track_id").reindex(tracks["track_id"])[list(names)].reset_index()
    tables.write(paths.attributes, attributes, tables.attributes(names))
    has_files = not embedded and getattr(plugin, "AUDIO", True)
    receipt = {
        "dataset": datasets.identify(params.dataset),
        "n_tracks": len(tracks),
        "passed_over": [vars(s) for s in audio.find_audio(root, only_utf8=True).skipped] if has_files else [],
        "gone": gone,
    }
    write_json(paths.receipt("ingest"), receipt)
