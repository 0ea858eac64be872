"""Fit a candidate on every fold.

Then fit it once more, on all folds, for export.
"""

import subprocess
from pathlib import Path

from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.io.files import read_json, write_json
from ostinato.training.artefact import SKIPPED, empty
from ostinato.training.settings import resolve

SECTIONS = ("seed", "compute", "train", "candidates", "estimators", "stacked", "members", "numbers")


def run(paths: Paths, params: Params, name: str) -> None:
    """Write ``models/checkpoints/<name>``: weights per fold, curves and artefact.json.

    Parameters
    ----------
    paths : Paths
    params : Params
    name : str
        The candidate.
    """
    from ostinato.stages import _candidate

    settings = resolve(params, name)
    out = paths.checkpoints(settings.name)
    tuned = read_json(paths.tuning_result(settings.name))
    if reason := tuned.get("skipped") or _candidate.find_skip_reason(paths, settings):
        empty(out)
        write_json(out / SKIPPED, {"skipped": reason})
        return
    import torch

    from ostinato.training import fit

    torch.set_num_threads(params.compute.threads)
    settings = settings.with_overrides(tuned)
    data = _candidate.open_candidate(paths, settings)
    if settings.fitter == "sklearn":
        x = _candidate.load_summaries(paths, str(settings.feature), data.labelled.track_ids)
        fit.fit_estimator(settings, data.labelled, x, data.inputs, out)
        return
    state, clean_up = _candidate.open_resume_folder(paths, "train", settings, params.compute.threads, *data.files)
    log = paths.state / "dvclive" / settings.name if can_log(paths.root) else None
    fit.fit(settings, data.labelled, data.sources, data.inputs, out, state=state, log=log)
    if fit.is_first():
        clean_up()


def can_log(root: Path) -> bool:
    """Return whether DVCLive can log: it would create a DVC project if there is none, and needs a commit."""
    if not (root / ".dvc").is_dir():
        return False
    result = subprocess.run(["git", "rev-parse", "--verify", "--quiet", "HEAD"], cwd=root, capture_output=True)
    return result.returncode == 0
