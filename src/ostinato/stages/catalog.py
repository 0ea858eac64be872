"""Embed every track with the best-ranked network.

The exported ONNX file computes the vectors, so that an audio file that is embedded
later lies in the same space; the hash of the file is the version of the catalog. The
mean vector of the training tracks is subtracted, except from outputs of networks that
were trained to embed.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ostinato.audio import limits
from ostinato.cache.store import Store, find_folder
from ostinato.core.candidates import get_candidates
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.summary import choose_metric
from ostinato.inference import reference
from ostinato.inference.model import REFERENCE, ReleasedModel
from ostinato.io.files import read_json, read_parquet, replace_folder, write_json
from ostinato.io.versions import list_model_files
from ostinato.recommendation.catalog import ABOUT_TRACK, SKIPPED, Catalog, describe_track

SECTIONS = ("compute", "validate", "candidates", "estimators", "stacked")

MAX_TRACKS = 500
"""Maximum number of training tracks whose sound is described."""


def run(paths: Paths, params: Params) -> None:
    """Write the catalog, or why there is none; the previous one is replaced at the end."""
    chosen, reasons = _choose_space(paths, list(get_candidates(params)))
    with replace_folder(paths.catalog) as folder:
        if chosen is None:
            write_json(folder / SKIPPED, {"skipped": "; ".join(reasons), "mend": _advise(paths)})
        else:
            _embed_tracks(paths, params, chosen, folder)


def _embed_tracks(paths: Paths, params: Params, chosen: str, folder: Path) -> None:
    """Write the catalog of a candidate."""
    for file in list_model_files(paths.onnx(chosen)):
        shutil.copyfile(paths.onnx(chosen) / file, folder / file)
    network = ReleasedModel(folder, threads=params.compute.threads)
    places = {n: find_folder(paths.features, n, i.feature, i.parameters) for n, i in network.inputs.items()}
    stores = {n: Store(place or paths.feature(n)) for n, place in places.items()}
    tracks = _read_tracks(paths, list(stores.values()))
    write_json(folder / REFERENCE, _describe_training(paths, network, stores, tracks, params.validate_))
    vectors = [
        network.embedding({n: np.asarray(s.read(i), np.float32) for n, s in stores.items()})
        for i in tqdm(tracks["track_id"], desc=f"{chosen} catalog", unit="track")
    ]
    version = hashlib.sha256((folder / "network.onnx").read_bytes()).hexdigest()
    metadata = [describe_track(row) for row in tracks[list(ABOUT_TRACK)].to_dict("records")]
    matrix = np.stack(vectors)
    offset = None if network.kind == "embedding" else matrix[tracks["split"].to_numpy() == "train"].mean(axis=0)
    metric = choose_metric(next(iter(network.inputs.values())).source)
    Catalog(tracks["track_id"].tolist(), matrix, metadata, version=version, offset=offset, metric=metric).save(folder)


def _describe_training(
    paths: Paths, network: ReleasedModel, stores: dict[str, Store], tracks: pd.DataFrame, bounds: Any
) -> dict[str, Any]:
    """Describe the sound of the training tracks, to warn of a file unlike them when it is embedded."""
    train = tracks["track_id"][tracks["split"] == "train"]
    files = read_parquet(paths.files)
    files = files[files["track_id"].isin(train)]
    figures = {name: files[name].to_numpy(float) for name in reference.FIGURES if name in files}
    sample = train[:: max(-(-len(train) // MAX_TRACKS), 1)]
    means = {n: np.stack([np.asarray(s.read(i), np.float32).mean(axis=0) for i in sample]) for n, s in stores.items()}
    return reference.describe_training(network.inputs, figures, means, limits.read_bounds(bounds))


def _choose_space(paths: Paths, names: list[str]) -> tuple[str | None, list[str]]:
    """Return the best exported space that passed the gate, and reasons against the others."""
    ranking, reasons, spaces = read_json(paths.ranking), list[str](), list[tuple[float, str]]()
    if "spaces" not in ranking:
        return None, [ranking["skipped"]]
    for name in names:
        verdict = ranking["gate"].get(
            name, {"accepted": False, "reasons": [ranking["skipped"].get(name, "not ranked")]}
        )
        export = read_json(paths.onnx(name) / "export.json")
        if not verdict["accepted"]:
            reasons.append(f"{name}: {'; '.join(verdict['reasons'])}")
        elif not (paths.onnx(name) / "network.onnx").exists():
            reasons.append(f"{name}: {export.get('skipped') or '; '.join(export.get('reasons', []))}")
        else:
            spaces.append((ranking["spaces"][name]["map"]["value"], name))
    return (max(spaces, key=lambda s: (s[0], -names.index(s[1])))[1] if spaces else None), reasons


def _advise(paths: Paths) -> str:
    """Return how to make a space eligible."""
    verdicts = read_json(paths.ranking).get("gate", {}).values()
    if any(not rule["kept"] for verdict in verdicts for rule in verdict.get("rules", ())):
        return "gate.space in params.yaml rejects them: lower its bounds or add artists, then run `dvc repro catalog`"
    return "fix that, then run `dvc repro catalog`"


def _read_tracks(paths: Paths, stores: list[Store]) -> pd.DataFrame:
    """Read the metadata of the tracks that all stores hold."""
    splits = read_parquet(paths.splits, columns=["track_id", "fold", "split"])
    splits = splits[splits["fold"] == splits["fold"].min()].set_index("track_id")["split"]
    present = {track_id for track_id in splits.index if all(track_id in store for store in stores)}
    tracks = read_parquet(paths.tracks, columns=["track_id", *ABOUT_TRACK]).sort_values("track_id")
    return tracks[tracks["track_id"].isin(present)].assign(split=lambda table: table["track_id"].map(splits))
