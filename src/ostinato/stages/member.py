"""Compute a member's out-of-fold logits for a stack.

The networks that give them never saw the track. They are trained once, however many
stacks read the member: ``.ostinato/member`` holds the logits of each part of the tracks.
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

    Training tracks get the logits of inner networks, unless ``stacking.in_sample``
    asks for the member's own for this stack; all others the member's own.

    Parameters
    ----------
    paths : Paths
    params : Params
    name : str
        ``<stacked>.<member>``.
    """
    from ostinato.training.data.member_logits import about, write_logits

    if name not in params.members:
        raise ParamsError(f"{name!r} is no edge of params.yaml; there are {', '.join(params.members) or 'none'}")
    edge = params.members[name]
    out = paths.member_logits(edge.of) / f"{edge.member}.parquet"
    columns = ["track_id", "fold", "split", "logits"]
    if reason := artefacts.read_skip(paths.checkpoints(edge.member)):
        write_logits(out, pd.DataFrame({c: [] for c in columns}), {"skipped": reason})
        return
    artefact = artefacts.load(paths.checkpoints(edge.member))
    table = read_parquet(paths.predictions(edge.member) / "predictions.parquet")[columns]
    if _in_sample(params, edge.of):
        write_logits(out, table, about(artefact))
        return
    write_logits(out, _out_of_fold(paths, params, edge.member, artefact, table), about(artefact))


def _in_sample(params: Params, stacked: str) -> bool:
    """Return whether a stack reads what members say of tracks they learned from."""
    wanted = params.stacking.in_sample
    return wanted if isinstance(wanted, bool) else params.stacked[stacked].architecture in wanted


def _out_of_fold(
    paths: Paths, params: Params, member: str, artefact: artefacts.Artefact, table: pd.DataFrame
) -> pd.DataFrame:
    """Put out-of-fold logits where the member had seen the track."""
    import torch

    from ostinato.stages import _candidate
    from ostinato.training.out_of_fold import clear_points, out_of_fold

    torch.set_num_threads(params.compute.threads)
    settings = resolve(params, member).with_overrides(read_json(paths.tuning_result(member)))
    opened = _candidate.open_candidate(paths, settings)
    given = (params.compute.threads, params.stacking.folds, artefact.epochs)
    state, _ = _candidate.resumable(paths, "member", settings, *given, *opened.files)
    logits = {(f, i): v for f, i, v in zip(table["fold"], table["track_id"], table["logits"], strict=True)}
    for fold in artefact.folds:
        unseen = out_of_fold(
            settings,
            opened.labelled,
            opened.sources[fold],
            fold,
            epochs=artefact.epochs[str(fold)],
            parts=params.stacking.folds,
            state=state / f"fold{fold}",
        )
        ids = opened.labelled.track_ids[opened.labelled.folds[fold]["train"]]
        logits.update({(fold, i): np.asarray(v) for i, v in zip(ids, unseen, strict=True)})
    clear_points(state)
    _candidate.remove_older(state)
    return table.assign(logits=list(logits.values()))
