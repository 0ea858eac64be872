"""A stack with nothing to learn goes through the same stages as any other."""

import numpy as np
import pandas as pd
import pytest

import tiny_project
from ostinato.core.scores import scores
from ostinato.io.files import read_json
from ostinato.stages import infer, member, train, tune

MEMBERS = ("tiny_mel", "other_mel")


@pytest.fixture(scope="module")
def averaged_project(tmp_path_factory):
    """Train two members and their average in a project with one holdout."""
    paths = tiny_project.make(tmp_path_factory.mktemp("averaged") / "project")
    untuned = {name: {**tiny_project.PARAMS["candidates"][name], "n_trials": 0} for name in MEMBERS}
    params = tiny_project.settings(
        candidates=untuned,
        stacked={"both": {"architecture": "timefreq_avg", "task": "genre", "network": {}}},
    )
    for name in (*MEMBERS, "both"):
        if name == "both":
            for edge in params.members:
                member.run(paths, params, edge)
        for stage in (tune, train, infer):
            stage.run(paths, params, name)
    return paths


def test_scores_are_the_mean_of_the_members(averaged_project):
    found = {n: pd.read_parquet(averaged_project.predictions(n) / "predictions.parquet") for n in (*MEMBERS, "both")}
    tests = {name: table.query("split == 'test'") for name, table in found.items()}
    given = {name: scores(np.stack(table["logits"]), "single") for name, table in tests.items()}
    np.testing.assert_allclose(given["both"], (given["tiny_mel"] + given["other_mel"]) / 2, atol=1e-5)
    assert np.abs(given["tiny_mel"] - given["other_mel"]).max() > 0.05


def test_it_is_not_searched(averaged_project):
    tuned = read_json(averaged_project.tuning_result("both"))
    assert (tuned["network"], tuned["train"], tuned["n_trials"]) == ({}, {}, 0)
    assert tuned["reason"] == "timefreq_avg has no hyperparameters to search"
