"""Many faults, one after the other, and nothing is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
N_FAULTS = 550


def run_campaign(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(PROJECT)])}
    command = [sys.executable, "-m", "bench.campaign", *words]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_no_fault_of_a_campaign_loses_anything():
    ended = run_campaign("--faults", str(N_FAULTS), "--seed", "1")
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    counts = {line[:16].strip(): line[16:].split() for line in ended.stdout.splitlines()[-12:]}
    assert counts["all"][0] == str(N_FAULTS)
    assert len(counts) == 12
    assert {n for n, _, _ in counts.values()} == {str(N_FAULTS), str(N_FAULTS // 11)}
