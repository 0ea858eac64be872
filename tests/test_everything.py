"""A folder with every case at once runs from plan to report, and the page names what was left out and why."""

import html
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from everything import TABLE, write_collection
from ostinato.core import params
from ostinato.core.paths import Paths
from ostinato.io import tables
from ostinato.pipeline import plan
from planting import KINDS
from test_pipeline_datasets import GIVEN, chain

KEEP = "OSTINATO_KEEP"
"""Names a folder that gets the page, to be looked at."""
CHANGES = {
    "validate": {"min_seconds": 3.0, "max_broken_share": 0.6, "min_tracks_per_class": 3},
    "features": {"kinds": {"mfcc": {}}},
    "candidates": {},
    "estimators": {n: GIVEN["estimators"][n] for n in ("svm", "most")},
}


@pytest.mark.slow
def test_a_folder_with_every_case_runs_from_plan_to_report(tmp_path, capsys):
    write_collection(tmp_path / "data/raw/folder")
    options = {"table": TABLE}
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump({**GIVEN, **CHANGES, "dataset": {"name": "folder", **options}})
    )
    given = params.load(tmp_path / "params.yaml")
    paths = Paths(tmp_path)
    plan.command(paths, params.only(given, plan.SECTIONS))
    assert "total time" in capsys.readouterr().out
    chain(tmp_path, "folder", options, **CHANGES)
    page = html.unescape((paths.report / "index.html").read_text())
    if KEEP in os.environ:
        shutil.copytree(paths.report, Path(os.environ[KEEP]), dirs_exist_ok=True)
    reasons = {reason for kind in KINDS.values() for reason in kind.reasons[:1]}
    for reason in reasons | {"far less bandwidth than its sample rate promises"} - {"silent"}:
        assert reason in page, reason
    for row in tables.read(paths.quarantine).to_dict("records") + tables.read(paths.warnings).to_dict("records"):
        assert f"<td>{row['path']}</td>" in page
        assert f"<td>{row['evidence']}</td>" in page
    receipt = json.loads(paths.receipt("ingest").read_text())
    assert {row["reason"]: row["n"] for row in receipt["passed_over"]} == {
        "hidden": 2,
        "leading to the same file as another path": 1,
        "leading to the same folder as another path": 1,
        "not a regular file": 1,
        "with a name that is not UTF-8": 1,
        "with the suffix .csv": 1,
        "with the suffix .jpg": 1,
        "with the suffix .mid": 2,
        "with the suffix .txt": 1,
        "without a suffix": 1,
    }
    for row in receipt["passed_over"]:
        assert row["reason"] in page
        assert row["example"] in page
    for title in ("In quarantine", "Kept with a warning", "Skipped in the folder", "Remarks"):
        assert title in page, title
    assert "Reggae" in page
