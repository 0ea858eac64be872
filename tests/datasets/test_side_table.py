"""A table beside a folder of audio: cells as people fill them, and rows that speak of files in many ways."""

import os
import unicodedata

import pandas as pd
import pytest
import yaml

from ostinato.datasets import folder
from ostinato.datasets._cells import parse_list, parse_number, parse_year
from ostinato.datasets.folder import Options
from ostinato.errors import DataError

FILES = ["jazz/Übung 1.wav", "jazz/0002.MP3", "rock/album/three.flac", "rock/000017.mp3"]


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "music"


def list_tracks(root, text, where=None, **options):
    table = (where or root.parent) / "t.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder.tracks(root, Options(table=str(table), **options)).set_index("path")


def make_table(line, column="path", names=FILES):
    """Write a table with a row for each file."""
    return f"{column},artist\n" + "".join(f'"{line(name)}",artist of {name[-5]}\n' for name in names)


WAYS = {
    "relative": lambda path: path,
    "with a dot": lambda path: f"./{path}",
    "Windows": lambda path: path.replace("/", "\\"),
    "decomposed": lambda path: unicodedata.normalize("NFD", path),
    "other case": str.upper,
    "other suffix": lambda path: f"{path[:-4].rstrip('.')}.ogg",
    "no suffix": lambda path: os.path.splitext(path)[0],
    "absolute elsewhere": lambda path: f"/mnt/old disk/Music/{path}",
    "absolute of Windows": lambda path: "D:\\Music\\" + path.replace("/", "\\"),
    "network share": lambda path: "\\\\nas\\Music\\" + path.replace("/", "\\"),
    "URL": lambda path: "file:///home/me/Music/" + path.replace(" ", "%20").replace("Ü", "%C3%9C"),
    "URL of Windows": lambda path: "file:///C:/Music/" + path.replace(" ", "%20"),
    "name alone": lambda path: path.rpartition("/")[2],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("column", ["path", "track_id", "Path"])
def test_rows_name_their_files_in_many_ways(root, way, column):
    frame = list_tracks(root, make_table(WAYS[way], column))
    assert frame["artist"].to_dict() == {name: f"artist of {name[-5]}" for name in FILES}
    assert frame.attrs["remarks"] == []


def test_absolute_paths_below_the_root_and_paths_beside_the_table(root):
    frame = list_tracks(root, make_table(lambda path: f"{root}/{path}"))
    assert frame["artist"].notna().all()
    (root / "lists").mkdir()
    frame = list_tracks(root, make_table(lambda path: f"../{path}"), root / "lists")
    assert frame["artist"].notna().all()
    frame = list_tracks(root, make_table(lambda path: f"music/{path}"))
    assert frame["artist"].notna().all()


@pytest.mark.parametrize(
    "ids", [["2", "17"], ["2.0", "17.0"], ["0002", "00017"], ["2.mp3", "17.mp3"], ["0002.wav", "000017.wav"]]
)
def test_ids_match_with_and_without_zeros_and_suffix(root, ids):
    frame = list_tracks(root, f"track_id,artist\n{ids[0]},a\n{ids[1]},b\n")
    assert frame["artist"].dropna().to_dict() == {"jazz/0002.MP3": "a", "rock/000017.mp3": "b"}


def test_numbers_of_a_parquet_table_are_ids(root):
    table = pd.DataFrame({"track_id": [2, 17, None], "artist": ["a", "b", "c"]})
    table.to_parquet(root.parent / "t.parquet")
    frame = folder.tracks(root, Options(table=str(root.parent / "t.parquet"))).set_index("path")
    assert frame["artist"].dropna().to_dict() == {"jazz/0002.MP3": "a", "rock/000017.mp3": "b"}


def test_a_folder_of_the_same_name_is_not_the_other_one(root):
    (root / "jazz/01.wav").touch()
    text = "path,artist\nrock/01.wav,x\nrock/000017.mp3,y\njazz/0002.MP3,z\n"
    frame = list_tracks(root, text, max_unmatched_share=0.6)
    assert frame["artist"].dropna().to_dict() == {"rock/000017.mp3": "y", "jazz/0002.MP3": "z"}


def test_what_fits_nothing_is_counted(root):
    text = "path,artist\n" + "".join(f"{name},a\n" for name in FILES[:3]) + f"{FILES[0]},a\ngone.wav,b\n"
    frame = list_tracks(root, text)
    assert {r["what"]: (r["n"], r["of"], r["examples"]) for r in frame.attrs["remarks"]} == {
        "rows of t.csv whose file does not exist": (1, 4, ["row 6: 'gone.wav'"]),
        "files without a row in t.csv": (1, 4, ["rock/000017.mp3"]),
        "rows of t.csv that repeat another": (1, 5, []),
    }


def test_a_table_of_which_too_little_fits_stops_the_run_and_shows_both_sides(root):
    text = "path,artist\n" + f"{FILES[0]},a\n" + "".join(f"gone{i}.wav,b\n" for i in range(9))
    with pytest.raises(DataError) as raised:
        list_tracks(root, text)
    told = str(raised.value)
    assert "too few of its rows match the files (90% do not)" in told
    assert "9 of 10 rows of t.csv whose file does not exist: row 3: 'gone0.wav', row 4: 'gone1.wav'" in told
    assert "3 of 4 files without a row in t.csv: jazz/0002.MP3" in told
    assert "dataset.max_unmatched_share to 0.90 or more" in told
    assert len(list_tracks(root, text, max_unmatched_share=0.9)) == 4


def test_a_wrong_column_shows_a_row_beside_a_file(root):
    with pytest.raises(
        DataError, match=r"no row names a file of this folder\n  row:  path 'threes'\n  file: 'rock/album/three.flac'"
    ):
        list_tracks(root, "id,path,artist\n0002,threes,a\n17,fours,b\n")


def test_all_cells_that_cannot_be_read_are_told_at_once(root):
    text = (
        "path,year,latitude,split\n" + "".join(f"{name},early,north,train\n" for name in FILES) + "x.wav,2001,1,later\n"
    )
    with pytest.raises(DataError) as raised:
        list_tracks(root, text)
    told = str(raised.value)
    assert "9 cells cannot be read; correct or empty them" in told
    assert "4 of 5 cells: row 2: year 'early' is not a year, row 3: year 'early' is not a year" in told
    assert "4 of 5 cells: row 2: latitude 'north' is not a number" in told
    assert "1 of 5 cells: row 6: split 'later' is not one of train" in told


@pytest.mark.parametrize(
    ("cell", "year"),
    [
        ("1950", 1950),
        ("1950.0", 1950),
        ("1950-01-01", 1950),
        ("2008-11-26 00:00:00", 2008),
        ("2008-11-26T00:00:00Z", 2008),
        ("26.11.2008", 2008),
        ("11/26/2008", 2008),
        ("20081126", 2008),
        ("Nov 26, 2008", 2008),
        ("[1975]", 1975),
        (1959.0, 1959),
    ],
)
def test_years_are_read_of_dates(cell, year):
    assert parse_year(cell) == year


@pytest.mark.parametrize(
    ("cell", "separator", "number"),
    [
        ("52.5", ",", 52.5),
        ("52,5", ",", 52.5),
        ("52,5", ";", 52.5),
        ("-0,125", ";", -0.125),
        ("-0,125", ",", -125.0),
        ("1.234,5", ";", 1234.5),
        ("1,234,567", ",", 1234567),
        ("\u22123,5", ";", -3.5),
        ("1e3", ",", 1000),
    ],
)
def test_numbers_are_read_with_a_decimal_comma(cell, separator, number):
    assert parse_number(cell, separator) == number


@pytest.mark.parametrize("cell", ["x", "1,2,3x", "inf", "1 000"])
def test_what_is_no_number_is_none(cell):
    assert parse_number(cell) is None


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("['guitar', 'slow']", ["guitar", "slow"]),
        ('["guitar", "slow"]', ["guitar", "slow"]),
        ("['guitar' 'slow']", ["guitar", "slow"]),
        ("{'guitar', 'slow'}", ["guitar", "slow"]),
        ("('guitar', 'slow')", ["guitar", "slow"]),
        ("[guitar, slow]", ["guitar", "slow"]),
        ("['rock ''n'' roll', 'slow']", ["rock n roll", "slow"]),
        ('["don\'t", null]', ["don't"]),
        ("[]", []),
        ("", []),
        (None, []),
        ("(live)", ["(live)"]),
        ("guitar", ["guitar"]),
    ],
)
def test_cells_that_hold_a_list_are_read_as_one(cell, names):
    assert parse_list(cell) == names


@pytest.mark.parametrize(
    "cells",
    [
        ["['guitar', 'slow']", "['slow']"],
        ["guitar|slow", "slow"],
        ["guitar; slow", "slow;"],
        ["guitar, slow", "slow"],
    ],
)
def test_tags_are_parted_as_their_column_shows(root, cells):
    text = f"path;tags\n{FILES[0]};{cells[0]}\n{FILES[2]};{cells[1]}\n".replace("; ", ";")
    if ";" in "".join(cells):
        text = f'path,tags\n{FILES[0]},"{cells[0]}"\n{FILES[2]},{cells[1]}\n'
    tags = list_tracks(root, text)["tags"]
    assert tags[[FILES[0], FILES[2]]].tolist() == [["guitar", "slow"], ["slow"]]


def test_tags_parted_in_two_ways_need_a_word(root):
    text = f"path,tags\n{FILES[0]},guitar|slow\n{FILES[2]},slow;loud\n"
    with pytest.raises(DataError, match=r"1 cells have ';' and 1 have '\|', such as .*dataset\.tags_separator"):
        list_tracks(root, text)
    assert list_tracks(root, text, tags_separator="|").loc[FILES[2], "tags"] == ["slow;loud"]


def test_a_table_may_list_several_genres(root):
    text = f"path,genre\n{FILES[0]},\"['Jazz', 'Swing']\"\n{FILES[1]},Jazz|Bop\n{FILES[2]},Pop/Rock\n{FILES[3]},Rock\n"
    frame = list_tracks(root, text)
    assert frame["genre"].tolist() == ["Jazz", "Jazz", "Rock", "Pop/Rock"]
    assert {r["what"]: r["n"] for r in frame.attrs["remarks"]} == {
        "files whose folder and table disagree on the genre (table counts)": 1,
        "files with several genres, of which the first is the class": 2,
    }
    assert list_tracks(root, text, genre_separators=["/"])["genre"].tolist() == ["Jazz|Bop", "Jazz", "Rock", "Pop"]


def test_a_table_of_a_spreadsheet_is_read_whole(root):
    rows = [f"{name.upper()};Hip-Hop;Björk ;['slow', 'piano'];2008-11-26 00:00:00;52,5" for name in FILES]
    text = "\ufeffsep=;\r\n" + "\r\n".join(["path;genre;artist;tags;year;latitude", *rows, rows[0]])
    for encoding in ("utf-8", "utf-16"):
        frame = list_tracks(root, text.removeprefix("\ufeff" if encoding == "utf-16" else "").encode(encoding))
        assert frame[["genre", "artist", "year", "latitude"]].drop_duplicates().to_numpy().tolist() == [
            ["Hip-Hop", "Björk", 2008.0, 52.5]
        ]
        assert frame["tags"].tolist() == [["piano", "slow"]] * 4


def test_a_source_of_genres_that_is_not_there_is_named(root):
    with pytest.raises(DataError, match=r"dataset\.genre_from: table: there is no column genre"):
        folder.tracks(root, Options(genre_from="table"))


def test_an_artist_cell_may_list_several(root):
    cells = ["['Ann', 'Bo']", "AC/DC", "", "Earth, Wind & Fire"]
    text = "path;artist\n" + "".join(f"{name};{cell}\n" for name, cell in zip(FILES, cells, strict=True))
    frame = list_tracks(root, text).loc[FILES]
    assert frame["artist"].where(frame["artist"].notna(), None).tolist() == ["Ann", "AC/DC", None, "Earth, Wind & Fire"]
    assert frame["artists"].tolist() == [["Ann", "Bo"], ["AC/DC"], [], ["Earth, Wind & Fire"]]


def test_lists_of_a_parquet_table_are_read(root):
    table = pd.DataFrame({"path": FILES, "artist": [["Ann", "Bo"], ["Cy"], None, []], "genre": [["Jazz", "Swing"]] * 4})
    table.assign(title=table["artist"]).to_parquet(root.parent / "t.parquet")
    frame = folder.tracks(root, Options(table=str(root.parent / "t.parquet"))).set_index("path").loc[FILES]
    assert frame["artists"].tolist() == [["Ann", "Bo"], ["Cy"], [], []]
    assert frame["title"].iloc[0] == "Ann; Bo"
    assert set(frame["genre"]) == {"Jazz"}


def test_another_column_that_names_the_files_is_pointed_out(root):
    text = "Title,filename\n" + "".join(f"Song,{name.rpartition('/')[2]}\n" for name in FILES)
    with pytest.raises(DataError, match=r"neither path nor track_id.*\n.*'filename' does in 4 of its first 4 rows"):
        list_tracks(root, text)
    text = "path,filename\n" + "".join(f"x{name},{name}\n" for name in FILES)
    with pytest.raises(
        DataError, match=r"no row names a file of this folder(.*\n)*.*set dataset\.columns: \{path: filename\}"
    ):
        list_tracks(root, text)
    assert len(list_tracks(root, text, columns={"path": "filename"})) == 4


def test_the_column_that_names_more_files_counts(root):
    rows = [f"{os.path.splitext(name)[0]},elsewhere/{i},a\n" for i, name in enumerate(FILES)]
    text = "".join(["track_id,path,artist\n", *rows])
    assert list_tracks(root, text)["artist"].tolist() == ["a"] * 4


def test_one_row_and_one_file_stand_side_by_side(root):
    text = f"path,artist\n{FILES[0]},a\njazz/002.mp3,b\nrock/16.mp3,c\n"
    with pytest.raises(DataError, match=r"\n  row:  path 'jazz/002\.mp3'\n  file: 'jazz/0002\.MP3'"):
        list_tracks(root, text, max_unmatched_share=0.1)


HEADLESS = "".join(f"{i},{name.rpartition('/')[2]},{'Jazz' if i < 2 else 'Rock'}\n" for i, name in enumerate(FILES))


def test_a_table_without_a_header_is_told_of_and_its_columns_may_be_numbered(root):
    with pytest.raises(DataError, match=r"t\.csv: has no header: .*dataset\.columns: \{path: 2, genre: 3\}$"):
        list_tracks(root, HEADLESS)
    frame = list_tracks(root, HEADLESS, columns={"path": 2, "genre": 3})
    assert frame["genre"].notna().all(), "the first row counts"
    assert frame.attrs.get("remarks", []) == []


def test_positions_may_name_columns_of_a_table_with_a_header_too(root):
    text = "no,file name,kind\n" + HEADLESS
    assert list_tracks(root, text, columns={"path": 2, "genre": 3})["genre"].notna().all()
    with pytest.raises(DataError, match=r"has no column number 4; it has 3: no, file name, kind"):
        list_tracks(root, text, columns={"path": 2, "genre": 4})


def test_a_table_without_a_header_may_hold_a_word_twice(root):
    """As a header it would be refused for its doubled column."""
    text = "".join(f"{name},Jazz,Jazz\n" for name in FILES)
    assert list_tracks(root, text, columns={"path": 1, "genre": 2})["genre"].tolist() == ["Jazz"] * 4


def test_rows_of_a_table_without_a_header_are_counted_from_its_first(root):
    frame = list_tracks(root, f"{FILES[0]},a\ngone.wav,b\n{FILES[1]},c\n", columns={"path": 1, "artist": 2})
    assert frame.attrs["remarks"][0]["examples"] == ["row 2: 'gone.wav'"]


def test_advice_can_be_followed_where_a_column_looks_like_a_number(root):
    text = "22,33\n" + "".join(f"{name.rpartition('/')[2]},{name.partition('/')[0]}\n" for name in FILES)
    with pytest.raises(DataError, match="neither path nor track_id") as raised:
        list_tracks(root, text)
    advice = yaml.safe_load(str(raised.value).rpartition("dataset.columns: ")[2])
    assert advice == {"path": "22", "genre": "33"}
    assert list_tracks(root, text, columns=advice)["genre"].notna().all()


def test_what_fits_whole_is_not_counted_as_lacking(root):
    text = "path,artist\n" + "".join(f"{name},a\n" for name in FILES[:1])
    with pytest.raises(DataError) as raised:
        list_tracks(root, text)
    assert "0 of 1" not in str(raised.value)
    assert "\n  3 of 4 files without a row" in str(raised.value)
