"""Validate: each expectation finds the break planted for it, on real files; the rest goes on."""

import json
import os
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr

from ostinato.core.params.schema import Compute, Dataset, Ingest, Splitting, Validate
from ostinato.core.paths import Paths
from ostinato.errors import DataError
from ostinato.expectations import _session, collection, files, tracks, unnamed
from ostinato.io import tables
from ostinato.stages import ingest, split, validate

RATE = 8_000
BOUNDS = Validate(min_seconds=0.3, max_seconds=2.0, max_broken_share=0.5, max_temporal_flatness=1.0)


def noise(path, rng, seconds=0.5, rate=RATE, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng.uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32), rate, **kwargs)


def plant_faults(root, rng):
    """Write a file for each way in which a file can be broken; return reason by file."""
    noise(root / "jazz/short.wav", rng, 0.1)
    noise(root / "jazz/long.wav", rng, 2.5)
    noise(root / "jazz/slow.wav", rng, rate=4_000)
    noise(root / "rock/cut.wav", rng, 1.0)
    (root / "rock/cut.wav").write_bytes((root / "rock/cut.wav").read_bytes()[:9_000])
    (root / "rock/empty.flac").touch()
    (root / "rock/text.mp3").write_text("only words " * 500)
    soundfile.write(root / "rock/silent.wav", np.zeros(4_000), RATE)
    odd = rng.uniform(-0.5, 0.5, 4_000).astype(np.float32)
    odd[7] = np.nan
    soundfile.write(root / "rock/nan.wav", odd, RATE, subtype="FLOAT")
    noise(root / "polka/lonely.wav", rng)
    return {
        "jazz/short.wav": "too short",
        "jazz/long.wav": "too long",
        "jazz/slow.wav": "sample rate too low",
        "rock/cut.wav": "unreadable",
        "rock/empty.flac": "unreadable",
        "rock/text.mp3": "unreadable",
        "rock/silent.wav": "silent",
        "rock/nan.wav": "NaN or infinite samples",
        "polka/lonely.wav": "genre of too few tracks",
    }


@pytest.fixture
def paths(tmp_path, rng):
    """Make a project with two sound genres."""
    for genre in ("jazz", "rock"):
        for i in range(6):
            noise(tmp_path / "data/raw/folder" / genre / f"{i}.wav", rng)
    return Paths(tmp_path)


def run_ingest(paths, **limits):
    params = SimpleNamespace(
        seed=1, compute=Compute(workers=1), ingest=Ingest(**limits), dataset=Dataset(name="folder")
    )
    ingest.run(paths, params)


def run_validate(paths, bounds=BOUNDS):
    validate.run(paths, SimpleNamespace(dataset=Dataset(name="folder"), validate_=bounds))
    return tables.read(paths.quarantine)


def test_sound_files_pass_and_every_receipt_says_so(paths):
    run_ingest(paths)
    quarantine = run_validate(paths)
    assert len(quarantine) == 0
    assert quarantine.columns.tolist() == tables.QUARANTINE.names
    for table in ("files", "tracks", "collection"):
        receipt = json.loads(paths.receipt(table).read_text())
        assert receipt["success"]
        assert receipt["n_rows"] == 12


def test_each_broken_file_is_found_for_its_reason_and_the_rest_goes_on(paths, rng):
    planted = plant_faults(paths.raw("folder"), rng)
    run_ingest(paths)
    quarantine = run_validate(paths)
    assert dict(zip(quarantine["path"], quarantine["reason"], strict=True)) == planted
    assert len(quarantine) == len(planted)
    evidence = quarantine.set_index("path")["evidence"]
    assert evidence["jazz/short.wav"] == "duration = 0.1"
    assert "1.00 s" in evidence["rock/cut.wav"]
    split.run(paths, SimpleNamespace(seed=1, split=Splitting()))
    assert len(set(tables.read(paths.splits)["track_id"])) == 12
    assert not set(tables.read(paths.splits)["track_id"]) & set(planted)


def test_what_is_left_out_is_counted_by_reason(paths, rng, caplog, capsys):
    planted = plant_faults(paths.raw("folder"), rng)
    noise(paths.raw("folder") / "alone.wav", rng)
    run_ingest(paths)
    caplog.clear()
    run_validate(paths)
    for reason in set(planted.values()):
        n = list(planted.values()).count(reason)
        assert f"left out {n} of 22 tracks: {reason}, such as " in caplog.text
    assert "1 of 13 tracks with neither a genre nor tags, which go into no split, such as alone.wav" in caplog.text
    assert capsys.readouterr().out == "validate: passed 13 of 22 tracks\n"


def test_a_source_that_tells_no_genre_is_said_to_be_the_cause(paths):
    dataset = Dataset(name="folder", genre_from="tags")
    given = SimpleNamespace(seed=1, compute=Compute(workers=1), ingest=Ingest(), dataset=dataset)
    ingest.run(paths, given)
    with pytest.raises(DataError, match=r"12  neither a genre nor tags, such as jazz/0\.wav") as raised:
        validate.run(paths, SimpleNamespace(dataset=dataset, validate_=BOUNDS))
    assert "dataset.genre_from: tags finds no genre for them; choose another source" in str(raised.value)
    assert "fix or remove these files" not in str(raised.value)


def test_a_collection_of_one_genre_says_which(paths):
    (paths.raw("folder") / "rock").rename(paths.root / "away")
    run_ingest(paths)
    with pytest.raises(DataError, match=r"fewer than two classes(.|\n)*6  jazz\n.*at least two genres"):
        run_validate(paths)


def test_a_disk_that_is_away_for_one_run_changes_nothing(paths):
    """Nothing is written while it is away, and all is as it was when it is back."""

    def run_to_split():
        run_ingest(paths)
        run_validate(paths)
        split.run(paths, SimpleNamespace(seed=1, split=Splitting()))

    def state():
        folders = (paths.tracks.parent, paths.receipt("tracks").parent, paths.state)
        return {p: p.read_bytes() for folder in folders for p in folder.rglob("*") if p.is_file()}

    run_to_split()
    before = state()
    (paths.raw("folder") / "rock").rename(paths.root / "away")
    with pytest.raises(DataError, match="6 of 12 known tracks are gone"):
        run_to_split()
    assert state() == before
    (paths.root / "away").rename(paths.raw("folder") / "rock")
    run_to_split()
    assert state() == before


def write_band(path, rng, hertz, rate=48_000, **how):
    """Write sound that ends at a frequency."""
    y = soxr.resample(rng.uniform(-0.2, 0.2, 3 * 2 * hertz), 2 * hertz, rate)
    y *= 1 + 0.8 * np.sin(np.arange(y.size) / 3_000)
    soundfile.write(path, y, rate, **how)


def test_narrow_sound_is_kept_with_a_warning_and_only_a_telephone_s_goes(paths, rng):
    """A file of 48 kHz may hold a master of 22 kHz; Opus has no other rate to offer."""
    raw = paths.raw("folder")
    write_band(raw / "jazz/master.flac", rng, 11_025)
    write_band(raw / "jazz/opus.opus", rng, 8_000, format="OGG", subtype="OPUS")
    write_band(raw / "rock/telephone.wav", rng, 4_000)
    run_ingest(paths)
    bounds = BOUNDS.model_copy(update={"max_seconds": 9.0})
    quarantine = run_validate(paths, bounds)
    assert dict(zip(quarantine["path"], quarantine["reason"], strict=True)) == {
        "rock/telephone.wav": "far less bandwidth than its sample rate promises"
    }
    (warning,) = tables.read(paths.warnings).to_dict("records")
    assert (warning["path"], warning["reason"]) == (
        "jazz/master.flac",
        "less bandwidth than its sample rate promises",
    )
    assert float(warning["evidence"].removeprefix("bandwidth_share = ")) == pytest.approx(11_025 / 24_000, abs=0.02)
    (expectation,) = json.loads(paths.receipt("warnings").read_text())["expectations"]
    assert (expectation["n_broken"], expectation["expected"]["min_value"]) == (1, 0.55)
    assert json.loads(paths.receipt("files").read_text())["n_rows"] == 15
    split.run(paths, SimpleNamespace(seed=1, split=Splitting()))
    assert {"jazz/master.flac", "jazz/opus.opus"} < set(tables.read(paths.splits)["track_id"])
    run_validate(paths, bounds.model_copy(update={"warn_bandwidth_share": 0.4}))
    assert tables.read(paths.warnings).empty


def test_copies_are_listed_and_go_to_quarantine_where_wanted(paths):
    raw = paths.raw("folder")
    y, _ = soundfile.read(raw / "jazz/3.wav")
    soundfile.write(raw / "rock/other.flac", y, RATE)
    run_ingest(paths)
    assert len(run_validate(paths)) == 0
    (copy,) = tables.read(paths.copies).to_dict("records")
    assert (copy["track_id"], copy["copy_of"], copy["kind"]) == ("rock/other.flac", "jazz/3.wav", "exact")
    (row,) = run_validate(paths, BOUNDS.model_copy(update={"copies": "quarantine"})).to_dict("records")
    assert (row["track_id"], row["reason"]) == ("rock/other.flac", "a copy")
    assert row["evidence"] == "original = jazz/3.wav"


def test_the_docs_are_pages_that_name_the_faults(paths, rng):
    plant_faults(paths.raw("folder"), rng)
    run_ingest(paths)
    run_validate(paths)
    pages = {page.name: page.read_text() for page in paths.docs.rglob("*.html")}
    assert {
        "index.html",
        "ostinato-files.html",
        "ostinato-tracks.html",
        "ostinato-collection.html",
        "ostinato-copies.html",
    } <= set(pages)
    assert "silence_share" in pages["ostinato-files.html"]
    assert "rock/silent.wav" in pages["ostinato-files.html"]


def test_the_docs_fetch_and_run_nothing_and_their_links_lead_somewhere(paths, rng):
    plant_faults(paths.raw("folder"), rng)
    run_ingest(paths)
    run_validate(paths)
    for page in paths.docs.rglob("*.html"):
        text = page.read_text()
        assert not re.search(r"<(script|link|img)\b|\son\w+=|@import|url\(", text), page
        linked = [a for a in re.findall(r'href="([^"#]+)"', text) if "://" not in a]
        assert all((page.parent / a).exists() for a in linked), (page, linked)
    first = (paths.docs / "index.html").read_text()
    assert re.findall(r"<th>(\w+)</th><td><b class=\"text-(\w+)", first) == [
        ("files", "danger"),
        ("copies", "success"),
        ("tracks", "danger"),  # a genre with one track
        ("unnamed", "success"),
        ("spellings", "success"),
        ("collection", "success"),
        ("warnings", "success"),
    ]
    assert all(f"-{table}.html" in first for table in ("files", "copies", "tracks", "collection"))


def test_labels_that_nobody_declared_and_absent_artists_go_to_quarantine(tmp_path):
    frame = pd.DataFrame(
        {
            "track_id": list("abcd"),
            "genre": ["jazz", "rock", "jaz", None],
            "tags": [["calm"], ["calm", "lout"], [], []],
            "artist": ["x", "y", "z", None],
        }
    ).reindex(columns=["track_id", "genre", "tags", "artist", "year", "latitude", "longitude", "split"])
    sound = pd.Series(False, frame.index)
    declared = {"genre": ("jazz", "rock"), "tags": ("calm", "loud")}
    bounds = Validate(min_tracks_per_class=1)
    suite = tracks.suite(bounds, required=("artist",))
    told = tracks.prepare(frame, sound, tmp_path, declared)
    _, faults = _session.Session(tmp_path).check("tracks", told, suite)
    found = {row["track_id"]: (row["reason"], row["evidence"]) for row in faults.to_dict("records")}
    assert found == {
        "b": ("a label that the dataset does not declare", "undeclared = lout"),
        "c": ("a label that the dataset does not declare", "undeclared = jaz"),
        "d": ("no artist, which every track should have", "artist = nan"),
    }


def test_lyrics_that_are_not_there_are_told_but_the_track_stays(tmp_path):
    (tmp_path / "a.txt").write_text("la la")
    frame = pd.DataFrame({"track_id": list("abc"), "lyrics": ["a.txt", "b.txt", None], "tags": [[]] * 3}).reindex(
        columns=["track_id", "lyrics", "genre", "tags", "year", "latitude", "longitude", "split"]
    )
    told = tracks.prepare(frame, pd.Series(False, frame.index), tmp_path)
    receipt, faults = _session.Session(tmp_path).check("tracks", told, tracks.suite(Validate()))
    assert [e["reason"] for e in receipt["expectations"] if not e["success"]] == ["lyrics of tracks that do not exist"]
    assert faults.empty


def test_files_that_no_track_names_are_told_where_files_of_their_kind_are_named(tmp_path):
    for name in [
        "a/1.mp3",
        "a/2.MP3",
        "a/3.flac",
        "a/1.txt",
        "a/cover.jpg",
        "b/4.mp3",
        "c/1.txt",
        "c/2.txt",
        "c/x.mp3",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/._1.mp3").touch()
    (tmp_path / os.fsdecode(b"a/caf\xe9.mp3")).touch()
    frame = pd.DataFrame({"path": ["a/1.mp3", "gone/9.mp3", None], "lyrics": ["c/1.txt", None, None]})
    found = unnamed.prepare(frame, tmp_path)
    assert found["unnamed"].tolist() == ["a/2.MP3", "a/3.flac", r"a/caf\xe9.mp3", "c/2.txt"]
    session = _session.Session(tmp_path / "docs")
    receipt, _ = session.check("unnamed", found, unnamed.suite(BOUNDS))
    assert [(e["n_broken"], e["example"]) for e in receipt["expectations"]] == [(4, "a/2.MP3")]
    assert "xe9.mp3" in "".join(page.read_text() for page in session.write_docs().parent.rglob("*.html"))


def test_a_file_without_a_row_is_told_and_nothing_goes_to_quarantine_by_it(paths, rng):
    run_ingest(paths)
    noise(paths.raw("folder") / "jazz/later.wav", rng)
    assert run_validate(paths).empty
    receipt = json.loads(paths.receipt("tracks").read_text())
    assert [e["reason"] for e in receipt["expectations"] if not e["success"]] == ["files without a track"]
    assert [e["example"] for e in receipt["expectations"] if not e["success"]] == ["jazz/later.wav"]
    assert not receipt["success"]


def test_receipts_are_the_same_bytes_again_and_hold_no_path(paths, rng):
    plant_faults(paths.raw("folder"), rng)
    run_ingest(paths)

    def read_outputs():
        run_validate(paths)
        kept = [paths.receipt(table) for table in ("files", "tracks", "collection")]
        return [path.read_bytes() for path in [*kept, paths.quarantine]]

    first = read_outputs()
    assert first == read_outputs()
    assert not any(str(paths.root).encode() in text for text in first)


def test_too_many_broken_tracks_stop_what_follows_with_the_table_of_reasons(paths, rng):
    plant_faults(paths.raw("folder"), rng)
    run_ingest(paths)
    with pytest.raises(DataError, match="more than 40% of the tracks are broken") as raised:
        run_validate(paths, BOUNDS.model_copy(update={"max_broken_share": 0.4}))
    assert "3  unreadable, such as rock/cut.wav: is cut off" in str(raised.value)
    assert len(tables.read(paths.quarantine)) == 9
    assert not json.loads(paths.receipt("collection").read_text())["success"]


def test_one_class_only_or_no_track_left_stops_what_follows(paths):
    run_ingest(paths)
    with pytest.raises(DataError, match=r"no track is left; more than 99%.*; fewer than two classes"):
        run_validate(paths, Validate(min_seconds=9.0, max_broken_share=0.99, max_temporal_flatness=1.0))
    for path in (paths.raw("folder") / "rock").iterdir():
        path.unlink()
    run_ingest(paths, max_vanished_share=0.5)
    with pytest.raises(DataError, match="used: fewer than two classes are left"):
        run_validate(paths)


SOUND = {"track_id": "a", "genre": "x", "tags": [], "year": 2000.0, "latitude": 1.0, "longitude": 2.0, "split": None}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("year", 19.0, "impossible year"),
        ("latitude", 91.0, "impossible latitude"),
        ("longitude", -181.0, "impossible longitude"),
        ("split", "holdout", "unknown split"),
        ("track_id", "b", "track_id is repeated"),
        ("genre", "y", "genre of too few tracks"),
    ],
)
def test_each_impossible_attribute_is_found(tmp_path, column, value, reason):
    frame = pd.DataFrame([SOUND, SOUND | {"track_id": "b"}, SOUND | {"track_id": "c"} | {column: value}])
    sound = pd.Series([False] * 3)
    suite = tracks.suite(Validate())
    receipt, faults = _session.Session(tmp_path).check("tracks", tracks.prepare(frame, sound), suite)
    assert set(faults["reason"]) == {reason}
    assert [e["reason"] for e in receipt["expectations"] if not e["success"]] == [reason]
    assert faults["evidence"].str.startswith("tracks_of_genre = 1" if column == "genre" else column).all()


def test_a_collection_of_tags_has_classes_too(tmp_path):
    frame = pd.DataFrame({"track_id": ["a", "b"], "genre": [None, None], "tags": [["x"], ["x", "y"]]})
    prepared = collection.prepare(frame, pd.Series([False, False]))
    receipt, _ = _session.Session(tmp_path).check("collection", prepared, collection.suite(Validate()))
    assert receipt["success"]


def test_an_expectation_that_cannot_be_checked_is_no_answer(tmp_path):
    with pytest.raises(DataError, match=r"files: expect_column_values_to_be_null cannot be checked"):
        _session.Session(tmp_path).check("files", pd.DataFrame({"track_id": ["a"]}), files.suite(Validate()))


def test_what_a_table_does_not_fit_stands_in_the_receipt(paths):
    table = paths.root / "t.csv"
    rows = [f"{genre}/{i}.wav,x" for genre in ("jazz", "rock") for i in range(5)]
    table.write_text("\n".join(["path,artist", *rows, "gone.wav,y", ""]))
    dataset = Dataset(name="folder", table=str(table))
    ingest.run(paths, SimpleNamespace(seed=1, compute=Compute(workers=1), ingest=Ingest(), dataset=dataset))
    validate.run(paths, SimpleNamespace(dataset=dataset, validate_=BOUNDS))
    told = json.loads(paths.receipt("tracks").read_text())["remarks"]
    assert [(r["n"], r["of"], r["what"]) for r in told] == [
        (1, 11, "rows of t.csv whose file does not exist"),
        (2, 12, "files without a row in t.csv"),
        (2, 12, "tracks by an unknown artist, each treated as another artist, so that one may be in several splits"),
    ]
    dataset = Dataset(name="folder", table=str(table), max_unmatched_share=0.1)
    with pytest.raises(DataError, match="too few of its rows match"):
        ingest.run(paths, SimpleNamespace(seed=1, compute=Compute(workers=1), ingest=Ingest(), dataset=dataset))
