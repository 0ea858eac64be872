"""The quick ``dvc`` writes dvc.lock as DVC itself does."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from ruamel.yaml import YAMLError
from toy_commands import shell

import _lock_file as lock
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.pipeline import dvc_files, graph

ROOT = Path(__file__).parents[2]
SCRIPT = lock.__file__
STRANGE = {
    "schema": "2.0",
    "stages": {
        "train@größe": {
            "cmd": "python -m ostinato train größe",
            "deps": [{"path": "a b", "hash": "md5", "md5": m, "size": 7} for m in ("1" * 32, "0" * 31 + "e")],
            "params": {
                "params.yaml": {
                    "a": [1, 2.5, 1e-05, 3e20, True, None],
                    "n": None,
                    "b": {},
                    "c": [],
                    "d": "yes",
                    "e": "no: #",
                }
            },
            "outs": [{"path": "x.dir", "hash": "md5", "md5": "f" * 32 + ".dir", "size": 0, "nfiles": 1}],
        }
    },
}


def change_entry(write: object, path: Path) -> bytes:
    """Change one entry by either way."""
    with write(path) as content:  # type: ignore[operator]
        content.setdefault("stages", {})["gate"] = {"cmd": "python -m ostinato gate"}
    return path.read_bytes()


@pytest.mark.parametrize("content", [STRANGE, {"schema": "2.0"}, None], ids=["strange", "short", "absent"])
def test_both_ways_say_the_same(tmp_path: Path, content: object) -> None:
    """Whatever a lock may hold, as DVC reads it."""
    said = []
    for name, write in (("quick", lock.modify_yaml), ("patient", lock._modify_with_comments)):
        path = tmp_path / name / "dvc.lock"
        path.parent.mkdir()
        if content is not None:
            path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        said.append(parse_yaml(change_entry(write, path).decode(), path))
    assert said[0] == said[1]
    assert list(said[0]["stages"])[-1] == "gate"


def test_both_ways_write_this_lock_alike(tmp_path: Path) -> None:
    """To the byte, so that nothing shows in git but what changed."""
    written = [shutil.copy(ROOT / "dvc.lock", tmp_path / f"{name}.lock") for name in ("quick", "patient")]
    assert change_entry(lock.modify_yaml, written[0]) == change_entry(lock._modify_with_comments, written[1])


def test_what_people_write_keeps_its_comments(tmp_path: Path) -> None:
    """dvc.yaml goes the patient way."""
    path = tmp_path / "dvc.yaml"
    path.write_text("# mine\nstages: {}\n")
    assert b"# mine" in change_entry(lock.modify_yaml, path)


def test_a_write_that_fails_leaves_the_old_lock(tmp_path: Path) -> None:
    """Nor does it leave anything beside it."""
    path = tmp_path / "dvc.lock"
    path.write_text("schema: '2.0'\n")
    with pytest.raises((OstinatoError, YAMLError)), lock.modify_yaml(path) as content:
        content["stages"] = object()
    assert path.read_text() == "schema: '2.0'\n"
    assert [file.name for file in tmp_path.iterdir()] == ["dvc.lock"]


def test_a_repro_by_either_command_leaves_the_same_lock(never_ran: Path, once_ran: Path, tmp_path: Path) -> None:
    """Stage by stage or all at once."""
    project = Path(shutil.copytree(never_ran, tmp_path / "toy"))
    for stage in graph.upstream(project):
        shell(project, sys.executable, SCRIPT, "repro", "--quiet", "--single-item", stage)
    written = [yaml.safe_load((root / "dvc.lock").read_text()) for root in (project, once_ran)]
    assert written[0] == written[1]


def test_a_lock_in_which_nothing_changed_is_not_written(tmp_path: Path) -> None:
    """A stage that came out as it was."""
    path = tmp_path / "dvc.lock"
    path.write_text("schema: '2.0'\nstages: {a: {cmd: x}}\n")
    before = path.stat()
    with lock.modify_yaml(path) as content:
        content["stages"].update({"a": {"cmd": "x"}})
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    with lock.modify_yaml(path) as content:
        content["stages"].update({"a": {"cmd": "y"}})
    assert yaml.safe_load(path.read_text())["stages"] == {"a": {"cmd": "y"}}


def test_the_copy_that_is_read_fast_is_of_the_same_bytes_or_not_read(tmp_path: Path) -> None:
    """Whoever else wrote the lock."""
    path, parsed = tmp_path / "dvc.lock", Paths(tmp_path).dvc_lock_cache
    params = {"x": 1e-05, "none": None, "text": "yes", "off": False, "n": 7}
    with lock.modify_yaml(path) as content:
        content["stages"] = {"a": {"params": {"params.yaml": params}}}
    assert dvc_files.read_parsed(path, parsed) == parse_yaml(path.read_text(), path)
    assert dvc_files.read_lock(tmp_path)["a"]["params"]["params.yaml"] == params  # first from YAML, then from JSON
    assert dvc_files.read_lock(tmp_path)["a"]["params"]["params.yaml"] == params
    path.write_text(path.read_text().replace("1e-05", "2e-05"))
    assert dvc_files.read_parsed(path, parsed) is None
    assert dvc_files.read_lock(tmp_path)["a"]["params"]["params.yaml"]["x"] == 2e-05
    path.write_text("stages: {a: {params: {params.yaml: {1: x}}}}\n")  # JSON has no such key
    assert dvc_files.read_lock(tmp_path) == {"a": {"params": {"params.yaml": {1: "x"}}}}
    assert dvc_files.read_parsed(path, Paths(tmp_path).lock_cache) is None


@pytest.mark.parametrize(
    "text", ["1e-05", "1.0e-5", "0.5", "yes", "off", "true", "7", "-3", "1_000", "~", "", "on", ".5"]
)
def test_scalars_are_what_dvc_reads(tmp_path: Path, text: str) -> None:
    """By YAML 1.2."""
    path = tmp_path / "params.yaml"
    path.write_text(f"x: {text}\n")
    read, wanted = dvc_files.read_yaml(path, "")["x"], parse_yaml(path.read_text(), path)["x"]
    assert (read, type(read)) == (wanted, type(wanted))
