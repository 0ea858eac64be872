"""Releases at two sites: what is in service at one is pushed, and pulled at the other."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.errors import OstinatoError
from ostinato.io import versions
from ostinato.io.files import write_json
from ostinato.io.versions import Pointer
from ostinato.release.remote import Remote, find_dvc_remote, list_releases, pull, push


def release(releases: Path, version: int, task: str = "genre", network: bytes = b"weights") -> Path:
    """Put a version in service."""
    folder = releases / task
    incoming = versions.make_incoming(folder)
    (incoming / "network.onnx").write_bytes(network)
    write_json(incoming / "model.json", {"name": f"model {version}"})
    write_json(incoming / "reference.json", {})
    digests = versions.compute_digests(incoming, ["network.onnx", "model.json"])
    write_json(incoming / "release.json", {"version": version, "files": digests, "reasons": ["it leads"]})
    versions.add_version(folder, incoming, version, 5)
    return folder / str(version)


@pytest.fixture(params=["a folder", "a URL"])
def remote(request, tmp_path) -> Remote:
    target = str(tmp_path / "remote") if request.param == "a folder" else f"memory://{tmp_path.name}"
    return Remote(target, tmp_path)


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_second_site_serves_the_same_bytes(tmp_path, remote):
    here, there = tmp_path / "here", tmp_path / "there"
    release(here, 1)
    release(here, 1, "catalog")
    assert [(t.task, t.version, t.n_files) for t in push(here, remote)] == [("genre", 1, 4), ("catalog", 1, 4)]
    assert [(t.task, t.version, t.n_files) for t in pull(there, remote)] == [("genre", 1, 4), ("catalog", 1, 4)]
    assert read_all(there) == read_all(here)
    assert [t.n_files for t in push(here, remote)] == [0, 0]
    assert [t.n_files for t in pull(there, remote)] == [0, 0]
    assert list_releases(there) == list_releases(here)


def test_a_new_version_and_a_rollback_follow(tmp_path, remote):
    here, there = tmp_path / "here", tmp_path / "there"
    release(here, 1)
    push(here, remote)
    pull(there, remote)
    release(here, 2, network=b"better")
    push(here, remote)
    pull(there, remote)
    assert versions.find_current(there / "genre").name == "2"
    versions.set_pointer(here / "genre", Pointer(1, 2, hold=True))
    push(here, remote)
    pull(there, remote)
    assert versions.read_pointer(there / "genre") == Pointer(1, 2, hold=True)
    assert [(r["version"], r["in_service"]) for r in list_releases(there)] == [(1, True), (2, False)]


@pytest.mark.parametrize("name", ["network.onnx", "reference.json", "release.json"])
def test_bytes_that_do_not_match_are_not_served(tmp_path, remote, name):
    here, there = tmp_path / "here", tmp_path / "there"
    release(here, 1)
    push(here, remote)
    pull(there, remote)
    before = read_all(there)
    release(here, 2, network=b"better")
    push(here, remote)
    remote.write(b"other bytes", "genre", "2", name)
    with pytest.raises(OstinatoError, match=f"genre/2/{name}: is not the file that was pushed"):
        pull(there, remote)
    assert {k: v for k, v in read_all(there).items() if ".incoming" not in k} == before


def test_another_release_of_the_same_number_is_refused_at_either_end(tmp_path, remote):
    here, there = tmp_path / "here", tmp_path / "there"
    release(here, 1)
    release(there, 1, network=b"own")
    push(here, remote)
    with pytest.raises(OstinatoError, match="has another release 1 of genre"):
        push(there, remote)
    with pytest.raises(OstinatoError, match="has another release 1; pull into another folder"):
        pull(there, remote)


def test_what_was_damaged_here_is_not_pushed(tmp_path, remote):
    (release(tmp_path / "here", 1) / "network.onnx").write_bytes(b"flipped")
    with pytest.raises(OstinatoError, match="is not the file that was released"):
        push(tmp_path / "here", remote)
    assert remote.list_tasks() == []
    assert "is not the file that was released" in list_releases(tmp_path / "here")[0]["damage"]


def test_a_push_that_was_interrupted_leaves_the_version_before_it_in_service(tmp_path, remote, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    release(here, 1)
    push(here, remote)
    release(here, 2, network=b"better")
    write = Remote.write

    def fail_at_the_end(self, content, *names):
        if names[-1] == "manifest.json":
            raise OSError("the line is cut")
        write(self, content, *names)

    monkeypatch.setattr(Remote, "write", fail_at_the_end)
    with pytest.raises(OSError, match="the line is cut"):
        push(here, remote)
    monkeypatch.undo()
    pull(there, remote)
    assert versions.find_current(there / "genre").name == "1"


def test_nothing_to_push_and_nothing_to_pull(tmp_path, remote):
    with pytest.raises(OstinatoError, match="nothing is released; run `ostinato release`"):
        push(tmp_path / "here", remote)
    with pytest.raises(OstinatoError, match="nothing is released"):
        pull(tmp_path / "there", remote)
    release(tmp_path / "here", 1)
    with pytest.raises(OstinatoError, match="nothing is released for 'tags'; there is genre"):
        push(tmp_path / "here", remote, ["tags"])


def test_a_remote_may_be_called_as_dvc_calls_it(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        "['remote \"store\"']\n    url = ../store\n['remote \"far\"']\n    url = s3://a/b%20c\n"
    )
    assert find_dvc_remote("store", tmp_path) == str(tmp_path / "store")
    assert find_dvc_remote("far", tmp_path) == "s3://a/b%20c"
    assert find_dvc_remote("other", tmp_path) is None


def test_a_protocol_that_is_not_known(tmp_path):
    with pytest.raises(OstinatoError, match="nowhere://x: cannot be opened"):
        Remote("nowhere://x", tmp_path)


def test_a_remote_that_refuses_is_named(tmp_path, monkeypatch):
    remote = Remote(f"memory://{tmp_path.name}", tmp_path)

    def refuse(*given, **more):
        raise RuntimeError("Unable to locate credentials")

    for name in ("ls", "cat_file", "pipe_file"):
        monkeypatch.setattr(remote.filesystem, name, refuse)
    release(tmp_path / "here", 1)
    for go in (lambda: pull(tmp_path / "there", remote), lambda: push(tmp_path / "here", remote)):
        with pytest.raises(OstinatoError, match=rf"memory://{tmp_path.name}.*\(Unable to locate credentials\)"):
            go()


def test_the_commands(tmp_path, monkeypatch):
    release(tmp_path / "models" / "released", 1)
    monkeypatch.chdir(tmp_path)
    call = CliRunner().invoke
    assert "genre: version 1" in call(app, ["push", "store"]).stdout
    assert "4 files pulled" in call(app, ["pull", "store", "--models", "other"]).stdout
    assert read_all(tmp_path / "other") == read_all(tmp_path / "models" / "released")
    assert "model 1" in call(app, ["releases"]).stdout
    (row,) = json.loads(call(app, ["releases", "--json"]).stdout)
    assert (row["task"], row["version"], row["in_service"], row["damage"]) == ("genre", 1, True, None)
