"""Compute a member's out-of-fold logits for a stack.

The networks that compute them were not trained on the track. They are trained once for
all stacks with the member: ``.ostinato/member`` holds the logits of each part of the tracks.
"""

import numpy as np
import pandas as pd

from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.errors import ParamsError
from ostinato.io.files import read_json, read_parquet
from ostinato.training import artefact as artefacts
from ostinato.training.settings import resolve

ENTRIES = "members"
"""The section of params.yaml that names its runs."""
SECTIONS = ("seed", "compute", "train", "stacking", "candidates", "stacked", "members")


def run(paths: Paths, params: Params, name: str) -> None:
    """Write ``models/members/<stacked>/<member>.parquet``.

    Training tracks get the logits of inner networks, unless ``stacking.in_sample`` is
    set for this stack; all others get those of the member itself.

    Parameters
    ----------
    paths : Paths
    params : Params
    name : str
        ``<stacked>.<member>``.
    """
    from ostinato.training.data.member_logits import about, write_logits

    if name not in params.members:
        entries = ", ".join(params.members) or "none"
        raise ParamsError(f"params.yaml: members has no {name!r}; it has {entries}")
    edge = params.members[name]
    out = paths.member_logits(edge.of) / f"{edge.member}.parquet"
    columns = ["track_id", "fold", "split", "logits"]
    if reason := artefacts.read_skip(paths.checkpoints(edge.member)):
        write_logits(out, pd.DataFrame({c: [] for c in columns}), {"skipped": reason})
        return
    artefact = artefacts.load(paths.checkpoints(edge.member))
    table = read_parquet(paths.predictions(edge.member) / "predictions.parquet")[columns]
    if _is_in_sample(params, edge.of):
        write_logits(out, table, about(artefact))
        return
    write_logits(out, _replace_training_logits(paths, params, edge.member, artefact, table), about(artefact))


def _is_in_sample(params: Params, stacked: str) -> bool:
    """Return whether a stack reads the logits of members on their own training tracks."""
    in_sample = params.stacking.in_sample
    return in_sample if isinstance(in_sample, bool) else params.stacked[stacked].architecture in in_sample


def _replace_training_logits(
    paths: Paths, params: Params, member: str, artefact: artefacts.Artefact, table: pd.DataFrame
) -> pd.DataFrame:
    """Replace the logits of training tracks with out-of-fold logits."""
    import torch

    from ostinato.stages import _candidate
    from ostinato.training.out_of_fold import clear_points, out_of_fold

    torch.set_num_threads(params.compute.threads)
    settings = resolve(params, member).with_overrides(read_json(paths.tuning_result(member)))
    data = _candidate.open_candidate(paths, settings)
    key = (params.compute.threads, params.stacking.folds, artefact.epochs)
    state, _ = _candidate.open_resume_folder(paths, "member", settings, *key, *data.files)
    logits = {(f, i): v for f, i, v in zip(table["fold"], table["track_id"], table["logits"], strict=True)}
    for fold in artefact.folds:
        new_logits = out_of_fold(
            settings,
            data.labelled,
            data.sources[fold],
            fold,
            epochs=artefact.epochs[str(fold)],
            parts=params.stacking.folds,
            state=state / f"fold{fold}",
        )
        ids = data.labelled.track_ids[data.labelled.folds[fold]["train"]]
        logits.update({(fold, i): np.asarray(v) for i, v in zip(ids, new_logits, strict=True)})
    clear_points(state)
    _candidate.remove_older(state)
    return table.assign(logits=list(logits.values()))
