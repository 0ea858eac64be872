"""Stage split: what it reads, keeps and writes; and the real folder of ten genres."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from ostinato.core.params.schema import Compute, Dataset, Ingest, Splitting, Validate
from ostinato.core.paths import Paths
from ostinato.curation import splits
from ostinato.errors import DataError, ParamsError
from ostinato.io import tables
from ostinato.stages import ingest, split, validate


def write_tables(paths, n_artists=8, quarantined=()):
    """Write the tables that split reads."""
    rows = [
        {"track_id": f"{genre}/{a}/{i}", "genre": genre, "artist": f"{genre} {a}", "tags": ["all", f"by {a}"]}
        for genre in "xyz"
        for a in range(n_artists)
        for i in range(2)
    ]
    frame = pd.DataFrame(rows).reindex(columns=tables.TRACKS.names)
    frame["content_hash"], frame["ordinal"] = frame["track_id"], range(len(frame))
    tables.write(paths.tracks, frame, tables.TRACKS)
    faults = pd.DataFrame({"track_id": list(quarantined)}).reindex(columns=tables.QUARANTINE.names)
    tables.write(paths.quarantine, faults, tables.QUARANTINE)
    tables.write(paths.copies, pd.DataFrame(columns=tables.COPIES.names, dtype=object), tables.COPIES)
    return frame


def run(paths, seed=1, **kwargs):
    split.run(paths, SimpleNamespace(seed=seed, split=Splitting(**kwargs)))
    return tables.read(paths.splits), json.loads(paths.classes.read_text())


def test_writes_the_rows_and_the_classes(tmp_path):
    paths = Paths(tmp_path)
    write_tables(paths, quarantined=["x/0/0"])
    rows, classes = run(paths, folds=4, min_tag_tracks=6)
    assert len(rows) == 47 * 4
    assert rows.columns.tolist() == tables.SPLITS.names
    assert "x/0/0" not in set(rows["track_id"])
    assert classes["genre"] == ["x", "y", "z"]
    assert classes["tags"] == ["all", *(f"by {a}" for a in range(1, 8))]
    assert (classes["name"], classes["n_tracks"], classes["n_evaluable"]) == ("4 folds by artist", 47, 47)


def test_the_same_again_is_the_same_bytes_and_a_grown_set_keeps_what_was(tmp_path):
    paths = Paths(tmp_path)
    write_tables(paths)
    before, _ = run(paths)
    written = paths.splits.read_bytes(), paths.classes.read_bytes()
    run(paths)
    assert (paths.splits.read_bytes(), paths.classes.read_bytes()) == written
    write_tables(paths, n_artists=20)
    after, _ = run(paths)
    both = before.merge(after, on=["track_id", "fold"], suffixes=("", "_after"))
    assert len(both) == len(before)
    assert (both["split"] == both["split_after"]).all()
    assert len(after) == 120


def test_another_plan_is_drawn_anew(tmp_path):
    paths = Paths(tmp_path)
    write_tables(paths)
    one, _ = run(paths, seed=1)
    kept, _ = run(paths, seed=1, min_tag_tracks=2)
    pd.testing.assert_frame_equal(one, kept)
    other, _ = run(paths, seed=2)
    fresh = Paths(tmp_path / "fresh")
    write_tables(fresh)
    pd.testing.assert_frame_equal(other, run(fresh, seed=2)[0])
    assert (one["split"] != other["split"]).any()


def test_what_is_balanced_is_told_and_may_not_be_lopsided(tmp_path):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    frame["year"] = 1965.0 + 10 * (frame["artist"].str[-1].astype(int) % 2)
    tables.write(paths.tracks, frame, tables.TRACKS)
    plainly, _ = run(paths)
    rows, classes = run(paths, balance=["decade"])
    assert classes["name"] == "holdout by artist, even in decade"
    decades = rows.merge(frame[["track_id", "year"]]).groupby("split")["year"]
    parts = json.loads(paths.receipt("parts").read_text())["measured"]
    assert [p["decade_deviation"] for p in parts] == [
        pytest.approx(abs((decades.get_group(p["split"]) == 1965.0).mean() - 0.5), abs=1e-6) for p in parts
    ]
    assert max(p["decade_deviation"] for p in parts) <= 0.1
    with pytest.raises(DataError, match="a part has other decades than the whole"):
        run(paths, balance=["decade"], max_class_deviation=0.0, test=0.3)
    assert run(paths)[0].equals(plainly)


def test_a_track_left_out_is_named_with_its_reason(tmp_path, caplog):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    rows, _ = run(paths)
    train = rows.loc[rows["split"] == "train", "track_id"].iloc[0]
    test = rows.loc[rows["split"] == "test", "track_id"].iloc[0]
    known = frame.set_index("track_id")
    tie = {**known.loc[train], "track_id": "tie", "ordinal": 99, "content_hash": known.loc[test, "content_hash"]}
    tables.write(paths.tracks, pd.concat([frame, pd.DataFrame([tie])]), tables.TRACKS)
    rows, classes = run(paths)
    assert "tie" not in set(rows["track_id"])
    assert "different parts" in classes["excluded"]["tie"]
    assert "tie: " in caplog.text


def test_the_sizes_of_the_parts_are_said_and_what_is_left_out_and_why(tmp_path, capsys):
    paths = Paths(tmp_path)
    frame = write_tables(paths, quarantined=["x/0/0", "x/0/1"])
    rare = {**frame.iloc[0], "track_id": "rare", "genre": "w", "artist": "w", "ordinal": 98, "content_hash": "rare"}
    bare = {**rare, "track_id": "bare", "genre": None, "tags": [], "ordinal": 99, "content_hash": "bare"}
    tables.write(paths.tracks, pd.concat([frame, pd.DataFrame([rare, bare])]), tables.TRACKS)
    rows, _ = run(paths)
    sizes = rows["split"].value_counts()
    parts = f"train {sizes['train']}, validation {sizes['validation']}, test {sizes['test']}"
    assert capsys.readouterr().out.splitlines() == [
        f"split: 47 of 50 tracks, holdout by artist: {parts}",
        "split: left out 3 of 50 tracks: 2 quarantined, 1 without a genre or tags",
        "split: genres with too few artists to be evaluated, with their tracks: w (1)",
    ]
    rows, _ = run(paths, folds=5)
    sizes = rows.groupby(["split", "fold"]).size()
    low, high = sizes["test"].min(), sizes["test"].max()
    assert f"test {low}" + (f" to {high}" if low < high else "") in capsys.readouterr().out.splitlines()[0]


def test_no_receipt_of_an_earlier_split_stands_beside_a_failure(tmp_path):
    paths = Paths(tmp_path)
    write_tables(paths)
    run(paths)
    assert paths.receipt("splits").exists()
    with pytest.raises(DataError, match="set split"):
        run(paths, folds=50)
    assert not paths.receipt("splits").exists()
    assert not paths.receipt("parts").exists()


def test_an_official_split_is_used_where_wanted(tmp_path):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    frame["split"] = ["train", "validation", "test", None] * 12
    tables.write(paths.tracks, frame, tables.TRACKS)
    rows, classes = run(paths, official=True)
    assert len(rows) == 36
    assert classes["name"] == "official (artists leak)"
    assert rows["split"].tolist() == ["train", "validation", "test"] * 12
    with pytest.raises(ParamsError, match=r"split\.official"):
        run(paths, official=True, folds=5)


def write_copies(paths, **copy_of):
    """Write the copies that validate found."""
    rows = [(copy, first, "near", "") for copy, first in copy_of.items()]
    tables.write(paths.copies, pd.DataFrame(rows, columns=tables.COPIES.names), tables.COPIES)


@pytest.mark.parametrize("group_by", ["artist", "track"])
def test_copies_stand_in_the_split_of_their_first_occurrence(tmp_path, group_by):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    first, others = frame["track_id"].iloc[0], frame["track_id"].iloc[[7, 21, 40]]
    write_copies(paths, **dict.fromkeys(others, first))
    for seed in range(4):
        rows, _ = run(paths, seed=seed, group_by=group_by)
        assert rows.loc[rows["track_id"].isin([first, *others]), "split"].nunique() == 1


@pytest.mark.parametrize(("column", "what"), [("artist", "an artist"), ("album", "an album"), (None, "a copy")])
def test_a_split_made_leaky_on_purpose_is_refused(tmp_path, monkeypatch, column, what):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    pairs = {column: [f"{i // 2}" for i in range(len(frame))]} if column else {}
    frame = frame.assign(artist=None, album=None).assign(**pairs)
    tables.write(paths.tracks, frame, tables.TRACKS)
    if column is None:
        write_copies(paths, **{frame["track_id"].iloc[1]: frame["track_id"].iloc[0]})
    run(paths)
    draw = splits.assign_splits

    def draw_with_leak(*args):
        drawn = draw(*args)
        turned = {"train": "test", "test": "validation", "validation": "train"}
        drawn.splits.loc[drawn.splits["track_id"] == frame["track_id"].iloc[1], "split"] = turned[
            drawn.splits.set_index("track_id").loc[frame["track_id"].iloc[1], "split"]
        ]
        return drawn

    monkeypatch.setattr(splits, "assign_splits", draw_with_leak)
    with pytest.raises(DataError, match=f"{what} is in two splits, such as x/0/[01]"):
        run(paths)
    assert not json.loads(paths.receipt("splits").read_text())["success"]


def test_a_part_too_small_or_of_other_classes_is_refused(tmp_path):
    paths = Paths(tmp_path)
    write_tables(paths)
    run(paths, min_share=0.1, max_class_deviation=0.2)
    with pytest.raises(DataError, match="too few tracks"):
        run(paths, min_share=0.3)
    frame = write_tables(paths, n_artists=2)
    frame["split"] = [{"x": "train", "y": "validation", "z": "test"}[genre] for genre in frame["genre"]]
    tables.write(paths.tracks, frame, tables.TRACKS)
    with pytest.raises(DataError, match="other classes than the whole"):
        run(paths, official=True, max_class_deviation=0.5)


@pytest.mark.parametrize(("balance", "genre"), [(["decade", "place"], True), ([], False)])
def test_what_no_track_tells_is_not_known_of_any_part(tmp_path, balance, genre):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    tables.write(paths.tracks, frame if genre else frame.assign(genre=None), tables.TRACKS)
    rows, _ = run(paths, balance=balance)
    assert set(rows["split"]) == {"train", "validation", "test"}
    unknown = [f"{name}_deviation" for name in (balance if genre else ["class"])]
    measured = json.loads(paths.receipt("parts").read_text())["measured"]
    assert all(part[name] is None for part in measured for name in unknown)


def test_more_folds_than_groups_are_refused_in_words(tmp_path):
    paths = Paths(tmp_path)
    write_tables(paths, n_artists=2)
    with pytest.raises(DataError, match=r"split\.folds: 13 needs .*12 tracks are in 6; set split\.folds: 6 or less"):
        run(paths, folds=13)


def test_tracks_without_any_label_are_an_error(tmp_path):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    tables.write(paths.tracks, frame.assign(genre=None, tags=[[]] * len(frame)), tables.TRACKS)
    with pytest.raises(DataError, match="no track has a genre or tags"):
        run(paths)


def test_ten_real_genres_of_which_six_can_be_judged(tmp_path, shared_data):
    paths = Paths(tmp_path)
    table = {
        "table": str(shared_data / "splits/gtzan_tracks.csv"),
        "columns": {"artist": "artist_group"},
        "max_unmatched_share": 0.9,
    }
    dataset = Dataset(name="folder", path=str(shared_data / "gtzan_mini"), **table)
    ingest.run(paths, SimpleNamespace(seed=7, compute=Compute(), ingest=Ingest(), dataset=dataset))
    validate.run(paths, SimpleNamespace(dataset=dataset, validate_=Validate()))
    assert len(tables.read(paths.quarantine)) == 0
    rows, classes = run(paths, seed=7, folds=5)
    assert len(classes["genre"]) == 10
    assert classes["not_evaluable"] == ["blues", "classical", "reggae", "rock"]
    assert (classes["n_tracks"], classes["n_evaluable"], classes["ceiling"]) == (100, 60, 1.0)
    assert (rows["split"] == "test").sum() == 60
    artists = tables.read(paths.tracks)[["track_id", "artist"]]
    assert (rows.merge(artists).groupby(["fold", "artist"])["split"].nunique() == 1).all()
    rows, classes = run(paths, seed=7, folds=5, scarce_genres="test")
    assert (rows["split"] == "test").sum() == 100
    assert classes["ceiling"] == 0.6
    rows, classes = run(paths, seed=7, folds=5, group_by="track")
    assert (classes["name"], classes["n_evaluable"]) == ("5 folds by track (artists leak)", 100)


def test_all_artists_of_a_track_stand_in_one_split(tmp_path):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    frame["artists"] = [[artist, f"Guest {i % 3}"] if i < 9 else [] for i, artist in enumerate(frame["artist"])]
    tables.write(paths.tracks, frame, tables.TRACKS)
    rows, _ = run(paths)
    each = frame[["track_id", "artists"]].explode("artists").dropna().merge(rows, on="track_id")
    of = each.groupby("artists")["split"].nunique()
    assert len(of) == 8
    assert (of == 1).all()


def test_a_split_that_parts_the_tracks_of_a_guest_is_refused(tmp_path, monkeypatch):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    frame["artists"] = [["Somebody"] if i in (0, 17, 33) else [] for i in range(len(frame))]
    tables.write(paths.tracks, frame, tables.TRACKS)
    rows, _ = run(paths, guests="apart")
    assert rows[rows["track_id"].isin(frame["track_id"].iloc[[0, 17, 33]])]["split"].nunique() > 1
    monkeypatch.setattr(splits, "identify_artists", lambda tracks: [[name] for name in tracks["artist"]])
    with pytest.raises(DataError, match="an artist is in two splits"):
        run(paths)


def test_a_guest_of_nearly_every_track_is_named_with_the_key_to_set(tmp_path):
    paths = Paths(tmp_path)
    frame = write_tables(paths)
    frame["artists"] = [["The Producer"]] * len(frame)
    tables.write(paths.tracks, frame, tables.TRACKS)
    with pytest.raises(DataError, match=r"such as x 0 and the producer, join 100% .*Set split\.guests: apart"):
        run(paths)
    rows, _ = run(paths, guests="apart")
    assert set(rows["split"]) == {"train", "validation", "test"}
