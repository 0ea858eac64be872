"""Planted faults: nearly all are found, each for its own reason; clean clips raise no alarm."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ostinato.datasets import synthetic
from planting import KINDS, match_faults, plant_faults, validate_folder

PER_KIND = 3


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Plant a few instances of every kind beside clean clips and judge them all."""
    root, rng = tmp_path_factory.mktemp("faults"), np.random.default_rng(5)
    raw = root.with_name(f"{root.name}-raw")
    listed = synthetic.tracks(raw, synthetic.Options(n_artists=12, tracks_per_artist=1), seed=41, workers=1)
    (root / "clean").mkdir()
    clips = [Path((raw / path).rename(root / "clean" / Path(path).name)) for path in listed["path"]]
    plan = plant_faults(root, clips, PER_KIND, rng)
    quarantine, repeated = validate_folder(root, workers=1)
    return plan.assign(found=match_faults(plan, quarantine, repeated)), quarantine, repeated


def test_the_floor_holds_for_every_kind(outcome):
    plan, _, _ = outcome
    missed = plan[~plan["found"]]
    assert len(missed) <= 0.05 * len(plan), missed.to_string()
    assert missed["kind"].value_counts().max() <= 1 or missed.empty, missed.to_string()
    assert plan["kind"].value_counts().to_dict() == dict.fromkeys(KINDS, PER_KIND)


def test_clean_clips_raise_no_alarm(outcome):
    _, quarantine, repeated = outcome
    assert not quarantine["path"].str.startswith("clean/").any()
    assert not repeated["track_id"].str.startswith("clean/").any()
