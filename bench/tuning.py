"""Measure what tuning gains: each candidate's study at a large budget, evaluated on tracks that it did not use.

``python -m bench.tuning PROJECT NAME... --trials 40`` runs the stage `tune` for candidates of a finished project
in a temporary folder, with as many full trainings each as `--trials` says, and compares the choice of the study
with the defaults, track by track, with an interval of 95 % over groups:

* on the training tracks, each scored by fits without it, as the stage itself does before it decides;
* on the test tracks, by fits on all training tracks that stop by the validation tracks.

A gain is the decrease of a track's loss. ``--planted`` generates the data too: noise with a mark for each
genre, and defaults whose learning rate is a hundred times too small.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ostinato.cache import store
from ostinato.cache.writer import Writer
from ostinato.core import params as parameters
from ostinato.core.params.schema import Budget, Params, Tune
from ostinato.core.paths import Paths
from ostinato.io.files import read_json, write_json
from ostinato.stages import _candidate, tune
from ostinato.training.gain import Gain, compute_losses, estimate_gain
from ostinato.training.settings import resolve

GENRES = tuple("abcdef")
TRACKS_PER_GENRE, FRAMES, MARK = 24, 140, 0.5
PLANTED = {"mlp": 13, "cnn": 13, "rnn_lstm": 13, "r0": 40, "r2": 40}


def main() -> None:
    """Print a row for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, nargs="?", help="a folder with params.yaml and data/")
    parser.add_argument("names", nargs="*", help="candidates; with --planted, architectures")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--planted", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| candidate | trials | processor time, s | choice | gain, training tracks | gain, test tracks | used |")
    print("|---|--:|--:|---|--:|--:|---|")
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        params = write_data(paths) if args.planted else link_project(paths, args.project)
        names = args.names or list(PLANTED)
        for name in names:
            print(measure(paths, set_budget(params, args.trials), name, args.trials), flush=True)


def link_project(paths: Paths, project: Path) -> Params:
    """Link a project's data and members into a temporary folder."""
    for part in ("data/features", "models/members"):
        (paths.root / part).parent.mkdir(parents=True, exist_ok=True)
        os.symlink((project / part).resolve(), paths.root / part)
    paths.tracks.parent.mkdir(parents=True)
    for file in (project / "data" / "interim").iterdir():
        if file.name != "budget":
            os.symlink(file.resolve(), paths.tracks.parent / file.name)
    return parameters.load(project / "params.yaml")


def set_budget(params: Params, trials: int) -> Params:
    """Give every candidate the same number of trials."""
    changes: dict[str, Any] = {"tune": Tune(budget=Budget(trials=trials))}
    for section in ("candidates", "estimators", "stacked"):
        entries = getattr(params, section)
        changes[section] = {name: entry.model_copy(update={"n_trials": None}) for name, entry in entries.items()}
    return params.model_copy(update=changes)


def measure(paths: Paths, params: Params, name: str, trials: int) -> str:
    """Tune a candidate and evaluate its choice on the test tracks."""
    write_json(paths.budget(name), {"trainings": trials})
    start = time.process_time()
    tune.run(paths, params, name)
    seconds, study = time.process_time() - start, read_json(paths.tuning_result(name))
    settings = resolve(params, name)
    data = _candidate.open_candidate(paths, settings)
    x = None
    if settings.fitter == "sklearn":
        x = _candidate.load_summaries(paths, str(settings.feature), data.labelled.track_ids)
    parts = data.labelled.folds[0]
    before, after = (
        compute_losses(chosen, data.labelled, data.sources.get(0), x, parts["train"], parts["test"], label="bench")
        for chosen in (settings, settings.with_overrides(study["choice"]))
    )
    test_gain = estimate_gain(before - after, data.labelled.groups[parts["test"]])
    values = {**study["choice"]["network"], **study["choice"]["train"]}
    choice = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())
    used = "choice" if study["network"] or study["train"] else "defaults"
    train_gain = "0" if study["gain"] is None else format_gain(Gain(**study["gain"]))
    cells = (name, study["n_trials"], f"{seconds:.0f}", choice, train_gain, format_gain(test_gain), used)
    return f"| {' | '.join(map(str, cells))} |"


def format_gain(gain: Gain) -> str:
    """Format a gain with its interval."""
    return f"{gain.mean:.3f} ({gain.low:.3f} to {gain.high:.3f})"


def write_data(paths: Paths) -> Params:
    """Write the tables and the cache of tracks whose genres differ in one bin, four tracks a group."""
    rng, n = np.random.default_rng(0), TRACKS_PER_GENRE * len(GENRES)
    ids, genre = [f"track{i:03d}" for i in range(n)], [GENRES[i % len(GENRES)] for i in range(n)]
    group = [f"artist{i // 4:02d}" for i in range(n)]
    split = [("test", "validation", "train", "train", "train")[(i // 4) % 5] for i in range(n)]
    paths.tracks.parent.mkdir(parents=True)
    pd.DataFrame({"track_id": ids, "genre": genre, "tags": [[] for _ in ids]}).to_parquet(paths.tracks)
    pd.DataFrame({"track_id": ids, "fold": 0, "split": split, "group": group, "evaluable": True}).to_parquet(
        paths.splits
    )
    write_json(paths.classes, {"genre": list(GENRES), "tags": []})
    for bins in set(PLANTED.values()):
        rows = rng.normal(size=(n, FRAMES, bins)).astype(np.float16)
        rows[np.arange(n), :, np.arange(n) % len(GENRES)] += MARK
        folder = paths.feature(f"noise{bins}")
        with Writer(store.shard_file(folder, 0)) as writer:
            for track in rows:
                writer.append(track)
            writer.finish().commit()
        store.write_index(folder, [store.Entry(i, t, "h", 0, i * FRAMES, FRAMES) for i, t in enumerate(ids)])
        about = {"kind": f"noise{bins}", "source": "audio", "tail": [bins]}
        store.write_meta(folder, {**about, "parameters": {"sample_rate": 22050, "hop_length": 512}})
    train = {"lr": 1e-5, "max_epochs": 8, "patience": 4, "normalise": "train"}
    candidates = {
        name: {
            "architecture": name,
            "feature": f"noise{bins}",
            "task": "genre",
            "chunk_frames": 80 if bins == 40 else 130,
            "train": train,
        }
        for name, bins in PLANTED.items()
    }
    kinds = {f"noise{bins}": {"kind": "mel"} for bins in PLANTED.values()}
    return Params.model_validate(
        {"seed": 7, "dataset": {"name": "folder"}, "features": {"kinds": kinds}, "candidates": candidates}
    )


if __name__ == "__main__":
    main()
