"""Writes happen whole or not at all."""

import errno
import os
import subprocess
import sys

import pytest

from ostinato import files
from ostinato.errors import OstinatoError


def test_a_write_that_fails_leaves_what_stood_there(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="Out of range"):
        files.write_json(path, {"new": float("nan")})
    assert files.read_json(path) == {"old": 1}
    assert sorted(os.listdir(tmp_path)) == ["a.json"]


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OstinatoError, match=r"a\.json: cannot be written \(No space left on device\); free some disk"):
        files.write_json(path, {"new": 2})
    assert files.read_json(path) == {"old": 1}
    assert sorted(os.listdir(tmp_path)) == ["a.json"]


def test_reading_names_the_mend(tmp_path):
    with pytest.raises(OstinatoError, match="dvc repro"):
        files.read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(OstinatoError, match=r"bad\.json: is no JSON"):
        files.read_json(tmp_path / "bad.json")


def test_the_same_work_is_done_by_one_process_at_a_time(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from ostinato.files import alone\n"
            "with alone(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()",
            str(tmp_path / "train@a.lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(OstinatoError, match="train@a: another run"), files.alone(tmp_path / "train@a.lock"):
        pass
    holder.kill()
    holder.wait()
    with files.alone(tmp_path / "train@a.lock"):
        assert files.held(tmp_path / "train@a.lock")
    assert not files.held(tmp_path / "train@a.lock")
