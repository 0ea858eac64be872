"""Fetching: resumed, checked, unpacked below the folder; and every archive that would do harm is refused."""

import hashlib
import io
import json
import os
import stat
import tarfile
import threading
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from ostinato.cli import app
from ostinato.datasets import gtzan
from ostinato.datasets._index import compare
from ostinato.datasets._remote import Remote
from ostinato.errors import DataError, OstinatoError, ParamsError
from ostinato.io import download as fetching
from ostinato.io.archives import unpack
from ostinato.io.download import download

CAP = 2**24


def write_zip(path, files, mode=None):
    """Write a zip archive of names and contents."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if mode:
                info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def write_tar(path, *members):
    """Write a tar archive of (name, content or type and target)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return path


def files_below(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_sound_archive_is_unpacked_whole_and_what_was_there_stays(tmp_path, suffix):
    names = {"./a/one.txt": b"1", "a/b c 🎷.txt": b"22" * 999, "two": b""}
    path = tmp_path / f"x.{suffix}"
    write_zip(path, names) if suffix == "zip" else write_tar(path, *names.items(), ("a", (tarfile.DIRTYPE, "")))
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine").write_text("stays")
    assert unpack(path, folder, max_bytes=CAP) == ["a/one.txt", "a/b c 🎷.txt", "two"]
    assert files_below(folder) == {"a/one.txt": b"1", "a/b c 🎷.txt": b"22" * 999, "two": b"", "mine": b"stays"}


OUTSIDE = ["../evil", "/etc/evil", "a/../../evil", "C:/evil", "..\\evil", "a\\..\\..\\evil", "x" * 300]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_path_out_of_the_folder_is_refused_and_nothing_is_written(tmp_path, name, suffix):
    path = tmp_path / f"x.{suffix}"
    write_zip(path, {"good": b"1", name: b"2"}) if suffix == "zip" else write_tar(path, ("good", b"1"), (name, b"2"))
    folder = tmp_path / "deep" / "out"
    with pytest.raises(DataError, match="leads out of the folder or is not a file name"):
        unpack(path, folder, max_bytes=CAP)
    assert files_below(tmp_path / "deep") == {} if (tmp_path / "deep").exists() else True
    assert not list(tmp_path.rglob("*evil*"))


LINKS = [(tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "good"), (tarfile.FIFOTYPE, ""), (tarfile.CHRTYPE, "")]


@pytest.mark.parametrize("kind", LINKS, ids=["symlink", "hard link", "fifo", "device"])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = write_tar(tmp_path / "x.tar.gz", ("good", b"1"), ("link", kind), ("link/evil", b"2"))
    with pytest.raises(DataError, match="'link' is a link or a device"):
        unpack(path, tmp_path / "out", max_bytes=CAP)
    assert not (tmp_path / "out" / "good").exists()


def test_a_link_in_a_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"link": "/etc/passwd"}, stat.S_IFLNK | 0o777)
    with pytest.raises(DataError, match="'link' is a link or a device"):
        unpack(path, tmp_path / "out", max_bytes=CAP)


def test_a_link_planted_in_the_folder_is_not_followed(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "secret").write_text("mine")
    (folder / "name").symlink_to(tmp_path / "secret")
    unpack(write_zip(tmp_path / "x.zip", {"name": b"theirs"}), folder, max_bytes=CAP)
    assert (tmp_path / "secret").read_text() == "mine"
    (tmp_path / "elsewhere").mkdir()
    (folder / "way").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="behind a link that leads out"):
        unpack(write_zip(tmp_path / "y.zip", {"way/evil": b"theirs"}), folder, max_bytes=CAP)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_bombs_are_refused_by_bytes_files_and_ratio(tmp_path):
    bomb = write_zip(tmp_path / "x.zip", {"zeros": bytes(2**23)})
    with pytest.raises(DataError, match="more than 1,000,000 bytes"):
        unpack(bomb, tmp_path / "out", max_bytes=1_000_000)
    with pytest.raises(DataError, match="more than 200 times its size"):
        unpack(bomb, tmp_path / "out", max_bytes=CAP)
    with pytest.raises(DataError, match="more than 3 files"):
        unpack(write_zip(tmp_path / "y.zip", dict.fromkeys("abcd", b"")), tmp_path / "out", max_bytes=CAP, max_files=3)
    assert files_below(tmp_path / "out") == {} if (tmp_path / "out").exists() else True


def test_an_archive_that_lies_is_damaged_or_is_none_is_refused(tmp_path):
    content = os.urandom(5_000)
    path = write_zip(tmp_path / "x.zip", {"a": content})
    whole = path.read_bytes()
    path.write_bytes(whole.replace((5_000).to_bytes(4, "little"), (4_000).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"not as long as|cannot be unpacked"):
        unpack(path, tmp_path / "out", max_bytes=CAP)
    path.write_bytes(whole[:2_000] + b"!!!!" + whole[2_004:])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out", max_bytes=CAP)
    tar = write_tar(tmp_path / "x.tar.gz", ("a", content))
    tar.write_bytes(tar.read_bytes()[:3_000])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tar, tmp_path / "out", max_bytes=CAP)
    (tmp_path / "text.zip").write_text("not found")
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / "text.zip", tmp_path / "out", max_bytes=CAP)
    twice = write_tar(tmp_path / "twice.tar.gz", ("a", b"1"), ("./a", b"2"))
    with pytest.raises(DataError, match="has 'a' twice"):
        unpack(twice, tmp_path / "out", max_bytes=CAP)


class Handler(BaseHTTPRequestHandler):
    """Serves one content; breaks off after so many bytes, so many times."""

    def __init__(self, server, *args):
        self.state = server
        super().__init__(*args)

    def do_GET(self):
        state, start = self.state, 0
        asked = self.headers.get("Range")
        state.asked.append(asked)
        if state.code:
            return self.send_error(state.code)
        if asked and state.resumes:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(state.content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(state.content) - start))
        self.end_headers()
        rest = state.content[start:]
        if state.breaks:
            state.breaks -= 1
            rest = rest[: state.after]
        self.wfile.write(rest)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def web(tmp_path):
    """Return a server on this machine, what it serves and how it behaves."""
    content = write_zip(tmp_path / "served.zip", {"a/b.txt": os.urandom(300_000)}).read_bytes()
    state = SimpleNamespace(content=content, breaks=0, after=100_000, resumes=True, code=0, asked=[])
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, state))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.remote = Remote(
        f"http://127.0.0.1:{server.server_port}/x", "x.zip", f"sha256:{hashlib.sha256(content).hexdigest()}"
    )
    yield state
    server.shutdown()
    server.server_close()


def test_what_is_fetched_is_unpacked_and_not_fetched_again(web, tmp_path):
    root = tmp_path / "root"
    assert download((web.remote,), root) == ["x.zip"]
    assert (root / "a/b.txt").stat().st_size == 300_000
    assert not (root / "x.zip").exists()
    assert download((web.remote,), root) == []
    assert web.asked == [None]


def test_a_download_that_breaks_off_goes_on_where_it_stopped(web, tmp_path):
    web.breaks = 2
    assert download((web.remote,), tmp_path / "root") == ["x.zip"]
    assert web.asked == [None, "bytes=100000-", "bytes=200000-"]


def test_a_server_that_cannot_go_on_is_asked_for_all(web, tmp_path):
    web.breaks, web.resumes = 1, False
    assert download((web.remote,), tmp_path / "root") == ["x.zip"]


def test_a_killed_download_goes_on_in_the_next_call(web, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    web.breaks = 1
    with pytest.raises(DataError, match=r"was interrupted .*run it again"):
        download((web.remote,), tmp_path / "root")
    assert download((web.remote,), tmp_path / "root") == ["x.zip"]
    assert web.asked == [None, "bytes=100000-"]


def test_something_else_than_was_published_is_deleted(web, tmp_path):
    web.content = web.content[:-1] + b"!"
    with pytest.raises(DataError, match="has another checksum"):
        download((web.remote,), tmp_path / "root")
    assert files_below(tmp_path / "root") == {}


def test_a_file_that_never_ends_and_one_that_is_gone_are_refused(web, tmp_path):
    with pytest.raises(DataError, match="is longer than 1,000 bytes"):
        fetching.fetch(web.remote.url, tmp_path / "x", web.remote.checksum, 1_000)
    web.code = 404
    with pytest.raises(DataError, match="answers 404"):
        download((web.remote,), tmp_path / "root")


def test_the_commands_say_what_there_is_and_fetch_it(web, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    assert "gtzan" in run.invoke(app, ["datasets"]).stdout
    assert run.invoke(app, ["datasets", "fma", "--cite"]).stdout.startswith("@inproceedings{fma_dataset")
    assert run.invoke(app, ["datasets", "fma", "--license"]).stdout.startswith("metadata CC BY 4.0")
    assert "tracks: 1,000" in run.invoke(app, ["datasets", "gtzan"]).stdout
    monkeypatch.setattr(gtzan, "REMOTES", (web.remote,))
    monkeypatch.delattr(gtzan, "INDEX")
    assert run.invoke(app, ["download", "gtzan", "--to", "here"]).stdout == "downloaded x.zip\n"
    assert (tmp_path / "here/a/b.txt").exists()
    assert isinstance(run.invoke(app, ["download", "soundtracks"]).exception, OstinatoError)
    assert "subset" in str(run.invoke(app, ["download", "fma", "--set", "subset=huge"]).exception)


def entry(path, content):
    return {"audio": [path, hashlib.md5(content).hexdigest()], "tempo": [None, None]}


@pytest.fixture
def indexed_clips(web, tmp_path, monkeypatch):
    """Return a folder of two clips and the server of their index, as it is published."""
    (tmp_path / "clips/genres/blues").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / f"clips/genres/blues/{name}.wav").write_bytes(name.encode())
    tracks = {name: entry(f"gtzan_genre/genres/blues/{name}.wav", name.encode()) for name in ("a", "b")}
    web.content = json.dumps({"version": "1.0", "tracks": tracks}).encode()
    checksum = f"md5:{hashlib.md5(web.content).hexdigest()}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gtzan, "INDEX", Remote(web.remote.url, "index.json", checksum, unpack=False))
    return tmp_path / "clips"


def check_clips():
    return CliRunner().invoke(app, ["download", "gtzan", "--to", "clips", "--check"])


def test_files_are_held_against_the_published_index(indexed_clips):
    said = check_clips()
    assert (said.exit_code, said.stdout) == (0, "gtzan: 2 of 2 files as published\n")
    (indexed_clips / "genres/blues/a.wav").write_bytes(b"c")
    (indexed_clips / "genres/blues/b.wav").unlink()
    said = check_clips()
    assert said.exit_code == 1
    assert said.stdout.splitlines() == [
        "missing: gtzan_genre/genres/blues/b.wav",
        "altered: gtzan_genre/genres/blues/a.wav",
        "gtzan: 0 of 2 files as published",
    ]


def test_a_fetched_dataset_is_held_against_its_index(indexed_clips, web, monkeypatch):
    lists = Remote(web.remote.url, "lists.txt", gtzan.INDEX.checksum, unpack=False)
    monkeypatch.setattr(gtzan, "REMOTES", (lists,))
    said = CliRunner().invoke(app, ["download", "gtzan", "--to", "clips"])
    assert said.stdout.splitlines() == ["downloaded lists.txt", "gtzan: 2 of 2 files as published"]


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"tracks": {"a": {"tempo": []}}}', '{"tracks": {"a": {"audio": "x"}}}']
)
def test_what_is_no_index_is_named(tmp_path, content):
    (tmp_path / "a.wav").touch()
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(DataError, match=r"index\.json: is not an index of mirdata; delete it"):
        compare(tmp_path, tmp_path / "index.json")


def test_a_dataset_without_an_index_cannot_be_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match="fma has no index"):
        CliRunner().invoke(app, ["download", "fma", "--check"], catch_exceptions=False)
