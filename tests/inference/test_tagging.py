"""Labels written into the tags of files of every container that holds tags, and taken back."""

import io
import json
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
import soundfile
from mutagen import id3

from ostinato import audio
from ostinato.errors import DataError
from ostinato.inference import tagging
from ostinato.inference.tagging import Change, plan_change, read_field, restore, write_changes, write_field

RATE = 22050
FILES = ("a.mp3", "v23.mp3", "a.flac", "a.ogg", "a.opus", "a.wav", "a.aiff", "a.m4a")


def write_file(path: Path) -> Path:
    """Write a second of sound with a title and a genre."""
    y = (0.3 * np.sin(np.arange(2 * RATE) / 20)).astype(np.float32)
    if path.suffix in (".m4a", ".opus"):
        codec, rate = ("aac", RATE) if path.suffix == ".m4a" else ("libopus", 48000)
        with av.open(str(path), "w", format="mp4" if codec == "aac" else "ogg") as container:
            stream = container.add_stream(codec, rate=rate, layout="mono")
            for start in range(0, len(y) // 1024 * 1024, 1024):
                frame = av.AudioFrame.from_ndarray(y[np.newaxis, start : start + 1024], "fltp", "mono")
                frame.rate = rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    else:
        soundfile.write(path, y, RATE)
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, id3.ID3Tags):
        file.tags.add(id3.TIT2(encoding=1, text=["Lied ü"]))
        file.tags.add(id3.TCON(encoding=1, text=["Rock"]))
        file.save(**({"v2_version": 3} if path.stem == "v23" else {}))
    elif path.suffix == ".m4a":
        file.tags["\xa9nam"], file.tags["\xa9gen"] = ["Lied ü"], ["Rock"]
        file.save()
    else:
        file.tags["title"], file.tags["genre"] = ["Lied ü"], ["Rock"]
        file.save()
    return path


def read_title(path: Path) -> str:
    name = {".mp3": "TIT2", ".wav": "TIT2", ".aiff": "TIT2", ".m4a": "\xa9nam"}.get(path.suffix, "title")
    return str(mutagen.File(path).tags[name]).strip("[]'")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("field", ["genre", "grouping"])
def test_a_field_changes_and_nothing_else_does(tmp_path, name, field):
    path = write_file(tmp_path / name)
    path.chmod(0o640)
    before, _ = audio.load(path)
    old = read_field(path, field)
    assert old == (["Rock"] if field == "genre" else [])
    write_field(path, field, ["Jazz", "Bebop"])
    assert read_field(path, field) == ["Jazz", "Bebop"] or (
        name == "v23.mp3" and read_field(path, field) == ["Jazz/Bebop"]
    )
    assert read_field(path, "genre" if field == "grouping" else "grouping") == (["Rock"] if field == "grouping" else [])
    np.testing.assert_array_equal(audio.load(path)[0], before)
    assert read_title(path) == "Lied ü"
    assert path.stat().st_mode & 0o777 == 0o640
    write_field(path, field, old)
    assert read_field(path, field) == old
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_file_of_version_2_3_stays_one(tmp_path):
    path = write_file(tmp_path / "v23.mp3")
    write_field(path, "genre", ["Jazz"])
    assert path.read_bytes()[:4] == b"ID3\x03"
    assert path.read_bytes().count(b"Rock") == 0


def answer(path: Path, label, unsure: bool = False) -> dict:
    return {"path": str(path), "task": "genre" if isinstance(label, str) else "tags", "label": label, "unsure": unsure}


def test_unsure_labels_and_those_that_stand_already_are_left(tmp_path):
    path = write_file(tmp_path / "a.flac")
    assert plan_change(answer(path, "Jazz")) == Change(str(path), "genre", ("Rock",), ("Jazz",))
    assert plan_change(answer(path, "Jazz", unsure=True)) is None
    assert plan_change(answer(path, "Rock")) is None
    assert plan_change(answer(path, [])) is None
    assert plan_change(answer(path, ["calm", "loud"])) == Change(str(path), "grouping", (), ("calm", "loud"))


def test_the_journal_restores_all_but_what_was_changed_since(tmp_path):
    paths = [write_file(tmp_path / name) for name in ("a.mp3", "a.flac", "a.ogg")]
    journal = tmp_path / "tags.jsonl"
    changes = [plan_change(answer(path, "Jazz")) for path in paths]
    assert list(write_changes(changes, journal)) == changes
    write_field(paths[1], "genre", ["Blues"])
    paths[2].unlink()
    restored, missing, changed = None, None, None
    for step in restore(journal):
        if isinstance(step, Change):
            restored = step
        elif "a.ogg" in str(step):
            missing = step
        else:
            changed = step
    assert restored == Change(str(paths[0]), "genre", ("Jazz",), ("Rock",))
    assert missing is not None
    assert "changed since to ['Blues']" in str(changed)
    assert [read_field(p, "genre") for p in paths[:2]] == [["Rock"], ["Blues"]]


def test_old_values_stand_in_the_journal_before_a_file_is_written(tmp_path, monkeypatch):
    path, journal = write_file(tmp_path / "a.flac"), tmp_path / "tags.jsonl"
    monkeypatch.setattr(tagging, "write_field", lambda *_: pytest.fail(journal.read_text()))
    with pytest.raises(pytest.fail.Exception, match='"old": \\["Rock"\\]'):
        list(write_changes([plan_change(answer(path, "Jazz"))], journal))


def test_a_journal_that_was_cut_off_is_read_and_another_file_is_refused(tmp_path):
    line = json.dumps({"path": "a.flac", "field": "genre", "old": [], "new": ["Jazz"]})
    (tmp_path / "journal").write_text(line + "\n" + line[:20])
    assert tagging.read_journal(tmp_path / "journal") == [Change("a.flac", "genre", (), ("Jazz",))]
    (tmp_path / "other").write_text("no journal\nat all\n")
    with pytest.raises(DataError, match="line 1 is not a change of a tag"):
        tagging.read_journal(tmp_path / "other")


def test_what_holds_no_tags_is_named_and_the_others_go_on(tmp_path):
    (tmp_path / "a.txt").write_text("no music")
    good = write_file(tmp_path / "a.flac")
    changes = [Change(str(tmp_path / "a.txt"), "genre", (), ("Jazz",)), plan_change(answer(good, "Jazz"))]
    err = io.StringIO()
    assert tagging.report(write_changes(changes, tmp_path / "tags.jsonl"), "written", err=err) == 1
    assert "a.txt: this format cannot hold tags" in err.getvalue()
    assert "1 written, 0 left as they are, 1 failed" in err.getvalue()
    assert read_field(good, "genre") == ["Jazz"]
    assert (tmp_path / "a.txt").read_text() == "no music"


def test_the_command_lists_writes_and_restores(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from ostinato.cli import app
    from serving.served_project import release

    release(tmp_path / "released" / "genre")
    path = write_file(tmp_path / "a.flac")

    def call(*options: str):
        return CliRunner().invoke(app, ["tag", *options, "--journal", str(tmp_path / "tags.jsonl")])

    listing = call(str(path), "--models", str(tmp_path / "released"))
    assert "genre: Rock -> " in listing.stdout
    assert "1 would be written" in listing.stderr
    assert read_field(path, "genre") == ["Rock"]
    label = listing.stdout.strip().rpartition(" -> ")[2]
    assert "1 written" in call(str(path), "--models", str(tmp_path / "released"), "--write").stderr
    assert read_field(path, "genre") == [label]
    assert "0 written, 1 left as they are" in call(str(path), "--models", str(tmp_path / "released"), "--write").stderr
    assert "1 restored" in call("--restore").stderr
    assert read_field(path, "genre") == ["Rock"]
    assert call().exit_code == 2
