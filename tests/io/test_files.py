"""Writes happen whole or not at all."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ostinato
from ostinato import cli
from ostinato.__main__ import main
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError, ReadError
from ostinato.io import files, locks
from release.test_catalog_release import write_catalog


def test_a_write_that_fails_leaves_what_stood_there(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="Out of range"):
        files.write_json(path, {"new": float("nan")})
    assert files.read_json(path) == {"old": 1}
    assert sorted(os.listdir(tmp_path)) == ["a.json"]


@pytest.mark.parametrize("kind", ["a pipe", "a folder"])
def test_what_is_not_a_regular_file_is_never_replaced(tmp_path, kind):
    """As root, /dev/null could be."""
    path = tmp_path / "out"
    os.mkfifo(path) if kind == "a pipe" else path.mkdir()
    before = path.stat().st_mode
    with pytest.raises(OstinatoError, match="out: is not a regular file"):
        files.write_json(path, {})
    assert path.stat().st_mode == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OstinatoError, match=r"a\.json: cannot be written: No space left on device; free some disk"):
        files.write_json(path, {"new": 2})
    assert files.read_json(path) == {"old": 1}
    assert sorted(os.listdir(tmp_path)) == ["a.json"]


def test_reading_names_the_mend(tmp_path):
    with pytest.raises(OstinatoError, match="dvc repro"):
        files.read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(OstinatoError, match=r"bad\.json: is not JSON"):
        files.read_json(tmp_path / "bad.json")


@pytest.mark.parametrize("read", [files.read_json, files.read_parquet])
def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch, read):
    def refuse(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(files, "check_footer", refuse)
    with pytest.raises(ReadError, match=r"a: cannot be read: Input/output error; check the disk and run"):
        read(tmp_path / "a")


def test_hardly_a_flipped_bit_of_a_footer_gives_another_table(tmp_path, rng):
    """Without the digest of the footer 1.6 % do; what is left are counts of values of a column."""
    path, names = tmp_path / "a.parquet", [f"t{i}" for i in range(30)]
    table = pa.table({"track_id": names, "x": rng.normal(size=30), "n": range(30), "tags": [["a"], []] * 15})
    files.write_parquet(path, table.replace_schema_metadata({"first_free": "30"}))
    expected, content = files.read_parquet(path), path.read_bytes()
    assert pq.read_schema(path).metadata[b"first_free"] == b"30"
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    flips = rng.choice(8 * (len(content) - start), 1_500, replace=False)
    n_refused = n_others = 0
    for place, bit in zip(start + flips // 8, flips % 8, strict=True):
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        path.write_bytes(changed)
        try:
            pd.testing.assert_frame_equal(files.read_parquet(path), expected)
        except OstinatoError:
            n_refused += 1
        except AssertionError:
            n_others += 1
    assert n_refused > 700
    assert n_others <= 2


def test_a_library_that_finds_no_space_ends_in_one_line(tmp_path, monkeypatch, capsys):
    """The system names no file where a write fails."""

    def refuse(**_):
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "app", refuse)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    mend = "raise the limit on the size of files (ulimit -f) and run again"
    assert capsys.readouterr().err == f"ostinato: a file below {tmp_path}: File too large; {mend}\n"


def test_the_same_work_is_done_by_one_process_at_a_time(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from ostinato.io.locks import exclusive\n"
            "with exclusive(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()",
            str(tmp_path / "train@a.lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(OstinatoError, match="train@a: another run"), locks.exclusive(tmp_path / "train@a.lock"):
        pass
    holder.kill()
    holder.wait()
    with locks.exclusive(tmp_path / "train@a.lock"):
        assert locks.is_locked(tmp_path / "train@a.lock")
    assert not locks.is_locked(tmp_path / "train@a.lock")


def test_a_flipped_byte_in_a_page_of_a_table_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"track": [f"t{i}" for i in range(50)], "x": np.linspace(0, 1, 50), "v": [[1.0 * i] for i in range(50)]}
    )
    files.write_parquet(path, table)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in range(footer):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 32]) + whole[place + 1 :])
        try:
            same = files.read_parquet(path).equals(table.to_pandas())
        except OstinatoError as error:
            assert "a.parquet: is not a Parquet file or is damaged" in str(error)  # noqa: PT017
        else:
            assert same


def test_every_table_of_the_pipeline_is_read_and_written_with_checksums():
    """Pages are compared only where the reader asks for it; what users bring has none."""
    for path in Path(ostinato.__file__).parent.rglob("*.py"):
        text = path.read_text()
        if "datasets" not in path.parts:
            reads = text.count("pd.read_parquet(") + text.count("pq.read_table(")
            assert text.count("page_checksum_verification=True") == reads, path
            writes = text.count(".to_parquet(") + text.count("pq.write_table(")
            assert text.count("write_page_checksum=True") == writes, path


def test_a_folder_that_may_not_be_made_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "models"))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OstinatoError, match=r"a\.json: cannot be written: Permission denied; give this user"):
        files.write_json(tmp_path / "models" / "a.json", {})


AS_USER = """
import ctypes, os, sys
if os.geteuid() == 0:  # root is refused nothing: give up the right to pass over permissions (CAP_DAC_OVERRIDE)
    assert ctypes.CDLL(None, use_errno=True).prctl(24, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def open_project(tmp_path):
    """Return a project with a catalog to release."""
    shutil.copyfile(Path(__file__).parents[2] / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data" / "interim").mkdir(parents=True)
    write_catalog(Paths(tmp_path))
    files.write_json(Paths(tmp_path).ranking, {"skipped": "no space passed"})
    return tmp_path


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (["ingest"], "data/raw"),
        (["budget"], "data/interim/budget"),
        (["catalog"], "models/.catalog.new.partial"),
        (["release", "--task", "catalog"], "models/released"),
        (["download", "synthetic"], None),
    ],
)
def test_a_folder_that_may_only_be_read_is_told_in_a_line(open_project, command, refused):
    """Whatever is refused, whichever command it is: no traceback."""
    for folder in ("models/catalog", "data/interim", "data", "models"):
        (open_project / folder).chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", AS_USER, sys.executable, "-m", "ostinato", *command],
        cwd=open_project, capture_output=True, text=True,
    )  # fmt: skip
    for folder in ("data", "models", "data/interim", "models/catalog"):
        (open_project / folder).chmod(0o755)
    assert "Traceback" not in done.stderr, done.stderr
    if refused:
        assert done.returncode == 2, done.stderr
        assert done.stderr.splitlines()[-1].startswith("ostinato: ")
        assert refused in done.stderr.splitlines()[-1]
        assert "Permission denied; give this user permission and run again" in done.stderr
