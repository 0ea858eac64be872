"""The folder dataset: directories, tables, and what is wrong with them."""

import shutil

import pandas as pd
import pytest

from ostinato.datasets import folder
from ostinato.datasets.folder import Options
from ostinato.errors import DataError


@pytest.fixture
def root(tmp_path):
    """Make a folder of files that only have names."""
    names = [
        "jazz/a b 🎷.wav",
        "jazz/two.FLAC",
        "rock/album/three.mp3",
        "rock/._three.mp3",
        ".cache/x.wav",
        "rock/notes.txt",
    ]
    for name in names:
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "music"


def list_tracks(root, table=None, text=None, **columns):
    if text is not None:
        (root.parent / table).write_text(text)
    return folder.tracks(root, Options(table=table and str(root.parent / table), columns=columns)).set_index("track_id")


def test_a_directory_is_a_genre_and_only_audio_counts(root):
    tracks = list_tracks(root)
    assert tracks.index.tolist() == ["jazz/a b 🎷.wav", "jazz/two.FLAC", "rock/album/three.mp3"]
    assert tracks["genre"].tolist() == ["jazz", "jazz", "rock"]
    assert tracks["path"].tolist() == tracks.index.tolist()


def test_a_file_at_the_top_has_no_genre(root):
    (root / "loose.wav").touch()
    assert pd.isna(list_tracks(root).loc["loose.wav", "genre"])


@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_table_joins_by_path(root, bom):
    text = (
        f"{bom}path,genre,tags,artist_group,year,split\r\n"
        "./jazz/a b 🎷.wav,bebop,loud; fast;loud,7,1959,Train\r\n"
        "rock\\album\\three.mp3,metal,,,,valid\r\n"
        "not/here.wav,pop,,,,\r\n"
    )
    tracks = list_tracks(root, "t.csv", text, artist="artist_group")
    assert tracks.loc["jazz/a b 🎷.wav", ["genre", "artist", "year", "split"]].tolist() == [
        "bebop",
        "7",
        1959.0,
        "train",
    ]
    assert tracks.loc["jazz/a b 🎷.wav", "tags"] == ["fast", "loud"]
    assert tracks.loc["rock/album/three.mp3", "split"] == "validation"
    assert tracks.loc["rock/album/three.mp3", ["artist", "year"]].isna().all()
    assert pd.isna(tracks.loc["jazz/two.FLAC", "genre"])


def test_a_table_joins_by_the_name_of_the_file(root):
    tracks = list_tracks(root, "t.tsv", "track_id\tartist\nthree\tThe Band\ntwo\tSolo\n")
    assert tracks["artist"].fillna("").tolist() == ["", "Solo", "The Band"]
    assert tracks["genre"].tolist() == ["jazz", "jazz", "rock"]
    assert tracks.attrs["remarks"] == [
        {"what": "files without a row in t.tsv", "n": 1, "of": 3, "examples": ["jazz/a b 🎷.wav"]}
    ]


def test_a_parquet_table_keeps_its_lists_and_numbers(root):
    frame = pd.DataFrame(
        {"track_id": ["two", "three"], "tags": [["b", "a"], None], "genre": [1, 2], "year": [1990, None]}
    )
    frame.to_parquet(root.parent / "t.parquet")
    tracks = list_tracks(root, "t.parquet")
    assert tracks.loc["jazz/two.FLAC", "tags"] == ["a", "b"]
    assert tracks.loc["rock/album/three.mp3", "tags"] == []
    assert tracks.loc["jazz/two.FLAC", ["genre", "year"]].tolist() == ["1", 1990.0]


@pytest.mark.parametrize(
    ("text", "columns", "reason"),
    [
        ("track_id,year\ntwo,early\n", {}, "row 2: year 'early' is not a year"),
        ("track_id,split\ntwo,later\n", {}, "row 2: split 'later' is not one of"),
        ("track_id,artist\ntwo,x\n", {"artist": "band"}, "has no column 'band'; it has track_id, artist"),
        ("track_id,artist\ntwo,x\n", {"singer": "artist"}, "'singer' is not a known column"),
        ("artist\nx\n", {}, "neither path nor track_id"),
        ("track_id,a,a\ntwo,x,y\n", {}, "the column 'a' twice"),
        (
            "track_id,artist\ntwo,x\ntwo,y\n",
            {},
            "rows 2 and 3 are of 'two'; keep one, or add a path column",
        ),
        ("path,artist\njazz/two.FLAC,x\njazz/two.FLAC,y\n", {}, "rows 2 and 3 are of 'jazz/two.FLAC'; keep one"),
        ("track_id,artist\nelsewhere,x\n", {}, "no row names a file of this folder"),
        ("track_id,artist\ntwo,x,y,z\n", {}, "cannot be read as a table"),
        ("", {}, "cannot be read as a table"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_the_mend(root, text, columns, reason):
    with pytest.raises(DataError, match=reason) as raised:
        list_tracks(root, "t.csv", text, **columns)
    assert "t.csv" in str(raised.value) or "dataset.columns" in str(raised.value)


def test_files_of_one_name_need_a_table_with_paths(root):
    (root / "rock/two.wav").touch()
    with pytest.raises(DataError, match="2 files are called 'two'"):
        list_tracks(root, "t.csv", "track_id,artist\ntwo,x\n")
    assert (
        list_tracks(root, "u.csv", "path,artist\nrock/two.wav,x\njazz/two.FLAC,y\n").loc["rock/two.wav", "artist"]
        == "x"
    )


def test_an_absent_table_or_folder_or_no_audio_is_named(root):
    with pytest.raises(DataError, match=r"dataset\.table: absent\.csv"):
        folder.tracks(root, Options(table="absent.csv"))
    with pytest.raises(DataError, match="is not a folder"):
        folder.tracks(root / "absent", Options())
    shutil.rmtree(root / "jazz")
    (root / "rock/album/three.mp3").unlink()
    with pytest.raises(DataError, match="has no audio"):
        folder.tracks(root, Options())


def test_a_name_that_is_no_utf8_is_left_out_with_a_warning(root, caplog):
    with open(bytes(root) + b"/jazz/\xff.wav", "wb"):
        pass
    assert len(list_tracks(root)) == 3
    assert r"1 with a name that is not UTF-8, such as jazz/\xff.wav" in caplog.text


def test_gtzan_joins_its_table(shared_data):
    table = str(shared_data / "splits" / "gtzan_tracks.csv")
    with pytest.raises(DataError, match=r"900 of 1,000 rows of gtzan_tracks.csv whose file does not exist"):
        folder.tracks(shared_data / "gtzan_mini", Options(table=table))
    options = Options(table=table, columns={"artist": "artist_group"}, max_unmatched_share=0.9)
    tracks = folder.tracks(shared_data / "gtzan_mini", options)
    assert len(tracks) == 100
    assert (tracks["genre"].value_counts() == 10).all()
    assert tracks.loc[tracks["genre"] == "blues", "artist"].nunique() == 1
