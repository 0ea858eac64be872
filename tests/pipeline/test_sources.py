"""A look at the dataset is spared only where no file of it can have changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ostinato.core.paths import Paths
from ostinato.pipeline import sources


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a project with two files of audio, a link to a folder, and a table beside them."""
    paths = Paths(tmp_path / "project")
    music = paths.raw("folder")
    (music / "ada").mkdir(parents=True)
    (music / "ada" / "a.wav").write_bytes(b"one")
    (music / "b.wav").write_bytes(b"two")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.wav").write_bytes(b"three")
    (music / "linked").symlink_to(tmp_path / "elsewhere")
    (music / "circle").symlink_to(music)
    (paths.root / "table.csv").write_text("path,artist\n")
    (tmp_path / "plays.csv").write_text("listener,track_id,at\n")
    given = f"dataset: {{name: folder, table: table.csv}}\nlisteners: {{plays: {tmp_path / 'plays.csv'}}}\n"
    paths.params.write_text(given)
    return paths


def replace_and_set_time_back(paths: Paths) -> None:
    """Change a file's content at the same size and time."""
    file = paths.raw("folder") / "b.wav"
    before = file.stat()
    file.write_bytes(b"owt")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Paths], object]] = {
    "a new file": lambda paths: (paths.raw("folder") / "d.wav").write_bytes(b"four"),
    "a file that is gone": lambda paths: (paths.raw("folder") / "b.wav").unlink(),
    "other content of the same size and time": replace_and_set_time_back,
    "a file touched": lambda paths: os.utime(paths.raw("folder") / "ada" / "a.wav"),
    "a file behind a link": lambda paths: (paths.root.parent / "elsewhere" / "c.wav").write_bytes(b"3"),
    "a file renamed": lambda paths: (paths.raw("folder") / "b.wav").rename(paths.raw("folder") / "e.wav"),
    "a table beside the folder": lambda paths: (paths.root / "table.csv").write_text("path,artist,album\n"),
    "an option": lambda paths: paths.params.write_text("dataset: {name: folder}\n"),
    "plays elsewhere": lambda paths: (paths.root.parent / "plays.csv").write_text("listener,track_id,at\na,b,1\n"),
    "rights": lambda paths: (paths.raw("folder") / "b.wav").chmod(0o600),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_asks_for_a_look(paths: Paths, change: str) -> None:
    """Also where nobody could tell by size and time."""
    sources.remember(paths, sources.compute_digest(paths), "entries")
    assert sources.is_unchanged(paths, "entries")
    CHANGES[change](paths)
    assert not sources.is_unchanged(paths, "entries")


def test_other_outputs_ask_for_a_look_and_so_does_another_folder(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a checkout of an older dvc.lock."""
    assert not sources.is_unchanged(paths, "entries")
    sources.remember(paths, sources.compute_digest(paths), "entries")
    assert not sources.is_unchanged(paths, "others")
    monkeypatch.setenv("OSTINATO_DATASET_PATH", str(paths.root.parent / "elsewhere"))
    assert not sources.is_unchanged(paths, "entries")
    monkeypatch.undo()
    paths.source_listing.write_text("{")
    assert not sources.is_unchanged(paths, "entries")
