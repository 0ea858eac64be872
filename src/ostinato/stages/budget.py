"""Divide tune.budget among the candidates that are tuned."""

import shutil

from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.io.files import write_json
from ostinato.pipeline.leftovers import set_aside

SECTIONS = ("seed", "train", "tune", "candidates", "estimators", "stacked", "members", "numbers")


def run(paths: Paths, params: Params) -> None:
    """Write ``data/interim/budget/<candidate>.json``, so that a study runs again only if its own share changes.

    Outputs of removed candidates are set aside, so that no stage reads them with their folder.

    Parameters
    ----------
    paths : Paths
    params : Params
    """
    from ostinato.training.budget import compute_shares

    set_aside(paths, params)
    shutil.rmtree(paths.budgets, ignore_errors=True)
    for candidate, share in compute_shares(params).items():
        write_json(paths.budget(candidate), share)
