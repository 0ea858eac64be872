"""The import of librosa, of which one process at a time may compile functions."""

import os
import subprocess
import sys

import pytest
from filelock import FileLock

from ostinato.audio.lazy_librosa import import_librosa

START = (
    "import sys, numpy as np\nfrom ostinato.audio.lazy_librosa import import_librosa\n"
    "print('ready', flush=True)\nsys.stdin.readline()\n"
    "import_librosa().beat.beat_track(onset_envelope=np.random.default_rng(0).random(400), sr=22050)\n"
)


def start(folder):
    """Start a process that waits for a line, then imports librosa and follows a beat."""
    process = subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_an_import_waits_for_that_of_another_process(tmp_path):
    lock = FileLock(tmp_path / "import.lock")
    with lock:
        process = start(tmp_path)
        process.stdin.write("\n")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        assert [file.name for file in tmp_path.iterdir()] == ["import.lock"]
        process.kill()
        process.communicate()


@pytest.mark.parametrize("folder", ["", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written_to_is_replaced(tmp_path, monkeypatch, folder):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert import_librosa.__wrapped__().__name__ == "librosa"


@pytest.mark.slow
def test_processes_that_compile_at_once_all_follow_the_beat(tmp_path):
    """Without the lock most pairs of processes ended with a segmentation fault."""
    for attempt in range(2):
        processes = [start(tmp_path / str(attempt)) for _ in range(2)]
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            process.communicate()
        assert [process.returncode for process in processes] == [0, 0]
