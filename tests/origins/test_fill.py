"""Filling tables from MusicBrainz: what is filled and what never is, whom it asks, and how often."""

import csv
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pandas as pd
import pytest
from musicbrainz import (
    COLDPLAY,
    DEPECHE_MODE,
    METALLICA,
    NIRVANA,
    NIRVANA_UK,
    RADIOHEAD,
    serve,
    write_dump,
)
from typer.testing import CliRunner

from ostinato import __version__
from ostinato.cli import app
from ostinato.datasets._side_table import read_side_table
from ostinato.errors import DataError, OstinatoError
from ostinato.origins import web_service
from ostinato.origins.choices import NAME
from ostinato.origins.dump import Dump
from ostinato.origins.fill import read_values, run
from ostinato.origins.web_service import WebService, open_web_service

CONTACT = "me@example.org"


class Clock:
    """Time that only sleep moves."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(web_service, "time", clock)
    return clock


@pytest.fixture
def server(clock, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with serve() as server:
        yield server


@pytest.fixture(params=["service", "dump"])
def fill(request, server, tmp_path):
    """Return a function that fills a folder from the service, and one that does so from dumps."""
    if request.param == "dump":
        (tmp_path / "dump").mkdir()
        dump = write_dump(tmp_path / "dump")
        return lambda root, write=True, **columns: run(root, Dump(dump), columns=columns, write=write)
    return lambda root, write=True, **columns: ask(server, root, write, **columns)


def ask(server, root, write=True, **columns):
    with open_web_service(CONTACT, server.url) as service:
        return run(root, service, columns=columns, write=write)


def write_table(path, *rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def read_rows(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig").to_dict("records")


def test_artists_by_mbid(tmp_path, fill):
    table = write_table(
        tmp_path / "artists.csv", ["artist_id", "name", "country"],
        [RADIOHEAD, "Radiohead", ""], [METALLICA, "Metallica", "USA"], [DEPECHE_MODE, "Depeche Mode", "UK"],
        [COLDPLAY, "Coldplay", "UK"],
        ["00000000-0000-4000-8000-000000000000", "Nobody", ""], ["17", "No MBID and no such name", ""],
    )  # fmt: skip
    before = table.read_bytes()
    assert fill(tmp_path, write=False) == 11
    assert table.read_bytes() == before
    assert fill(tmp_path) == 11
    rows = read_rows(table)
    values = [[row[name] for name in ("country", "origin", "begin", "first_release")] for row in rows]
    assert values == [
        ["UK", "Abingdon-on-Thames", "1991", "1993"],  # spelled as the table does
        ["USA", "Los Angeles", "1981", "1991"],
        ["UK", "Basildon", "1980", "2001"],
        ["UK", "", "1996", ""],
        ["", "", "", ""],
        ["", "", "", ""],
    ]
    assert [row["fill_columns"] for row in rows[:2]] == [
        "country; origin; begin; first_release",
        "origin; begin; first_release",
    ]
    assert rows[1]["fill_source"] == f"musicbrainz artist/{METALLICA}"
    assert [row["fill_confidence"] for row in rows] == ["certain"] * 4 + ["", ""]
    assert (tmp_path / "artists.csv.original").read_bytes() == before
    assert not (tmp_path / NAME).exists()


def test_no_value_is_ever_overwritten(tmp_path, fill, capsys):
    header = ["path", "artist", "album", "Country", "origin", "begin", "year"]
    table = write_table(
        tmp_path / "tracks.csv", header,
        ["a.mp3", "Radiohead", "OK Computer", "Ruritania", "-", "unknown", ""],
        ["b.mp3", "Radiohead", "OK Computer", "Ruritania", "", "1", "2"],
    )  # fmt: skip
    fill(tmp_path)
    rows = read_rows(table)
    assert [list(row.values())[:7] for row in rows] == [
        ["a.mp3", "Radiohead", "OK Computer", "Ruritania", "-", "unknown", "1997"],
        ["b.mp3", "Radiohead", "OK Computer", "Ruritania", "Abingdon-on-Thames", "1", "2"],
    ]
    assert rows[0]["fill_source"] == f"musicbrainz artist/{RADIOHEAD} release-group/album-1"
    assert rows[1]["fill_source"] == f"musicbrainz artist/{RADIOHEAD}"
    assert fill(tmp_path) == 0
    assert read_rows(table) == rows


def test_countries_that_differ_are_reported(tmp_path, server, capsys):
    write_table(
        tmp_path / "artists.csv", ["mbid", "country"],
        [RADIOHEAD, "UK"], [DEPECHE_MODE, "UK"], [COLDPLAY, "France"], [METALLICA, "USA"], [NIRVANA, "USA"],
        [NIRVANA_UK, "USA"],
    )  # fmt: skip
    ask(server, tmp_path)
    words = "country: 4 of 6 in the table agree with MusicBrainz: row 4: France, not UK, row 7: USA, not UK\n"
    assert words in capsys.readouterr().err
    countries = [row["country"] for row in read_rows(tmp_path / "artists.csv")]
    assert countries == ["UK", "UK", "France", "USA", "USA", "USA"]


def test_one_row_does_not_tell_how_a_country_is_written(tmp_path, server, capsys):
    write_table(tmp_path / "artists.csv", ["mbid", "country"], [RADIOHEAD, "France"], [COLDPLAY, ""])
    ask(server, tmp_path)
    ask(server, tmp_path)  # nor does what the first run filled
    assert "in the table agree" not in capsys.readouterr().err
    assert [row["country"] for row in read_rows(tmp_path / "artists.csv")] == ["France", "GB"]


def test_a_band_is_found_by_one_album(tmp_path, fill):
    table = write_table(
        tmp_path / "tracks.csv", ["path", "artist", "album"],
        ["a.mp3", "nirvana", "NEVERMIND"], ["b.mp3", "Nirvana", "Never Mind the Gap"], ["c.mp3", "", "Nevermind"],
    )  # fmt: skip
    fill(tmp_path)
    rows = read_rows(table)
    assert [rows[0][name] for name in ("country", "origin", "begin", "year", "fill_confidence")] == [
        "US", "Aberdeen", "1987", "1991", "medium",
    ]  # fmt: skip
    assert {row["country"] for row in rows[1:]} == {""}
    assert read_side_table(table, {}).set_index("path")["year"].fillna(0).tolist() == [1991, 0, 0]


def test_two_bands_of_one_name_are_asked(tmp_path, fill, capsys):
    table = write_table(
        tmp_path / "tracks.csv", ["path", "artist", "album"],
        ["a.mp3", "Nirvana", "Greatest Hits"], ["b.mp3", "Nirvana", "Greatest hits"], ["c.mp3", "Nirvana", ""],
    )  # fmt: skip
    before = table.read_bytes()
    assert fill(tmp_path) == 0
    assert table.read_bytes() == before
    output = capsys.readouterr().err
    assert f"{tmp_path / NAME}: write x into the column choose beside each artist who is meant, and run again" in output
    assert "3 to choose, 0 unknown" in output
    rows = read_rows(tmp_path / NAME)
    assert [(row["album"], row["mbid"]) for row in rows] == [
        ("Greatest hits", NIRVANA), ("Greatest hits", NIRVANA_UK), ("", NIRVANA), ("", NIRVANA_UK),
    ]  # fmt: skip
    assert rows[1]["disambiguation"] == "60s band from the UK"
    rows[1]["choose"] = "x"
    write_table(tmp_path / NAME, list(rows[0]), *(row.values() for row in rows))
    chosen = (tmp_path / NAME).read_text()
    assert fill(tmp_path) == 8
    values = [[row[n] for n in ("country", "origin", "year", "fill_confidence")] for row in read_rows(table)]
    assert values == [["GB", "London", "1999", "certain"]] * 2 + [["", "", "", ""]]
    assert [r["choose"] for r in read_rows(tmp_path / NAME)] == ["", "x", "", ""], chosen


def test_a_name_alone_is_never_enough(tmp_path, fill):
    table = write_table(tmp_path / "artists.csv", ["name"], ["Metallica"], ["The Paranoids"])
    before = table.read_bytes()
    assert fill(tmp_path) == 0
    assert table.read_bytes() == before
    names = [(row["artist"], row["name"]) for row in read_rows(tmp_path / NAME)]
    assert names == [("Metallica", "Metallica"), ("The Paranoids", "Radiohead")]  # by an alias


def test_the_area_of_an_artist():
    berlin = {"name": "Berlin", "type": "City", "iso-3166-2-codes": ["DE-BE"]}
    born = {"name": "Kyiv", "type": "City"}
    span = {"begin": "1966-05", "ended": None}
    assert read_values({"area": berlin, "life-span": span}) == {"country": "DE", "origin": "Berlin", "begin": 1966}
    assert read_values({"area": berlin, "begin-area": born})["origin"] == "Kyiv"
    assert read_values({"area": {"name": "France", "type": "Country"}, "country": "FR"}) == {
        "country": "FR", "origin": None, "begin": None,
    }  # fmt: skip
    assert set(read_values({"area": None, "life-span": None}).values()) == {None}


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ([["x", NIRVANA], ["x", NIRVANA_UK]], "row 3: 'Nirvana' is chosen twice; keep one"),
        ([["x", "17"]], "row 2: mbid '17' is not an MBID; correct it"),
    ],
)
def test_a_choice_that_says_nothing_is_refused(tmp_path, server, choices, words):
    write_table(tmp_path / "tracks.csv", ["path", "artist"], ["a.mp3", "Nirvana"])
    rows = [[mark, "Nirvana", "", "", mbid] for mark, mbid in choices]
    write_table(tmp_path / NAME, ["choose", "artist", "album", "isrc", "mbid"], *rows)
    with pytest.raises(DataError, match=words):
        ask(server, tmp_path)
    assert server.requests == []


def test_a_person_s_own_columns_and_separator_stay_in_the_choices(tmp_path, server):
    write_table(tmp_path / "tracks.csv", ["path", "artist"], ["a.mp3", "Nirvana"])
    (tmp_path / NAME).write_text("choose;artist;album;isrc;mbid;note\nx;Somebody;;;" + COLDPLAY + ";heard, liked\n")
    ask(server, tmp_path)
    header, first, *others = (tmp_path / NAME).read_text(encoding="utf-8-sig").splitlines()
    assert header == "choose;artist;album;isrc;mbid;name;disambiguation;country;link;note"
    assert first == f"x;Somebody;;;{COLDPLAY};;;;;heard, liked"
    assert [line.split(";")[1] for line in others] == ["Nirvana", "Nirvana"]


def test_names_are_neither_formulas_nor_commands_of_a_terminal(tmp_path, server, capsys):
    rows = [[RADIOHEAD, country] for country in ("\x1b[2JUK", "GB", "GB")]
    write_table(tmp_path / "artists.csv", ["mbid", "country"], *rows)
    write_table(tmp_path / "tracks.csv", ["path", "artist", "album"], ["a.mp3", "Nirvana", "=1+1"])
    ask(server, tmp_path)
    assert "\x1b" not in "".join(capsys.readouterr())
    assert [row["album"] for row in read_rows(tmp_path / NAME)] == ["'=1+1"] * 2


def test_isrc(tmp_path, fill):
    table = write_table(
        tmp_path / "tracks.csv", ["path", "artist", "isrc"],
        ["a.mp3", "", "gb-aye-97-01274"], ["b.mp3", "Coldplay", "USEE10001993"], ["c.mp3", "", "USEE10001993"],
        ["d.mp3", "Radiohead", "USEE10001993"], ["e.mp3", "", "not one"], ["f.mp3", "", "GBAYE0000000"],
    )  # fmt: skip
    fill(tmp_path)
    rows = read_rows(table)
    values = [[row[name] for name in ("origin", "begin", "year", "fill_confidence")] for row in rows]
    assert values == [
        ["Abingdon-on-Thames", "1991", "1997", "high"],
        ["", "1996", "1988", "high"],  # the second artist, because the row names that one
        ["Los Angeles", "1981", "1988", "high"],  # without a name, the first
        ["", "", "", ""],
        ["", "", "", ""],
        ["", "", "", ""],
    ]
    assert rows[0]["fill_source"] == f"musicbrainz artist/{RADIOHEAD} recording/recording-1"
    (candidate,) = read_rows(tmp_path / NAME)  # the row says Radiohead, the code Metallica: a person decides
    assert (candidate["artist"], candidate["name"]) == ("Radiohead", "Metallica")


def test_a_second_run_sends_nothing(tmp_path, server, capsys):
    rows = [[RADIOHEAD, ""], ["", "Nirvana"], ["00000000-0000-4000-8000-000000000000", ""], ["", "Nobody"]]
    write_table(tmp_path / "artists.csv", ["mbid", "name"], *rows)
    ask(server, tmp_path, write=False)
    assert len(server.requests) == len(set(server.requests)) == 6  # two pages of albums
    ask(server, tmp_path)
    ask(server, tmp_path)
    assert len(server.requests) == 6
    assert "0 requests sent" in capsys.readouterr().err


def test_one_request_a_second_with_a_name_and_a_contact(tmp_path, server, clock):
    times = []
    server.gate = lambda path: times.append(clock.now)
    write_table(tmp_path / "artists.csv", ["mbid"], [RADIOHEAD], [METALLICA], ["00000000-0000-4000-8000-000000000000"])
    ask(server, tmp_path)
    assert len(times) == 6
    assert min(b - a for a, b in pairwise([0.0, *times])) == 1
    assert set(server.agents) == {f"ostinato/{__version__} ( {CONTACT} )"}


@pytest.mark.parametrize("status", [503, 429])
@pytest.mark.parametrize("form", ["seconds", "date", None])
def test_a_pause_that_the_server_asks_for_is_kept(tmp_path, server, clock, status, form):
    times = []
    server.gate = lambda path: times.append(clock.now)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    headers = {"seconds": {"Retry-After": "47"}, "date": {"Retry-After": date}, None: {}}[form]
    limit = '{"error":"Your requests are exceeding the allowable rate limit."}'
    server.instead = [(status, headers, limit), (status, headers, limit)]
    write_table(tmp_path / "tracks.csv", ["path", "artist_mbid"], ["a.mp3", RADIOHEAD])
    ask(server, tmp_path)
    assert read_rows(tmp_path / "tracks.csv")[0]["country"] == "GB"
    pauses = [b - a for a, b in pairwise(times)]
    assert len(pauses) == 2
    assert min(pauses) >= {"seconds": 47, "date": 50, None: 1}[form]
    assert form or pauses == [1, 2]


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        ([(503, {}, "busy")] * 6, "does not answer after 6 attempts"),
        ([(503, {"Retry-After": "86400"}, "busy")], "asks for a pause of 86400 s; run again after that"),
        ([(503, {"Retry-After": "²"}, "busy")] * 6, "does not answer after 6 attempts"),
        ([(503, {"Retry-After": f"Mon, 1 Jan {'9' * 20} 00:00:00 GMT"}, "busy")] * 6, "does not answer after 6"),
        ([(503, {"Content-Length": "99"}, "cut off")] * 6, "does not answer after 6 attempts"),
        ([(403, {}, "blocked")], "refuses to answer: 403 Forbidden: blocked"),
        ([(404, {}, "<html>No such page</html>")], "refuses to answer: 404 Not Found: <html>.* check --server"),
        ([(200, {}, "<html>Log in to the network</html>")], "the answer is not that of MusicBrainz"),
        ([(200, {}, '{"error": "down"}')], "the answer is not that of MusicBrainz"),
    ],
)
def test_a_database_that_cannot_be_reached(tmp_path, server, instead, words):
    table = write_table(tmp_path / "tracks.csv", ["path", "artist_mbid"], ["a.mp3", RADIOHEAD], ["b.mp3", METALLICA])
    before = table.read_bytes()
    server.gate = lambda path: server.instead.extend(instead if METALLICA in path and not server.instead else ())
    with pytest.raises(OstinatoError, match=words):
        ask(server, tmp_path)
    assert table.read_bytes() == before
    server.gate, server.instead = None, []
    n = len(server.requests)
    ask(server, tmp_path)
    assert [METALLICA in path for path in server.requests[n:]] == [True]  # the first answer was kept
    assert [row["country"] for row in read_rows(table)] == ["GB", "US"]


def test_a_search_that_is_not_there_is_no_unknown_artist(tmp_path, server):
    write_table(tmp_path / "tracks.csv", ["path", "artist"], ["a.mp3", "Radiohead"])
    server.instead = [(404, {}, '{"error":"Not Found"}')]  # as from another service than MusicBrainz
    with pytest.raises(OstinatoError, match=r"refuses to answer: 404 Not Found.* check --server"):
        ask(server, tmp_path)
    ask(server, tmp_path)
    assert len(read_rows(tmp_path / NAME)) == 1


def test_no_server_at_all(tmp_path, clock, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_table(tmp_path / "tracks.csv", ["path", "artist_mbid"], ["a.mp3", RADIOHEAD])
    with (
        pytest.raises(OstinatoError, match="check the connection and run again"),
        open_web_service(CONTACT, "http://127.0.0.1:1/ws/2") as service,
    ):
        run(tmp_path, service, columns={}, write=True)


def test_killed_and_run_again_asks_nothing_twice(tmp_path, server):
    table = write_table(tmp_path / "tracks.csv", ["path", "artist_mbid"], *([f"{i}.mp3", m] for i, m in enumerate(
        (RADIOHEAD, METALLICA, COLDPLAY)
    )))  # fmt: skip
    before, reached, ended = table.read_bytes(), threading.Event(), threading.Event()

    def stop(path):
        if COLDPLAY in path and not ended.is_set():
            reached.set()
            ended.wait(60)

    server.gate = stop
    command = [sys.executable, "-m", "ostinato", "fill", str(tmp_path), "--contact", CONTACT, "--server", server.url]
    process = subprocess.Popen([*command, "--write"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert reached.wait(120)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        ended.set()
    assert table.read_bytes() == before
    assert len(server.requests) == 3
    ask(server, tmp_path)
    assert [path for path in server.requests[3:] if COLDPLAY not in path] == []
    assert len(server.requests) == 4
    assert [row["country"] for row in read_rows(table)] == ["GB", "US", "GB"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_table_keeps_its_form(tmp_path, server, separator, encoding, end):
    start = f"sep={separator}{end}" if separator == ";" else ""
    lines = ["path|artist|album|note", 'é.mp3|Radiohead|OK Computer|" a  b "', "c.mp3|Nobody", '"d, ""e"".mp3"|||']
    table = tmp_path / "tracks.csv"
    table.write_bytes((start + end.join(lines).replace("|", separator) + end).encode(encoding))
    assert ask(server, tmp_path) == 4
    now = table.read_bytes().decode("utf-8-sig" if encoding == "cp1252" else encoding)
    assert now.startswith(start)
    assert now.count(end) == now.count("\n") == 4 + bool(start)
    rows = list(csv.reader(now[len(start) :].splitlines(), delimiter=separator))
    assert rows[1][:8] == ["é.mp3", "Radiohead", "OK Computer", " a  b ", "GB", "Abingdon-on-Thames", "1991", "1997"]
    assert rows[2] == ["c.mp3", "Nobody", *[""] * 9]
    assert rows[3] == ['d, "e".mp3', *[""] * 10]


def test_parquet(tmp_path, fill):
    table = pd.DataFrame({
        "track_id": ["a", "b"], "artist": [["Radiohead", "Guest"], ["Nirvana"]], "album": ["OK Computer", "Nevermind"],
        "year": [1901.0, None], "begin": pd.array([None, 5], "Int32"), "country": [None, None],
    })  # fmt: skip
    table.to_parquet(tmp_path / "tracks.parquet")
    fill(tmp_path)
    now = pd.read_parquet(tmp_path / "tracks.parquet")
    assert now["year"].tolist() == [1901.0, 1991.0]
    assert now["begin"].tolist() == [1991, 5]
    assert now["country"].tolist() == ["GB", "US"]
    assert now["origin"].tolist() == ["Abingdon-on-Thames", "Aberdeen"]
    assert [list(names) for names in now["artist"]] == [["Radiohead", "Guest"], ["Nirvana"]]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "tracks.parquet.original"), table)


def test_a_table_that_changed_meanwhile_is_left_alone(tmp_path, server):
    table = write_table(tmp_path / "tracks.csv", ["path", "artist_mbid"], ["a.mp3", RADIOHEAD])
    server.gate = lambda path: table.write_text("path,artist_mbid\n")
    with pytest.raises(DataError, match="has changed meanwhile; run again"):
        ask(server, tmp_path)
    assert table.read_text() == "path,artist_mbid\n"


def test_columns_of_other_names(tmp_path, server):
    table = write_table(tmp_path / "list.csv", ["track_id", "performer", "record"], ["1", "Radiohead", "OK Computer"])
    assert ask(server, table, artist="performer", album="record") == 4
    with pytest.raises(DataError, match="has a column 'band'; correct its name"):
        ask(server, table, artist="band")
    with pytest.raises(DataError, match="'artits' is not a known column"):
        ask(server, table, artits="performer")
    other = write_table(tmp_path / "other.csv", ["track_id", "composer"], ["1", "Bach"])
    with pytest.raises(DataError, match=r"other\.csv: has no column of artists or ISRCs; name yours"):
        ask(server, other)
    with pytest.raises(DataError, match="has no table"):
        ask(server, tmp_path / "cache")


def test_a_dump_that_is_missing_or_damaged(tmp_path):
    write_table(tmp_path / "tracks.csv", ["path", "artist", "album"], ["a.mp3", "Radiohead", "OK Computer"])
    with pytest.raises(DataError, match=r"release-group\.tar\.xz: is not there; download it"):
        run(tmp_path, Dump(tmp_path), columns={}, write=True)
    write_dump(tmp_path)
    path = tmp_path / "release-group.tar.xz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"release-group\.tar\.xz: is damaged after \d lines .* download it again"):
        run(tmp_path, Dump(tmp_path), columns={}, write=True)


def test_a_damaged_cache_is_named(tmp_path, server):
    (tmp_path / "cache/ostinato/musicbrainz").mkdir(parents=True)
    (tmp_path / "cache/ostinato/musicbrainz/answers.sqlite").write_text("no database " * 100)
    write_table(tmp_path / "tracks.csv", ["path", "artist_mbid"], ["a.mp3", RADIOHEAD])
    with pytest.raises(
        DataError, match=r"answers\.sqlite: is damaged or cannot be written .*; delete it and run again"
    ):
        ask(server, tmp_path)


@pytest.mark.parametrize("contact", ["", "me", "me@here\r\nX: y", "http://"])
def test_a_contact_that_is_no_address(tmp_path, contact):
    with pytest.raises(DataError, match="is not an e-mail address or web page"):
        WebService(contact, "1", tmp_path / "answers.sqlite")


def test_the_command(tmp_path, server, monkeypatch):
    monkeypatch.delenv("OSTINATO_CONTACT", raising=False)
    write_table(tmp_path / "tracks.csv", ["path", "artist_mbid"], ["a.mp3", RADIOHEAD])
    refused = CliRunner().invoke(app, ["fill", str(tmp_path)])
    assert refused.exit_code == 2
    assert "--contact is required" in " ".join(refused.output.replace("│", " ").split())
    monkeypatch.setenv("OSTINATO_CONTACT", CONTACT)
    result = CliRunner().invoke(app, ["fill", str(tmp_path), "--server", server.url], catch_exceptions=False)
    assert result.stdout == (
        f"{tmp_path}/tracks.csv: row 2: country GB, origin Abingdon-on-Thames, begin 1991 "
        f"(certain: musicbrainz artist/{RADIOHEAD})\n"
    )
    assert result.stderr == (
        "1 row: 0 complete or without a name, 1 known to MusicBrainz, 0 to choose, 0 unknown\n"
        "1 request sent, 3 cells to fill: --write fills them\n"
    )


def test_the_real_table_of_artists(tmp_path, server, shared_data, capsys):
    real = pd.read_csv(shared_data / "tables/artist_graph_artists.csv", dtype=str, keep_default_na=False)
    known = real[real["artist_id"].isin([RADIOHEAD, DEPECHE_MODE, COLDPLAY, METALLICA])]
    assert sorted(known["country"]) == ["UK", "UK", "UK", "USA"]
    known.to_csv(tmp_path / "artists.csv", index=False)
    ask(server, tmp_path)
    assert "country: 3 of 3 in the table agree with MusicBrainz\n" in capsys.readouterr().err
