"""Ingest: every file decoded once, ordinals for ever, the same bytes for the same input."""

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import mutagen.flac
import numpy as np
import pandas as pd
import pytest
import soundfile

from ostinato import datasets
from ostinato.audio import measurement, snapshot
from ostinato.core.params.schema import Compute, Dataset, Ingest
from ostinato.core.paths import Paths
from ostinato.curation import inventory
from ostinato.errors import DataError, OstinatoError, ParamsError, ReadError
from ostinato.io import files, tables
from ostinato.stages import ingest

RATE = 8_000


@pytest.fixture
def paths(tmp_path, rng):
    """Make a project with two genres of three clips."""
    for name in ("jazz/a.wav", "jazz/b.wav", "jazz/c.flac", "rock/d e.wav", "rock/f🎸.wav", "rock/g.flac"):
        write(tmp_path / "data/raw/folder" / name, rng)
    return Paths(tmp_path)


def write(path, rng, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng.uniform(-0.5, 0.5, int(seconds * RATE)), RATE)


def run(paths, max_vanished_share=0.2, **dataset):
    params = SimpleNamespace(
        seed=1,
        compute=Compute(workers=1),
        ingest=Ingest(max_vanished_share=max_vanished_share),
        dataset=Dataset(**{"name": "folder", **dataset}),
    )
    ingest.run(paths, params)
    return tables.read(paths.tracks).set_index("track_id"), tables.read(paths.files).set_index("track_id")


@pytest.fixture
def decoded_names(monkeypatch):
    """Collect the names of files that are decoded."""
    names, calls = [], []
    decode, measure = measurement.measure, inventory.measure

    def measure_and_record(root, path, known=None):
        calls.clear()
        row = measure(root, path, known)
        names.extend([Path(path).name] * len(calls))
        return row

    monkeypatch.setattr(measurement, "measure", lambda path, **given: calls.append(path) or decode(path, **given))
    monkeypatch.setattr(inventory, "measure", measure_and_record)
    monkeypatch.setattr(inventory, "cache_name", lambda root: "files.parquet")
    return names


def refuse(patch, code, *names):
    """Have the system refuse to read files, the second piece of one of them if it is EIO."""

    class Broken(io.BytesIO):
        def fileno(self):
            return self.number

        def read(self, size=-1):
            if self.tell():
                raise OSError(code, os.strerror(code))
            return super().read(100)

    def open_or_fail(path, mode):
        if Path(path).name not in names:
            return open(path, mode)
        if code != errno.EIO:
            raise OSError(code, os.strerror(code))
        file = Broken(Path(path).read_bytes())
        file.number = os.open(path, os.O_RDONLY)
        return file

    patch.setattr(files, "PAUSES", (0, 0))
    patch.setattr(snapshot, "open", open_or_fail, raising=False)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOMEM, errno.ENOENT])
def test_files_that_cannot_be_read_stop_the_stage_by_name_and_the_next_run_goes_on(
    paths, decoded_names, monkeypatch, code
):
    """Known ones, by whatever error; nothing of the tables changes, and what was measured is kept."""
    run(paths)
    before = {p: p.read_bytes() for p in (paths.tracks, paths.files, paths.receipt("ingest"))}
    shutil.rmtree(paths.state)
    with monkeypatch.context() as patch:
        refuse(patch, code, "a.wav", "g.flac")
        with pytest.raises(
            ReadError, match=r"2 of 6 files cannot be read: jazz/a\.wav .*; rock/g\.flac .*kept"
        ) as told:
            run(paths)
    assert ("is not there" if code == errno.ENOENT else os.strerror(code)) in str(told.value)
    assert {p: p.read_bytes() for p in before} == before
    decoded_names.clear()
    run(paths)
    assert decoded_names == ["a.wav", "g.flac"]
    assert {p: p.read_bytes() for p in before} == before


def test_a_file_that_cannot_be_read_for_a_moment_is_tried_again(paths, monkeypatch):
    refusals = iter([errno.ESTALE, errno.EIO])

    def open_or_fail(path, mode):
        if Path(path).name == "a.wav":
            for code in refusals:
                raise OSError(code, os.strerror(code))
        return open(path, mode)

    monkeypatch.setattr(files, "PAUSES", (0, 0))
    monkeypatch.setattr(snapshot, "open", open_or_fail, raising=False)
    tracks, _ = run(paths)
    assert tracks["content_hash"].notna().all()


def test_many_files_that_cannot_be_read_are_not_waited_for_one_by_one(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(files.time, "sleep", waits.append)
    monkeypatch.setattr(files._Patience, "n_failed", 0)
    for i in range(3 * files.MAX_PATIENCE):
        with pytest.raises(ReadError, match=f"{i}.wav: is not there"), snapshot.open_snapshot(tmp_path / f"{i}.wav"):
            pass
    assert waits == [*files.PAUSES] * files.MAX_PATIENCE


def test_a_file_that_is_written_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(b"a")

    def grow(n_bytes):
        with open(path, "ab") as file:
            file.write(b"b")
        return tempfile.TemporaryFile()

    monkeypatch.setattr(files, "PAUSES", (0,))
    monkeypatch.setattr(snapshot, "_open_copy", grow)
    with pytest.raises(ReadError, match="another program writes it"), snapshot.open_snapshot(path):
        pass
    assert path.read_bytes() == b"abb"


def test_another_file_of_the_same_size_and_time_is_seen(paths, decoded_names):
    """As a copy has that keeps times: another writing changes ctime or inode."""
    old, _ = run(paths)
    file = paths.raw("folder") / "jazz/b.wav"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[2000] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    decoded_names.clear()
    new, _ = run(paths)
    assert decoded_names == ["b.wav"]
    assert new.loc["jazz/b.wav", "content_hash"] == hashlib.sha256(content).hexdigest()
    assert old.loc["jazz/b.wav", "content_hash"] != new.loc["jazz/b.wav", "content_hash"]


def test_the_same_bytes_under_another_inode_are_not_decoded_again(paths, decoded_names):
    run(paths)
    before = paths.tracks.read_bytes(), paths.files.read_bytes()
    shutil.copytree(paths.raw("folder"), paths.root / "copy")
    shutil.rmtree(paths.raw("folder"))
    (paths.root / "copy").rename(paths.raw("folder"))
    decoded_names.clear()
    run(paths)
    assert decoded_names == []
    assert (paths.tracks.read_bytes(), paths.files.read_bytes()) == before


def test_what_another_way_to_measure_left_is_deleted(paths, monkeypatch):
    run(paths)
    (first,) = paths.state.glob("files-*.parquet")
    elsewhere = paths.state / "files-0123-4567.parquet"
    elsewhere.touch()
    monkeypatch.setattr(inventory, "MEASURING_MODULES", ("ostinato.io.files",))
    run(paths)
    assert not first.exists()
    assert elsewhere.exists()
    assert len(list(paths.state.glob("files-*.parquet"))) == 2


def test_tables_hold_what_was_found_and_measured(paths):
    tracks, files = run(paths)
    assert tracks["ordinal"].tolist() == list(range(6))
    assert tracks["genre"].tolist() == ["jazz"] * 3 + ["rock"] * 3
    assert (tracks["n_samples"] == RATE // 2).all()
    assert (tracks["duration"] == 0.5).all()
    assert tracks["content_hash"].str.len().eq(64).all()
    assert files["rms_db"].between(-11.5, -10).all()
    assert files["error"].isna().all()
    assert [list(t) for t in tracks["tags"]] == [[]] * 6
    assert tables.read(paths.tracks).columns.tolist() == tables.TRACKS.names
    assert tables.read(paths.files).columns.tolist() == tables.FILES.names


def test_a_second_run_decodes_nothing_and_writes_the_same_bytes(paths, decoded_names):
    run(paths)
    assert len(decoded_names) == 6
    before = paths.tracks.read_bytes(), paths.files.read_bytes()
    run(paths)
    assert len(decoded_names) == 6
    assert (paths.tracks.read_bytes(), paths.files.read_bytes()) == before
    shutil.rmtree(paths.state)
    run(paths)
    assert len(decoded_names) == 12
    assert (paths.tracks.read_bytes(), paths.files.read_bytes()) == before


def test_several_processes_write_the_same_bytes(paths, monkeypatch):
    run(paths)
    before = paths.tracks.read_bytes(), paths.files.read_bytes()
    shutil.rmtree(paths.state)
    monkeypatch.setattr(inventory, "FILES_PER_PROCESS", 1)
    params = SimpleNamespace(seed=1, compute=Compute(workers=2), ingest=Ingest(), dataset=Dataset(name="folder"))
    ingest.run(paths, params)
    assert (paths.tracks.read_bytes(), paths.files.read_bytes()) == before


def test_a_broken_cache_is_measured_anew(paths, decoded_names):
    run(paths)
    (paths.state / "files.parquet").write_bytes(b"PAR1 nonsense")
    run(paths)
    assert len(decoded_names) == 12


def test_a_grown_folder_measures_only_what_is_new(paths, decoded_names, rng):
    old, _ = run(paths)
    write(paths.raw("folder") / "jazz/aa.wav", rng)
    decoded_names.clear()
    new, _ = run(paths)
    assert decoded_names == ["aa.wav"]
    assert new.loc["jazz/aa.wav", "ordinal"] == 6
    assert new.index[-1] == "jazz/aa.wav"
    pd.testing.assert_frame_equal(new.iloc[:6], old)


def test_a_changed_file_is_seen_and_keeps_its_ordinal(paths, decoded_names, rng):
    old, _ = run(paths)
    write(paths.raw("folder") / "jazz/b.wav", rng, seconds=0.75)
    decoded_names.clear()
    new, _ = run(paths)
    assert decoded_names == ["b.wav"]
    assert new.loc["jazz/b.wav", "ordinal"] == old.loc["jazz/b.wav", "ordinal"]
    assert new.loc["jazz/b.wav", "content_hash"] != old.loc["jazz/b.wav", "content_hash"]
    assert new.loc["jazz/b.wav", "duration"] == 0.75


def test_an_ordinal_is_never_given_twice(paths, rng):
    run(paths)
    last = paths.raw("folder") / "rock/g.flac"
    last.unlink()
    tracks, _ = run(paths)
    assert tracks["ordinal"].tolist() == [0, 1, 2, 3, 4]
    write(paths.raw("folder") / "rock/z.wav", rng)
    tracks, _ = run(paths)
    assert tracks.loc["rock/z.wav", "ordinal"] == 6


def test_a_broken_file_has_an_error_and_the_rest_goes_on(paths, rng):
    raw = paths.raw("folder")
    (raw / "jazz/text.mp3").write_text("no music here\n" * 99)
    (raw / "jazz/empty.wav").touch()
    (raw / "jazz/gone.wav").symlink_to("nowhere.wav")
    tracks, files = run(paths)
    assert len(tracks) == 9
    broken = files[files["error"].notna()]
    assert broken.index.tolist() == ["jazz/empty.wav", "jazz/gone.wav", "jazz/text.mp3"]
    assert broken["duration"].isna().all()
    assert (broken["n_samples"] == 0).all()
    assert not broken["error"].str.contains(str(paths.root)).any()


def test_raw_audio_is_left_as_it_is(paths):
    def state():
        return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in paths.raw("folder").rglob("*.*")}

    before = state()
    run(paths)
    assert state() == before


def test_a_kill_keeps_what_was_measured(paths, decoded_names, monkeypatch):
    monkeypatch.setattr(inventory, "BATCH", 2)
    measure = inventory.measure

    def interrupt(root, path, known=None):
        if Path(path).name.startswith("f"):
            raise KeyboardInterrupt
        return measure(root, path, known)

    with monkeypatch.context() as patch:
        patch.setattr(inventory, "measure", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(paths)
    decoded_names.clear()
    run(paths)
    assert decoded_names == ["f🎸.wav", "g.flac"]


def test_what_is_written_grows_with_what_is_measured(paths, decoded_names, monkeypatch):
    """Each row is written twice, beside the cache and into it, however many batches there are."""
    monkeypatch.setattr(inventory, "BATCH", 1)
    written, write_table = [], inventory.tables.write

    def write_counted(path, frame, schema, notes=None):
        if path.parent == paths.state:
            written.append(len(frame))
        write_table(path, frame, schema, notes)

    monkeypatch.setattr(inventory.tables, "write", write_counted)
    run(paths)
    assert written == [1] * 6 + [6]
    assert [file.name for file in paths.state.glob("files*")] == ["files.parquet"]


def test_several_kills_lose_a_batch_each(paths, decoded_names, monkeypatch):
    monkeypatch.setattr(inventory, "BATCH", 2)
    undisturbed, measure = inventory.measure, inventory.measure
    for last in ("c", "f"):

        def interrupt(root, path, known=None, last=last):
            if Path(path).name.startswith(last):
                raise KeyboardInterrupt
            return measure(root, path, known)

        monkeypatch.setattr(inventory, "measure", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(paths)
    monkeypatch.setattr(inventory, "measure", undisturbed)
    broken = sorted(paths.state.glob("files.*.parquet"))
    assert len(broken) == 2
    broken[0].write_bytes(b"PAR1 nonsense")  # as after a power cut
    decoded_names.clear()
    run(paths)
    assert decoded_names == ["a.wav", "b.wav", "f🎸.wav", "g.flac"]
    assert [file.name for file in paths.state.glob("files*")] == ["files.parquet"]


def test_only_the_chosen_classes_are_kept(paths):
    tracks, files = run(paths, classes=["rock"])
    assert set(tracks["genre"]) == {"rock"}
    assert len(files) == 3
    with pytest.raises(ParamsError, match="no track has the class 'polka'; there are jazz, rock"):
        run(paths, classes=["polka"])


def test_an_unknown_option_or_dataset_is_named(paths):
    with pytest.raises(ParamsError, match=r"dataset\.tabel.*table, columns"):
        run(paths, tabel="x.csv")
    with pytest.raises(OstinatoError, match=r"there is no 'floder'; there are .*did you mean 'folder'"):
        run(paths, name="floder")


def test_the_same_id_twice_is_refused():
    with pytest.raises(DataError, match="'a' is listed twice"):
        inventory.complete(pd.DataFrame({"track_id": ["a", "a"], "path": ["a", "b"]}))


def test_the_root_is_chosen_by_params_then_environment_then_name(tmp_path, monkeypatch):
    paths = Paths(tmp_path)
    assert datasets.dataset_root(paths, Dataset(name="x")) == tmp_path / "data/raw/x"
    monkeypatch.setenv(datasets.ENVIRONMENT, "/elsewhere")
    assert str(datasets.dataset_root(paths, Dataset(name="x"))) == "/elsewhere"
    assert datasets.dataset_root(paths, Dataset(name="x", path="below")) == tmp_path / "below"


def test_a_table_that_is_absent_or_broken_says_how_to_mend_it(tmp_path):
    with pytest.raises(OstinatoError, match="run the stage that writes it"):
        tables.read(tmp_path / "absent.parquet")
    (tmp_path / "broken.parquet").write_bytes(np.arange(9).tobytes())
    with pytest.raises(OstinatoError, match="is not a Parquet"):
        tables.read(tmp_path / "broken.parquet")


def read_receipt(paths):
    return json.loads(paths.receipt("ingest").read_text())


def test_a_genre_that_is_a_link_is_followed_and_what_is_passed_over_is_counted(paths, rng, tmp_path):
    raw = paths.raw("folder")
    write(tmp_path / "elsewhere/polka/h.w64", rng)
    (raw / "polka").symlink_to(tmp_path / "elsewhere/polka")
    (raw / "polka/back").symlink_to(raw)
    (raw / "jazz/again.wav").symlink_to("a.wav")
    (raw / "jazz/x.mid").touch()
    tracks, _ = run(paths)
    assert tracks.loc["polka/h.w64", "genre"] == "polka"
    assert tracks.loc["polka/h.w64", "n_samples"] == RATE // 2
    assert len(tracks) == 7
    assert read_receipt(paths)["passed_over"] == [
        {
            "reason": "leading to the same file as another path",
            "n": 1,
            "example": "jazz/again.wav (same as jazz/a.wav)",
        },
        {"reason": "leading to the same folder as another path", "n": 1, "example": "polka/back (same as .)"},
        {"reason": "with the suffix .mid", "n": 1, "example": "jazz/x.mid"},
    ]


def test_half_of_a_collection_away_stops_the_run(paths):
    run(paths)
    before = {p: p.read_bytes() for p in (paths.tracks, paths.files, paths.receipt("ingest"))}
    (paths.raw("folder") / "rock").rename(paths.root / "away")
    with pytest.raises(DataError, match=r"3 of 6 known tracks are gone, such as rock/.*, 3 of them below rock") as told:
        run(paths)
    assert "mount or restore the folder, or raise ingest.max_vanished_share" in str(told.value)
    assert {p: p.read_bytes() for p in before} == before
    (paths.root / "away").rename(paths.raw("folder") / "rock")
    run(paths)
    assert {p: p.read_bytes() for p in before} == before


def test_tracks_that_are_let_go_on_purpose_have_their_ordinals_again_when_they_are_back(paths, rng):
    old, _ = run(paths)
    (paths.raw("folder") / "jazz").rename(paths.root / "away")
    tracks, _ = run(paths, max_vanished_share=0.5)
    assert tracks["ordinal"].tolist() == [3, 4, 5]
    assert read_receipt(paths)["gone"] == {"jazz/a.wav": 0, "jazz/b.wav": 1, "jazz/c.flac": 2}
    write(paths.raw("folder") / "rock/new.wav", rng)
    run(paths)
    (paths.root / "away").rename(paths.raw("folder") / "jazz")
    tracks, _ = run(paths)
    pd.testing.assert_frame_equal(tracks.drop("rock/new.wav"), old)
    assert tracks.loc["rock/new.wav", "ordinal"] == 6
    assert read_receipt(paths)["gone"] == {}


def test_a_kill_before_the_receipt_keeps_the_ordinals_of_removed_tracks(paths, rng, monkeypatch):
    old, _ = run(paths)
    (paths.raw("folder") / "jazz").rename(paths.root / "away")
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "write_json", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(paths, max_vanished_share=0.5)
    run(paths, max_vanished_share=0.5)
    assert read_receipt(paths)["gone"] == {"jazz/a.wav": 0, "jazz/b.wav": 1, "jazz/c.flac": 2}
    (paths.root / "away").rename(paths.raw("folder") / "jazz")
    pd.testing.assert_frame_equal(run(paths)[0], old)


def test_another_dataset_in_its_place_is_no_loss(paths, rng):
    run(paths)
    write(paths.root / "other/polka/a.wav", rng)
    tracks, _ = run(paths, path="other")
    assert tracks.index.tolist() == ["polka/a.wav"]


def test_tracks_that_can_be_used_for_nothing_are_counted(paths, rng, caplog):
    write(paths.raw("folder") / "alone.wav", rng)
    run(paths)
    assert "1 of 7 tracks with neither a genre nor tags, which go into no split, such as alone.wav" in caplog.text
    assert "7 of 7 tracks by an unknown artist" in caplog.text
    assert "read_tags" not in caplog.text, "these files have no tags"
    kept = json.loads(tables.notes(paths.tracks)["remarks"])
    assert [remark["n"] for remark in kept] == [1, 7]


def test_tags_that_would_tell_the_artist_are_pointed_out(paths, caplog):
    tagged = mutagen.flac.FLAC(paths.raw("folder") / "jazz/c.flac")
    tagged["artist"] = "Miles"
    tagged.save()
    run(paths)
    assert "1 of 6 files read as a sample name the artist only in their own tags; set dataset.read_tags: true" in (
        caplog.text
    )
    caplog.clear()
    run(paths, read_tags=True)
    assert "5 of 6 tracks by an unknown artist" in caplog.text
    assert "read_tags" not in caplog.text


def test_an_empty_folder_names_what_would_be_lost(paths):
    run(paths)
    before = {p: p.read_bytes() for p in paths.tracks.parent.rglob("*") if p.is_file()}
    for folder in ("jazz", "rock"):
        (paths.raw("folder") / folder).rename(paths.root / folder)
    with pytest.raises(DataError, match=r"All 6 known tracks would be gone, such as jazz/a\.wav; nothing was changed"):
        run(paths)
    assert {p: p.read_bytes() for p in paths.tracks.parent.rglob("*") if p.is_file()} == before
    paths.raw("folder").rmdir()
    with pytest.raises(DataError, match=r"is not a folder.*All 6 known tracks would be gone.*mount or restore"):
        run(paths)


def test_a_folder_that_was_never_read_is_empty_and_no_more(paths):
    for folder in ("jazz", "rock"):
        (paths.raw("folder") / folder).rename(paths.root / folder)
    with pytest.raises(DataError, match="has no audio") as raised:
        run(paths)
    assert "known tracks" not in str(raised.value)
