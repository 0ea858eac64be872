"""Tables of plays and exports: what is read, what is left out and counted, and what is refused."""

import json
import zipfile

import pandas as pd
import pytest

from ostinato.errors import DataError
from ostinato.listening.exports import read_export
from ostinato.listening.plays import parse_times, read_plays

NOW = pd.Timestamp("2024-06-01", tz="UTC")
TRACKS = pd.DataFrame(
    {
        "track_id": ["t1", "t2", "t3"],
        "artist": ["Sigur Rós", "Sigur Rós", None],
        "title": ["Svefn-g-englar", "Starálfur", None],
    }
)


def write(path, text: str):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_and_everything_left_out_is_counted(tmp_path):
    table = write(
        tmp_path / "plays.csv",
        "listener,track_id,at,seconds,skipped\n"
        "ann,t1,2024-01-01T10:00:00Z,200,false\n"
        "ann,t1,2024-01-01T10:00:00Z,200,false\n"
        "ben,t2,1704103200,12,true\n"
        "ben,t9,2024-01-02,100,false\n"
        "ben,t3,2030-01-02,100,false\n"
        ",t3,2024-01-02,100,false\n"
        "ben,t3,whenever,100,false\n",
    )
    plays = read_plays(table, TRACKS, NOW)
    assert plays.table["track_id"].tolist() == ["t1", "t2"]
    assert plays.table["skipped"].tolist() == [False, True]
    assert plays.table["at"].iloc[1] == pd.Timestamp("2024-01-01T10:00:00Z")
    expected = {
        "n_rows": 7,
        "n_unknown_tracks": 1,
        "n_in_future": 1,
        "n_without_listener": 1,
        "n_without_time": 1,
        "n_repeated_rows": 1,
        "n_plays": 2,
        "n_listeners": 2,
        "n_skips": 1,
    }
    assert {key: plays.counts[key] for key in expected} == expected
    assert plays.counts["unknown_examples"] == ["t9"]


def test_parquet_keeps_its_types(tmp_path):
    table = pd.DataFrame(
        {
            "listener": ["ann", "ben"],
            "track_id": ["t1", "t2"],
            "at": pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True),
            "seconds": [10.0, 100.0],
            "skipped": [True, False],
        }
    )
    table.to_parquet(tmp_path / "plays.parquet")
    pd.testing.assert_frame_equal(
        read_plays(tmp_path / "plays.parquet", TRACKS, NOW).table, table, check_dtype=False, check_like=True
    )


def test_short_plays_are_skips_only_where_the_table_does_not_say(tmp_path):
    rows = "ann,t1,2024-01-01,10\nann,t2,2024-01-02,100\n"
    silent = read_plays(write(tmp_path / "a.csv", f"listener,track_id,at,seconds\n{rows}"), TRACKS, NOW)
    assert silent.table["skipped"].tolist() == [True, False]
    said = rows.replace("10\n", "10,no\n", 1).replace("100\n", "100,no\n")
    table = read_plays(write(tmp_path / "b.csv", f"listener,track_id,at,seconds,skipped\n{said}"), TRACKS, NOW)
    assert table.table["skipped"].tolist() == [False, False]
    without = read_plays(write(tmp_path / "c.csv", "listener,track_id,at\nann,t1,2024-01-01\n"), TRACKS, NOW)
    assert without.counts["n_skips"] == 0


LISTEN = {
    "listened_at": 1704103200,
    "user_name": "ann",
    "track_metadata": {"artist_name": "SIGUR RÓS", "track_name": "Starálfur", "additional_info": {"isrc": "x"}},
}
LASTFM_PAGE = {
    "recenttracks": {
        "@attr": {"user": "ann"},
        "track": [
            {"artist": {"#text": "Sigur Rós"}, "name": "Svefn-g-englar", "@attr": {"nowplaying": "true"}},
            {"artist": {"#text": "Sigur Rós"}, "name": "Starálfur", "date": {"uts": "1704103200"}},
        ],
    }
}
STATS = {"username": "ann", "scrobbles": [{"track": "Starálfur", "artist": "Sigur Rós", "date": 1704103200000}]}
EXPORTS = {
    "listens.jsonl": json.dumps(LISTEN),
    "listens.json": json.dumps([LISTEN]),
    "answer.json": json.dumps({"payload": {"user_id": "ann", "listens": [LISTEN]}}),
    "recent.json": json.dumps(LASTFM_PAGE),
    "stats.json": json.dumps(STATS),
    "stats.csv": "Artist;Album;AlbumId;Track;Date#ann\nSigur Rós;Ágætis byrjun;1;Starálfur;1704103200000\n",
    "lastfm-1k.tsv": "ann\t2024-01-01T10:00:00Z\t-\tSigur Rós\t-\tStarálfur\n",
    "scrobbles.csv": (
        "uts,utc_time,artist,artist_mbid,album,track,user\n1704103200,01 Jan 2024 10:00,Sigur Rós,,,Starálfur,ann\n"
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_read(tmp_path, name):
    plays = read_plays(write(tmp_path / name, EXPORTS[name]), TRACKS, NOW).table
    assert plays[["listener", "track_id"]].to_numpy().tolist() == [["ann", "t2"]]
    assert plays["at"].tolist() == [pd.Timestamp("2024-01-01T10:00:00Z")]


def test_a_table_without_header_and_listener_is_of_the_one_the_file_is_named_after(tmp_path):
    path = write(tmp_path / "ann.csv", 'Sigur Rós,Ágætis byrjun,Starálfur,"01 Jan 2024 10:00"\n')
    plays = read_plays(path, TRACKS, NOW).table
    assert plays[["listener", "track_id"]].to_numpy().tolist() == [["ann", "t2"]]


def test_a_zip_and_a_folder_hold_several_exports(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    with zipfile.ZipFile(folder / "listenbrainz_ann.zip", "w") as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("listens/2024/1.jsonl", json.dumps({**LISTEN, "user_name": None}) + "\n")
    write(folder / "ben.csv", "track_id,at\nt1,2024-01-02\n")
    plays = read_plays(folder, TRACKS, NOW).table
    assert plays[["listener", "track_id"]].to_numpy().tolist() == [["listenbrainz_ann", "t2"], ["ben", "t1"]]


REFUSED = {
    "a.csv": ("who,what\nann,t1\n", "plays need listener, track_id and at"),
    "b.csv": ("listener,track_id,at\nann,t9,2024-01-01\n", "are of tracks that the dataset lacks, such as t9"),
    "c.csv": ("listener,track_id,at\nann,t1,2199-01-01\n", "1 are in the future"),
    "d.json": ("{", "cannot be read as an export"),
    "e.parquet": ("no", "cannot be read as Parquet"),
    "f.zip": ("no", "cannot be read as an export"),
    "g.csv": ("listener,track_id,at,skipped\nann,t1,2024-01-01,maybe\n", "neither true nor false, such as 'maybe'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_with_the_file_and_the_reason(tmp_path, name):
    text, reason = REFUSED[name]
    with pytest.raises(DataError, match=reason) as caught:
        read_plays(write(tmp_path / name, text), TRACKS, NOW)
    assert name in str(caught.value)


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"set listeners\.plays"):
        read_export(tmp_path / "plays.csv")
    with pytest.raises(DataError, match="empty folder"):
        read_plays(tmp_path, TRACKS, NOW)


@pytest.mark.parametrize("cell", ["now", "today", "12:30", "0", "-5", "2024", "20240102", "1970-01-01", "True"])
def test_a_cell_that_names_no_day_of_a_play_is_no_time(cell):
    assert parse_times(pd.Series([cell, "2024-01-02"])).isna().tolist() == [True, False]


@pytest.mark.parametrize("cell", [True, 10**400, [1], pd.Timestamp("1970-01-01")])
def test_a_value_that_is_no_time_is_no_fault(cell):
    assert parse_times(pd.Series([cell], dtype=object)).isna().all()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"@attr": "x", "listens": []}', '[{"track_metadata": {"additional_info": "x"}}]']
)
def test_json_of_another_kind_is_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"odd\.json: cannot be read as an export"):
        read_export(write(tmp_path / "odd.json", text))


def test_last_fm_answers_one_play_without_a_list(tmp_path):
    track = {"artist": {"#text": "Sigur Rós"}, "name": "Starálfur", "date": {"uts": "1704103200"}}
    text = json.dumps({"recenttracks": {"@attr": {"user": "ann"}, "track": track}})
    plays = read_plays(write(tmp_path / "one.json", text), TRACKS, NOW).table
    assert plays[["listener", "track_id"]].to_numpy().tolist() == [["ann", "t2"]]


def test_the_index_of_a_parquet_table_is_a_column(tmp_path):
    table = pd.DataFrame({"listener": ["ann", "ben"], "track_id": "t1", "at": pd.Timestamp("2024-01-01")})
    table.set_index("listener").to_parquet(tmp_path / "plays.parquet")
    assert read_plays(tmp_path / "plays.parquet", TRACKS, NOW).table["listener"].tolist() == ["ann", "ben"]


def test_a_file_of_a_folder_is_named_if_its_skips_are_unclear(tmp_path):
    write(tmp_path / "a.csv", "listener,track_id,at,skipped\nann,t1,2024-01-01,NaN\n")
    write(tmp_path / "b.csv", "listener,track_id,at,skipped\nann,t1,2024-01-01,maybe\n")
    with pytest.raises(DataError, match=r"b\.csv: skipped: 1 cells .* 'maybe'; write true"):
        read_plays(tmp_path, TRACKS, NOW)


def test_seconds_that_cannot_be_are_unknown(tmp_path):
    path = write(tmp_path / "a.csv", "listener,track_id,at,seconds\nann,t1,2024-01-01,inf\nben,t1,2024-01-01,-5\n")
    plays = read_plays(path, TRACKS, NOW).table
    assert plays["seconds"].isna().all()
    assert not plays["skipped"].any()
